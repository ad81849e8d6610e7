package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// ActPurpose is what a node's own word is signed for: the body is the encoded
// Act.
const ActPurpose identity.Purpose = "sea/act/1"

// ErrWarrant is returned, wrapped with the reason, when a certificate and a
// node's word do not belong together.
var ErrWarrant = errors.New("bad warrant")

// The words in a certificate that a ledger and a market know.
const (
	CanPay  = "pay"  // promise, up to the budget
	CanSell = "sell" // sell work
)

// Act is a node's own word: from From until Until all that it promises, to
// anybody, counts under a certificate that names it. Without that word a
// certificate proves nothing against a node, for anyone can sign one; and
// because the word is short, a new certificate with another budget counts soon,
// though the old one has not ended.
type Act struct {
	Certificate identity.Hash // as a statement: who said what

	// From and Until are the first and the last second, Unix time.
	From, Until int64
}

// ActSize is the length of an encoded Act in bytes.
const ActSize = 1 + 32 + 8 + 8

// Encode returns the ActSize bytes of a: version, certificate, from, until.
func (a Act) Encode() []byte {
	b := append(make([]byte, 0, ActSize), version)
	b = append(b, a.Certificate[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(a.From))
	return binary.BigEndian.AppendUint64(b, uint64(a.Until))
}

// DecodeAct reads what Encode wrote. Errors are ErrFormat and ErrVersion.
func DecodeAct(b []byte) (Act, error) {
	r := reader{b: b, what: "act"}
	r.version()
	a := Act{Certificate: r.hash()}
	from, until := r.u64(), r.u64()
	if from > until || until > 1<<63-1 {
		r.fail(ErrFormat, "it is for no time")
	}
	a.From, a.Until = int64(from), int64(until)
	return a, r.end()
}

// warrant is a certificate with the node's word that it acts under it. What is
// read from outside has been verified: see reader.warrant; what is read from our
// own file was, before it was written.
type warrant struct {
	said identity.Statement // the certificate
	word identity.Statement // the act
	cert identity.Certificate
	act  Act
}

// maxWarrant bounds the encoding of a certificate in bytes: with 16 words of 32
// letters and the longest numbers it has under 900.
const maxWarrant = 1 << 10

// newWarrant verifies both statements and that they belong together.
func newWarrant(said, word identity.Statement) (warrant, error) {
	if _, err := said.Open(identity.CertificatePurpose); err != nil {
		return warrant{}, fmt.Errorf("%w: the certificate: %w", ErrWarrant, err)
	}
	if _, err := word.Open(ActPurpose); err != nil {
		return warrant{}, fmt.Errorf("%w: the node's word: %w", ErrWarrant, err)
	}
	return readWarrant(said, word)
}

// readWarrant is newWarrant of statements whose signatures were verified.
func readWarrant(said, word identity.Statement) (warrant, error) {
	w := warrant{said: said, word: word}
	var err error
	if w.cert, err = identity.ReadCertificate(said); err != nil {
		return w, fmt.Errorf("%w: %w", ErrWarrant, err)
	}
	w.act, err = DecodeAct(word.Body)
	bad := func(why string) (warrant, error) { return w, fmt.Errorf("%w: %s", ErrWarrant, why) }
	switch {
	case err != nil:
		return w, fmt.Errorf("%w: the node's word: %w", ErrWarrant, err)
	case w.cert.Node == said.By:
		return bad("the node signed its certificate itself")
	case word.By != w.cert.Node:
		return bad("the word is another node's")
	case w.act.Certificate != said.Hash(identity.CertificatePurpose):
		return bad("the word is for another certificate")
	case w.act.From < w.cert.NotBefore || w.act.Until > w.cert.NotAfter:
		return bad("the word goes beyond the certificate")
	}
	return w, nil
}

func (w warrant) entity() identity.Entity { return w.said.By }

// covers says whether what is promised in a tick counts under w: the whole tick
// does, for nobody can tell when in it an entry was made.
func (w warrant) covers(tick uint64) bool {
	if tick > 1<<62/tickLength {
		return false
	}
	at := int64(tick * tickLength)
	return at >= w.act.From && at+tickLength-1 <= w.act.Until
}

// limitOf is what a certificate lets its node promise in all.
func limitOf(c identity.Certificate) Amount {
	if !c.Allows(CanPay) {
		return 0
	}
	return Amount(c.Budget) // a certificate's is below 2^62
}

// breach finds the first entry of r that promises or locks more than w allows on
// one line alone. FOLD and SETTLE only make a promise that a LOCK was over, maybe
// before the certificate, part of cum.
func (w warrant) breach(r run) (i int, found bool) {
	for i, e := range r.entries {
		if (e.Kind == KindPay || e.Kind == KindLock) && w.covers(e.Tick) && e.Cum+e.Held > limitOf(w.cert) {
			return i, true
		}
	}
	return 0, false
}

// compare orders the warrants of one node and entity: the newest word counts. It
// depends on nothing but the two, so whatever order they come in, one stays.
func (w warrant) compare(v warrant) int {
	for _, pair := range [][2]uint64{
		{uint64(w.act.From), uint64(v.act.From)}, {uint64(w.act.Until), uint64(v.act.Until)}, {w.cert.Serial, v.cert.Serial},
	} {
		if pair[0] != pair[1] {
			if pair[0] < pair[1] {
				return -1
			}
			return 1
		}
	}
	return slices.Compare(w.act.Certificate[:], v.act.Certificate[:])
}

// append writes the two statements, each behind its length.
func (w warrant) append(b []byte) []byte {
	return appendStatement(appendStatement(b, w.said), w.word)
}

func appendStatement(b []byte, s identity.Statement) []byte {
	encoded := s.Encode()
	b = binary.BigEndian.AppendUint16(b, uint16(len(encoded)))
	return append(b, encoded...)
}

// statement reads what appendStatement wrote.
func (r *reader) statement(name string) identity.Statement {
	n := int(r.u16())
	if n > maxWarrant {
		r.fail(ErrFormat, "%s has %d bytes, %d at most", name, n, maxWarrant)
	}
	if r.err == nil && len(r.b)-r.at < n {
		r.fail(ErrFormat, "it ends in %s", name)
	}
	if r.err != nil {
		return identity.Statement{}
	}
	r.at += n
	s, err := identity.DecodeStatement(r.b[r.at-n : r.at])
	if err != nil {
		r.err = fmt.Errorf("%w: %s: %s: %w", ErrFormat, r.what, name, err)
	}
	return s
}

// warrant reads what warrant.append wrote, and verifies it: nothing else knows
// what is in it.
func (r *reader) warrant() warrant {
	said, word := r.statement("the certificate"), r.statement("the node's word")
	if r.err != nil {
		return warrant{}
	}
	w, err := newWarrant(said, word)
	if err != nil {
		r.err = fmt.Errorf("%s: %w", r.what, err)
	}
	return w
}

// credentials are what a node shows a peer of its line beside what it owes: in
// whose name it acts, and what its entity has taken back from other nodes.
type credentials struct {
	warrant *warrant
	revoked []identity.Statement // maxRevoked at most
}

// maxRevoked is how many revocations of one entity are kept and handed on.
const maxRevoked = 64

func (c credentials) encode() []byte {
	b := append(make([]byte, 0, 1024), version, typeCredentials, flagByte(c.warrant != nil))
	if c.warrant != nil {
		b = c.warrant.append(b)
	}
	b = append(b, byte(len(c.revoked)))
	for _, s := range c.revoked {
		b = appendStatement(b, s)
	}
	return b
}

// decodeCredentials reads what encode wrote. The warrant has been verified, the
// revocations have not.
func decodeCredentials(b []byte) (credentials, error) {
	r := reader{b: b, what: "credentials"}
	r.version()
	if t := r.u8(); t != typeCredentials {
		r.fail(ErrFormat, "its type is %d, not %d", t, typeCredentials)
	}
	var c credentials
	if r.flag("whether there is a warrant") {
		w := r.warrant()
		c.warrant = &w
	}
	n := int(r.u8())
	if n > maxRevoked {
		r.fail(ErrFormat, "it has %d revocations, %d at most", n, maxRevoked)
	}
	for i := 0; i < n && r.err == nil; i++ {
		c.revoked = append(c.revoked, r.statement("a revocation"))
	}
	return c, r.end()
}
