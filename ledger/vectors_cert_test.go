package ledger

import (
	"bytes"
	"testing"

	"github.com/peersea/sea/identity"
)

// certs adds the vectors of warrants and of what is kept of certificates.
func (g *examples) certs(t testing.TB, add func(string, string, []byte, bool, map[string]any), stored func(bucket, []byte, []byte)) {
	t.Helper()
	entity, node := keyOf(t, 3), g.payer
	said := certify(t, entity, node.Entity(), 4*Credit, CanPay, CanSell)
	w := actUnder(t, node, said, 1_760_000_000, 1_760_003_600)
	add("act", "the payer's word that it acts under a certificate of the key whose seed is 32 times 03; signed for sea/act/1",
		w.act.Encode(), false, map[string]any{"certificate": w.act.Certificate, "from": w.act.From, "until": w.act.Until})
	revoked, err := identity.Revocation{Node: g.payee.Entity(), Serial: 1, At: 1_760_000_000, Until: 1_760_086_400}.Sign(entity)
	if err != nil {
		t.Fatal(err)
	}
	add("credentials", "what the payer shows the payee: its certificate, its word, and that its entity revoked another node's certificates",
		credentials{warrant: &w, revoked: []identity.Statement{revoked}}.encode(), false, nil)
	add("credentials of the entity", "what the entity shows: a revocation", credentials{revoked: []identity.Statement{revoked}}.encode(), false, nil)

	by, of := entity.Entity(), node.Entity()
	stored(bCert, certKey(certWarrant, of[:], by[:]), encodeWarrant(w))
	g.bytes["file: issued"] = seal(bCert, nil, issued{said, 1_760_086_400}.encode())
	g.bytes["file: revoked"] = seal(bCert, nil, encodeStatement(revoked))

	c := newChain(t, node, g.payee.Entity()).pay(nil, 3*Credit, 2*Credit)
	p := proof{kind: proofBudget, peer: of, shown: &c.runs[0], warrant: &w}
	add("proof over a budget", "5 credits under a certificate of 4, as credit prove writes it without the first two lines' mark and key",
		p.encode(), false, nil)
}

// certify has entity give node a certificate for a day from testTime on.
func certify(t testing.TB, entity identity.Signer, node identity.Entity, budget Amount, can ...string) identity.Statement {
	t.Helper()
	return certifyFrom(t, entity, identity.Certificate{Node: node, Can: can, Budget: uint64(budget), NotBefore: 1_760_000_000, NotAfter: 1_760_086_400, Serial: 1})
}

func certifyFrom(t testing.TB, entity identity.Signer, c identity.Certificate) identity.Statement {
	t.Helper()
	s, err := c.Sign(entity)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// actUnder gives node's word for a certificate.
func actUnder(t testing.TB, node identity.Signer, said identity.Statement, from, until int64) warrant {
	t.Helper()
	word, err := node.Sign(ActPurpose, Act{said.Hash(identity.CertificatePurpose), from, until}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWarrant(said, word)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestCertVectors reads the committed vectors back to the same bytes.
func TestCertVectors(t *testing.T) {
	g := makeExamples(t)
	for name, again := range map[string]func(b []byte) ([]byte, error){
		"act":                       func(b []byte) ([]byte, error) { a, err := DecodeAct(b); return a.Encode(), err },
		"credentials":               func(b []byte) ([]byte, error) { c, err := decodeCredentials(b); return c.encode(), err },
		"credentials of the entity": func(b []byte) ([]byte, error) { c, err := decodeCredentials(b); return c.encode(), err },
		"proof over a budget":       func(b []byte) ([]byte, error) { p, err := decodeProof(b); return p.encode(), err },
	} {
		if b, err := again(g.bytes[name]); err != nil || !bytes.Equal(b, g.bytes[name]) {
			t.Errorf("%s: got %x, %v", name, b, err)
		}
	}
}

func FuzzAct(f *testing.F) { oneSpelling(f, seeds(f, "act"), DecodeAct, Act.Encode) }

func FuzzCredentials(f *testing.F) {
	oneSpelling(f, seeds(f, "credentials", "credentials of the entity"), decodeCredentials, credentials.encode)
}

// FuzzWarrant reads without verifying: no fuzzer makes a signature. FuzzCredentials
// reads the same and verifies.
func FuzzWarrant(f *testing.F) { oneSpelling(f, seeds(f, "file: cert"), keptWarrant, encodeWarrant) }

func FuzzIssued(f *testing.F) { oneSpelling(f, seeds(f, "file: issued"), decodeIssued, issued.encode) }

func FuzzKeptStatement(f *testing.F) {
	oneSpelling(f, seeds(f, "file: revoked"), decodeStatement, encodeStatement)
}

func FuzzBudgetProof(f *testing.F) {
	oneSpelling(f, seeds(f, "proof over a budget"), decodeProof, proof.encode)
}
