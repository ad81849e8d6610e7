package ledger

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
)

// proofFile is a fork: key 2 signed entry 2 for key 1 twice. The README checks
// it, and any other implementation must.
const proofFile = "testdata/fork.proof"

// forked returns a ledger to which a key has shown two entries of one number.
func forked(t *testing.T) (*Ledger, identity.Signer) {
	t.Helper()
	l, _ := openTest(t, keyOf(t, 1), Config{})
	x := keyOf(t, 2)
	good := newChain(t, x, l.self).pay(nil, 3*Credit)
	bad := good.clone()
	good.pay(nil, 2*Credit)
	bad.pay(nil, Credit)
	if _, err := l.Receive(t.Context(), x.Entity(), good.push(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Receive(t.Context(), x.Entity(), bad.push(1)); !errors.Is(err, ErrContradiction) {
		t.Fatalf("got %v, want the fork seen", err)
	}
	return l, x
}

// TestProve exports a fork and checks it where there is no ledger.
func TestProve(t *testing.T) {
	l, x := forked(t)
	file, what, err := l.Prove(x.Entity())
	if err != nil {
		t.Fatal(err)
	}
	golden.Match(t, proofFile, file)
	again, err := CheckProof(file)
	want := Misbehaviour{By: x.Entity(), To: l.self,
		What: "signed two different entries 2: one that says 5 credits in all, and one that says 4"}
	if err != nil || again != want || what != want {
		t.Errorf("got %+v and %+v, %v, want %+v", what, again, err, want)
	}
	if line := l.Line(x.Entity()); line.State != StateDisputed || !strings.Contains(line.Reason, want.What) {
		t.Errorf("got %+v, want it said in plain words", line)
	}
	if _, err := l.Hold(x.Entity(), 1); !errors.Is(err, ErrLine) {
		t.Errorf("got %v, want the peer refused", err)
	}
	if len(file) != 570 {
		t.Errorf("%d bytes, want two heads and little more", len(file))
	}
	if _, _, err := l.Prove(keyOf(t, 3).Entity()); !errors.Is(err, ErrNoProof) {
		t.Errorf("got %v, want %v", err, ErrNoProof)
	}
}

// TestProveDeep exports a fork that lies inside runs, whose signatures are on
// later entries.
func TestProveDeep(t *testing.T) {
	me, x := keyOf(t, 1), keyOf(t, 2)
	one := newChain(t, x, me.Entity()).pay(nil, 1, 2, 3)
	other := newChain(t, x, me.Entity()).pay(nil, 1, 9, 3, 4, 5)
	for _, pair := range [][2]run{{one.runs[0], other.runs[0]}, {other.runs[0], one.runs[0]}} {
		p := proof{kind: proofFork, tick: 7, peer: x.Entity(), held: &pair[0], shown: &pair[1]}.shortest()
		if err := p.verify(me.Entity()); err != nil || len(p.held.entries)+len(p.shown.entries) != 4 {
			t.Errorf("%d and %d entries, %v, want 1 and 3", len(p.held.entries), len(p.shown.entries), err)
		}
	}
}

// TestProveSum exports wrong sums: inside a run, and from one run to the next.
func TestProveSum(t *testing.T) {
	for _, test := range []struct {
		name string
		bad  func(c *chain) *chain
	}{
		{"inside", func(c *chain) *chain {
			return c.pay(func(e *Entry) {
				if e.Seq == 4 {
					e.Cum--
				}
			}, 5, 6, 7, 8)
		}},
		{"between", func(c *chain) *chain { return c.pay(func(e *Entry) { e.Cum = 9 }, 5) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, _ := openTest(t, keyOf(t, 1), Config{})
			x := keyOf(t, 2)
			c := newChain(t, x, l.self).pay(nil, 1, 2)
			if _, err := l.Receive(t.Context(), x.Entity(), c.push(0)); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Receive(t.Context(), x.Entity(), test.bad(c).push(1)); !errors.Is(err, ErrContradiction) {
				t.Fatalf("got %v, want the sum seen", err)
			}
			file, what, err := l.Prove(x.Entity())
			if err != nil || what.By != x.Entity() || !strings.Contains(what.What, "signed a sum") || len(file) > 1000 {
				t.Errorf("%d bytes, %+v, %v", len(file), what, err)
			}
		})
	}
}

// TestForgedProof refuses by name what proves nothing.
func TestForgedProof(t *testing.T) {
	good, err := os.ReadFile(proofFile)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for _, bit := range []byte{1, 0x80} {
			bad := slices.Clone(good)
			bad[i] ^= bit
			if m, err := CheckProof(bad); !errors.Is(err, ErrProof) {
				t.Errorf("byte %d changed: got %+v, %v, want %v", i, m, err, ErrProof)
			}
		}
		if _, err := CheckProof(good[:i]); !errors.Is(err, ErrProof) {
			t.Errorf("cut at %d: got %v, want %v", i, err, ErrProof)
		}
	}
	me, x := keyOf(t, 1), keyOf(t, 2)
	honest := newChain(t, x, me.Entity()).pay(nil, 5).pay(nil, 6)
	other := newChain(t, x, keyOf(t, 3).Entity()).pay(nil, 5)
	mark := func(p proof) []byte {
		to := me.Entity()
		return append(append([]byte(proofMark), to[:]...), p.encode()...)
	}
	for _, test := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "begin with", nil},
		{"other file", "begin with", []byte("%PDF-1.7")},
		{"honest", "it proves nothing", mark(proof{kind: proofFork, peer: x.Entity(), held: &honest.runs[0], shown: &honest.runs[1]})},
		{"twice the same", "it proves nothing", mark(proof{kind: proofFork, peer: x.Entity(), held: &honest.runs[0], shown: &honest.runs[0]})},
		{"honest sum", "it proves nothing", mark(proof{kind: proofSum, peer: x.Entity(), shown: &honest.runs[1], held: &honest.runs[0]})},
		{"of another line", "another half-chain", mark(proof{kind: proofFork, peer: x.Entity(), held: &honest.runs[0], shown: &other.runs[0]})},
		{"against itself", "no line with itself", mark(proof{kind: proofFork, peer: me.Entity(), held: &honest.runs[0], shown: &honest.runs[1]})},
		{"a loss", "its keeper lost", mark(proof{kind: proofLost, peer: x.Entity(), shown: &honest.runs[0]})},
		{"a time", "time is not zero", mark(proof{kind: proofFork, tick: 1, peer: x.Entity(), held: &honest.runs[0], shown: &honest.runs[1]})},
		{"too long", "at most", append(slices.Clone(good), make([]byte, maxProofFile)...)},
	} {
		if m, err := CheckProof(test.file); !errors.Is(err, ErrProof) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %+v, %v, want %q", test.name, m, err, test.want)
		}
	}
}

// FuzzCheckProof: whatever the bytes, nobody is said to have done what it did
// not sign. Only key 2 of the seed has.
func FuzzCheckProof(f *testing.F) {
	good, err := os.ReadFile(proofFile)
	if err != nil {
		f.Fatal(err)
	}
	m, err := CheckProof(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, file []byte) {
		if got, err := CheckProof(file); err == nil && (got.By != m.By || got.To != m.To) {
			t.Errorf("%x shows %+v", file, got)
		} else if err != nil && !errors.Is(err, ErrProof) {
			t.Errorf("got %v, want %v", err, ErrProof)
		}
	})
}
