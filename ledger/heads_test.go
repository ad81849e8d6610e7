package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestHeads copies the heads, and shows that an empty ledger in the place of a
// lost one does not take them away.
func TestHeads(t *testing.T) {
	l, peer := lowAndHigh(t)
	path := filepath.Join(t.TempDir(), "heads")
	if _, err := ReadHeads(path, l.self); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	paid(t, l, peer, 1, 2)
	paid(t, peer, l, 3)
	meet(t, l, peer)
	agree(t, l, peer)
	check := func(when string) {
		t.Helper()
		heads, err := ReadHeads(path, l.self)
		if err != nil || len(heads) != 1 {
			t.Fatalf("%s: got %+v, %v", when, heads, err)
		}
		if h := heads[0]; h.Peer != peer.self || h.Mine.Seq != 2 || h.Mine.Cum != 3 || h.Theirs.Cum != 3 || h.Checkpoint != 1 {
			t.Errorf("%s: got %+v", when, h)
		}
	}
	for range 2 {
		if err := l.SaveHeads(path); err != nil {
			t.Fatal(err)
		}
		check("saved")
	}
	empty := openCopy(t, t.TempDir()+"/new.db", l.signer)
	if err := empty.SaveHeads(path); err != nil {
		t.Fatal(err)
	}
	check("by an empty ledger")
	if err := peer.SaveHeads(path); !errors.Is(err, ErrOwner) {
		t.Errorf("by another: got %v, want %v", err, ErrOwner)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sound {
		b := append([]byte(nil), sound...)
		b[i] ^= 1 << (i % 8)
		if _, err := parseHeads(b, l.self); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a flip in byte %d: got %v", i, err)
		}
		if _, err := parseHeads(sound[:i], l.self); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: got %v", i, err)
		}
	}
	if err := os.WriteFile(path, sound[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.SaveHeads(path); err != nil { // a damaged one is replaced
		t.Fatal(err)
	}
	check("again")
}

func FuzzHeads(f *testing.F) {
	self := keyOf(f, 1).Entity()
	f.Add([]byte("{\"version\":1,\"entity\":\"" + self.String() + "\",\"heads\":[]}\n00000000\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if heads, err := parseHeads(b, self); err == nil && len(heads) > maxHeads {
			t.Errorf("%d heads", len(heads))
		}
	})
}
