package ledger

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
)

// vector is one spelled-out example: the contract with other implementations.
type vector struct {
	Name  string         `json:"name"`
	About string         `json:"about"`
	Given map[string]any `json:"given,omitempty"`
	Hex   string         `json:"hex"`
	Hash  string         `json:"sha256,omitempty"` // of the bytes of hex
}

func publicOf(seed []byte) string {
	return hex.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// examples is what the vectors are made of, by two keys with known seeds.
type examples struct {
	payer, payee *identity.Key
	head         Head
	grant        Grant
	bytes        map[string][]byte
	list         []vector
}

func makeExamples(t testing.TB) *examples {
	g := &examples{payer: keyOf(t, 1), payee: keyOf(t, 2), bytes: map[string][]byte{}}
	add := func(name, about string, b []byte, hash bool, given map[string]any) {
		v := vector{Name: name, About: about, Given: given, Hex: hex.EncodeToString(b)}
		if hash {
			v.Hash = identity.HashOf(b).String()
		}
		g.bytes[name] = b
		g.list = append(g.list, v)
	}
	from, to := g.payer.Entity(), g.payee.Entity()
	line := LineOf(from, to)
	add("line", "SHA-256 of sea/line/1, credit, the low key, the high key", line[:], false, map[string]any{
		"payer_seed": "32 times 01", "payee_seed": "32 times 02", "payer": from, "payee": to, "payer_side": SideOf(from, to)})

	c := newChain(t, g.payer, to).pay(nil, 1_000_000).pay(nil, 250_000, 4_200_001)
	entry := func(e Entry) map[string]any {
		return map[string]any{
			"side": e.Side, "epoch": e.Epoch, "seq": e.Seq, "prev": e.Prev, "cum": e.Cum, "held": e.Held, "tick": e.Tick,
			"kind": e.Kind, "amount": e.Amount, "ref": e.Ref, "body": e.Body,
		}
	}
	first, last := c.runs[0].first(), c.last
	g.head = c.runs[1].head()
	add("entry 1", "the first payment", first.Encode(), true, entry(first))
	add("entry 3", "the third payment, two entries after the last head", last.Encode(), true, entry(last))
	add("head 3", "entry 3 and the payer's signature over its SHA-256 for sea/head/1", g.head.Encode(), false, nil)
	g.grant = grantBy(t, g.payee, from, 1, 50_000_000, 1_800_000_000)
	add("grant", "the payee lets the payer owe 50 credits; signed for sea/grant/1 without the last 64 bytes", g.grant.Encode(), false,
		map[string]any{"seq": g.grant.Seq, "creditor": g.grant.Creditor, "limit": g.grant.Limit, "expiry": g.grant.Expiry})
	add("position", "what the payee tells the payer that it holds", position{line: line, head: &g.head}.encode(), false, nil)
	add("position of a grant", "what the payer tells the payee that it holds", position{line: line, grant: &g.grant}.encode(), false, nil)
	add("position of nothing", "what either tells the other on a line that is new", position{line: line}.encode(), false, nil)
	add("push", "the payer's two runs, of one and two entries", c.push(0), false, nil)
	add("push of a grant", "the payee's grant", push{line: line, grant: &g.grant}.encode(), false, nil)
	a := ack{line: line, seq: 3, tip: last.Hash()}
	add("ack", "the payee's answer to the push", a.encode(), false, map[string]any{"seq": 3, "tip": a.tip})
	b := ack{line: line, grant: 1, terms: g.grant.hash()}
	add("ack of a grant", "the payer's answer to the push of a grant", b.encode(), false, map[string]any{"grant": 1, "terms": b.terms})

	reach := Reach{Epoch: 1, Seq: 3, Tip: last.Hash(), Cum: last.Cum}
	pact := Checkpoint{Line: line, N: 1, Tick: 176_000_000, Sides: [2]Reach{{Epoch: 1}, {Epoch: 1}}}
	pact.Sides[SideOf(from, to)] = reach
	pact.Sides[SideOf(to, from)].Grant, pact.Sides[SideOf(to, from)].Limit = 1, 50_000_000
	for _, k := range []*identity.Key{g.payer, g.payee} {
		var err error
		if pact, err = pact.sign(k, SideOf(k.Entity(), other(k.Entity(), from, to))); err != nil {
			t.Fatal(err)
		}
	}
	add("checkpoint", "the first checkpoint, after the push and the grant; both sign all but the last 128 bytes for sea/checkpoint/1",
		pact.Encode(), false, map[string]any{"n": pact.N, "tick": pact.Tick, "sides": pact.Sides, "locks": pact.Locks, "prev": pact.Prev, "sha256 of what is signed": pact.Hash()})
	add("checkpoint asked for", "the low side's first message, before any checkpoint", pactMessage{line: line}.encode(), false, nil)
	add("checkpoint proposed", "the low side's message with its proposal", pactMessage{line: line, proposed: &pact}.encode(), false, nil)
	add("checkpoint agreed", "the high side's answer", pactMessage{line: line, agreed: &pact}.encode(), false, nil)

	again := Recovery{Line: line, Side: SideOf(from, to), Epoch: 2, Seq: 3, Tip: last.Hash(), Cum: last.Cum}
	for i, k := range []*identity.Key{g.payer, g.payee} {
		said, err := k.Sign(RecoveryPurpose, again.terms())
		if err != nil {
			t.Fatal(err)
		}
		*[]*[64]byte{&again.Sig, &again.Consent}[i] = said.Sig
	}
	add("recovery", "the payer goes on after entry 3 in epoch 2, the payee holds nothing newer; both sign all but the last 128 bytes for sea/recover/1",
		again.Encode(), false, map[string]any{"side": again.Side, "epoch": 2, "seq": 3, "tip": again.Tip, "cum": again.Cum})
	add("recall", "the payer, of a file that has entry 1, asks for what comes after it",
		recall{line: line, epoch: 1, seq: 1, tip: first.Hash()}.encode(), false, nil)
	add("recalled", "the payee's answer", recalled{line: line, known: true, newest: 3, epoch: 1, runs: c.runs[1:]}.encode(), false, nil)
	add("recall of all", "the payer has all, and asks for the consent", recall{line: line, epoch: 1, seq: 3, tip: last.Hash(), with: &again}.encode(), false, nil)
	add("recalled and agreed", "the payee's answer",
		recalled{line: line, known: true, newest: 3, epoch: 2, recoveries: []Recovery{again}, agreed: true}.encode(), false, nil)

	add("position after a recovery", "what the payee tells the payer that it holds, when nothing has followed the recovery",
		position{line: line, head: &g.head, shown: []exhibit{{recovery: &again}}}.encode(), false, nil)

	w := writer{line, SideOf(from, to)}
	stored := func(b bucket, key, payload []byte) {
		add(fmt.Sprintf("file: %s", b), "a value of the bucket "+string(b)+" in the payee's file, with its checksum",
			seal(b, key, payload), false, map[string]any{"key": hex.EncodeToString(key)})
	}
	stored(bLog, number(3), record{peer: from, back: 2, entry: &last, signed: true, sig: g.head.Sig}.encode())
	stored(bLine, w.key(), half{peer: from, epoch: 1, seq: 3, cum: last.Cum, tip: last.Hash(), at: 3,
		grantSeq: 1, grantLimit: 50_000_000, grantExpiry: 1_800_000_000, grantAt: 4}.encode())
	stored(bHead, w.headKey(1, 3), span{2, 3}.encode())
	stored(bRef, ref{tagOf(w.refKey(last.Ref)), 3}.blockKey(3), encodeRefs([]ref{{tagOf(w.refKey(last.Ref)), 3}}))
	stored(bOut, line[:], unsent{peer: from, seq: 1, grant: 0}.encode())
	fork := c.clone().runs[0]
	stored(bProof, append(line[:], number(1)...), proof{kind: proofFork, tick: 176_000_000, peer: from, held: &fork, shown: &c.clone().runs[1]}.encode())
	stored(bCheckpoint, line[:], pactRecord(from, &pact))
	twice := pact
	twice.Tick++
	if twice, err := twice.sign(g.payer, w.side); err == nil {
		add("file: proof of two checkpoints", "a value of the bucket proof in the payee's file, with its checksum",
			seal(bProof, append(line[:], number(2)...), proof{kind: proofPacts, tick: 176_000_000, peer: from, pacts: []Checkpoint{pact, twice}}.encode()),
			false, map[string]any{"key": hex.EncodeToString(append(line[:], number(2)...))})
	}
	lost := append(line[:], number(1)...)
	add("file: proof of a lost recovery", "a value of the bucket proof in the payer's file, which was put back and then signed, with its checksum",
		seal(bProof, lost, proof{kind: proofLostEpoch, tick: 176_000_000, peer: to, recovery: &again}.encode()),
		false, map[string]any{"key": hex.EncodeToString(lost)})
	stored(bRecovery, w.recoveryKey(2), again.Encode())
	stored(bMeta, []byte("schema"), []byte{0, 0, 0, schema})
	g.segment(c, add, stored)
	g.locks(t, add, stored)
	g.certs(t, add, stored)
	return g
}

// other is the one of a and b that k is not.
func other(k, a, b identity.Entity) identity.Entity {
	if k == a {
		return b
	}
	return a
}

// pactRecord is what a file holds of a line whose newest checkpoint is c.
func pactRecord(peer identity.Entity, c *Checkpoint) []byte {
	return pact{peer: peer, agreed: c}.encode()
}

// TestVectors compares what is written with the committed vectors, and reads
// each of those back to the same bytes.
func TestVectors(t *testing.T) {
	g := makeExamples(t)
	golden.JSON(t, "testdata/vectors.json", g.list)
	for name, again := range map[string]func(b []byte) ([]byte, error){
		"entry 1":             func(b []byte) ([]byte, error) { e, err := DecodeEntry(b); return e.Encode(), err },
		"entry 3":             func(b []byte) ([]byte, error) { e, err := DecodeEntry(b); return e.Encode(), err },
		"head 3":              func(b []byte) ([]byte, error) { h, err := DecodeHead(b); return h.Encode(), err },
		"grant":               func(b []byte) ([]byte, error) { g, err := DecodeGrant(b); return g.Encode(), err },
		"position":            againPosition,
		"position of a grant": againPosition,
		"position of nothing": againPosition,

		"position after a recovery": againPosition,

		"push":                 againPush,
		"push of a grant":      againPush,
		"ack":                  againAck,
		"ack of a grant":       againAck,
		"checkpoint":           func(b []byte) ([]byte, error) { c, err := DecodeCheckpoint(b); return c.Encode(), err },
		"recovery":             func(b []byte) ([]byte, error) { v, err := DecodeRecovery(b); return v.Encode(), err },
		"recall":               func(b []byte) ([]byte, error) { m, err := decodeRecall(b); return m.encode(), err },
		"recalled":             func(b []byte) ([]byte, error) { m, err := decodeRecalled(b); return m.encode(), err },
		"recall of all":        func(b []byte) ([]byte, error) { m, err := decodeRecall(b); return m.encode(), err },
		"recalled and agreed":  func(b []byte) ([]byte, error) { m, err := decodeRecalled(b); return m.encode(), err },
		"checkpoint asked for": againPact,
		"checkpoint proposed":  againPact,
		"checkpoint agreed":    againPact,
	} {
		if b, err := again(g.bytes[name]); err != nil || string(b) != string(g.bytes[name]) {
			t.Errorf("%s: got %x, %v", name, b, err)
		}
	}
}

func againPosition(b []byte) ([]byte, error) { p, err := decodePosition(b); return p.encode(), err }
func againPush(b []byte) ([]byte, error)     { p, err := decodePush(b); return p.encode(), err }
func againPact(b []byte) ([]byte, error)     { m, err := decodePactMessage(b); return m.encode(), err }
func againAck(b []byte) ([]byte, error)      { a, err := decodeAck(b); return a.encode(), err }

// TestFlippedVectors changes each byte of each vector that a peer sends, in two
// of its bits, and demands an error that says what was wrong.
func TestFlippedVectors(t *testing.T) {
	g := makeExamples(t)
	payer, payee := g.payer.Entity(), g.payee.Entity()
	a := accountOf(payee, payer) // as the payee sees it

	// The acks are checked by the ledgers that they are for.
	lp, _ := openTest(t, g.payer, Config{})
	c := newChain(t, g.payer, payee).pay(nil, 1_000_000).pay(nil, 250_000, 4_200_001)
	adopt(t, lp, payee, c.runs, nil)
	lg, _ := openTest(t, g.payee, Config{})
	adopt(t, lg, payer, nil, &g.grant)

	tests := map[string]func(b []byte) error{
		"entry 1": func(b []byte) error { // alone it is checked by its hash
			e, err := DecodeEntry(b)
			if err == nil && e.Hash().String() != g.hash("entry 1") {
				err = errors.New("another hash")
			}
			return err
		},
		"head 3": func(b []byte) error {
			h, err := DecodeHead(b)
			if err != nil {
				return err
			}
			return h.Verify(payer)
		},
		"grant": func(b []byte) error {
			g, err := DecodeGrant(b)
			if err != nil {
				return err
			}
			return g.Verify()
		},
		"push": func(b []byte) error {
			p, err := decodePush(b)
			if err != nil {
				return err
			}
			return p.verify(identity.NewVerifier(1), a.theirs, payer, payee)
		},
		"push of a grant": func(b []byte) error {
			p, err := decodePush(b)
			if err != nil {
				return err
			}
			return p.verify(identity.NewVerifier(1), a.mine, payee, payer)
		},
		"position": func(b []byte) error {
			p, err := decodePosition(b)
			if err != nil {
				return err
			}
			return p.verify(a.theirs, payer) // its owner reads it
		},
		"position after a recovery": func(b []byte) error {
			p, err := decodePosition(b)
			if err != nil {
				return err
			}
			if err := p.verify(a.theirs, payer); err != nil || len(p.shown) != 1 || p.shown[0].recovery == nil {
				return errors.Join(err, errors.New("it shows no recovery"))
			}
			return p.shown[0].recovery.verify(payer, &payee)
		},
		"position of a grant": func(b []byte) error {
			p, err := decodePosition(b)
			if err != nil {
				return err
			}
			return p.verify(a.mine, payee)
		},
		"checkpoint": func(b []byte) error {
			c, err := DecodeCheckpoint(b)
			if err != nil {
				return err
			}
			low, high := payer, payee
			if SideOf(low, high) == High {
				low, high = high, low
			}
			return c.Verify(low, high)
		},
		"recovery": func(b []byte) error {
			v, err := DecodeRecovery(b)
			if err != nil {
				return err
			}
			return v.verify(payer, &payee)
		},
		"checkpoint agreed": func(b []byte) error {
			m, err := decodePactMessage(b)
			if err != nil {
				return err
			}
			return m.verify(identity.NewVerifier(1), payee, payer)
		},
		"ack":            func(b []byte) error { return lp.Acked(t.Context(), payee, b) },
		"ack of a grant": func(b []byte) error { return lg.Acked(t.Context(), payer, b) },
	}
	flips := 0
	for name, read := range tests {
		for i := 0; i < len(g.bytes[name]); i += slow {
			for _, bit := range []int{i % 8, (i + 5) % 8} {
				b := append([]byte(nil), g.bytes[name]...)
				b[i] ^= 1 << bit
				flips++
				if err := read(b); err == nil {
					t.Fatalf("%s: bit %d of byte %d: no error", name, bit, i)
				} else if len(err.Error()) < 10 {
					t.Errorf("%s: byte %d: %q says nothing", name, i, err)
				}
			}
		}
		for i := range g.bytes[name] {
			if err := read(g.bytes[name][:i]); err == nil {
				t.Fatalf("%s: cut to %d bytes: no error", name, i)
			}
		}
		if err := read(append(append([]byte(nil), g.bytes[name]...), 0)); err == nil {
			t.Errorf("%s: a byte more: no error", name)
		}
	}
	for name, read := range tests {
		if err := read(g.bytes[name]); err != nil {
			t.Errorf("%s unchanged: %v", name, err)
		}
	}
	t.Logf("%d flips", flips)
}

func (g *examples) hash(name string) string { return identity.HashOf(g.bytes[name]).String() }

// adopt makes l's own half-chain and grant what they are given to be, as if l
// had signed them.
func adopt(t *testing.T, l *Ledger, peer identity.Entity, runs []run, g *Grant) {
	t.Helper()
	err := l.submit(t.Context(), LineOf(l.self, peer), func(b *batch) error {
		a, state, err := b.open(peer)
		if err != nil {
			return err
		}
		if g != nil {
			if err := b.appendGrant(&a, a.mine, *g); err != nil {
				return err
			}
		}
		for _, r := range runs {
			if err := write(b, &a, r); err != nil {
				return err
			}
		}
		return errors.Join(b.owe(a, 0, 0), b.keep(a, state))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFlippedRecords changes each bit of each stored vector.
func TestFlippedRecords(t *testing.T) {
	g := makeExamples(t)
	for _, v := range g.list {
		name, ok := v.Given["key"].(string)
		if !ok {
			continue
		}
		key, err := hex.DecodeString(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bucket
		if _, err := fmt.Sscanf(v.Name, "file: %s", &b); err != nil {
			t.Fatal(err)
		}
		value := g.bytes[v.Name]
		if _, err := unseal(nowhere{}, b, key, value); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		for i := range len(value) * 8 {
			changed := append([]byte(nil), value...)
			changed[i/8] ^= 1 << (i % 8)
			var d *DamageError
			if _, err := unseal(nowhere{}, b, key, changed); !errors.As(err, &d) || d.Bucket != string(b) {
				t.Fatalf("%s: bit %d of byte %d: got %v", v.Name, i%8, i/8, err)
			}
		}
		for i := range len(key) * 8 {
			changed := append([]byte(nil), key...)
			changed[i/8] ^= 1 << (i % 8)
			if _, err := unseal(nowhere{}, b, changed, value); err == nil {
				t.Fatalf("%s: bit %d of byte %d of the key: no error", v.Name, i%8, i/8)
			}
		}
	}
}

// nowhere is a getter that knows no offsets.
type nowhere struct{ getter }

func (nowhere) where([]byte) int64 { return -1 }
