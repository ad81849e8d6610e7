package ledger

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestRefs puts references in, in groups of every size, and finds each again
// and no other. The runs stay few.
func TestRefs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	b := &bolt{}
	path := filepath.Join(t.TempDir(), "l.db")
	key := keyOf(t, 1)
	l, err := Open(path, key, Config{test: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = openBolt(path, false, true, 0); err != nil {
		t.Fatal(err)
	}
	defer b.close()
	w := writer{LineID{1}, Low}
	name := func(n uint64) identity.Hash { return identity.HashOf(number(n)) }
	next := uint64(1)
	for next < uint64(20_000/slow) {
		err := b.update(func(s setter) error {
			var refs []ref
			for range 1 + r.IntN(1<<r.IntN(10)) {
				refs = append(refs, ref{tagOf(w.refKey(name(next))), next})
				next++
			}
			return newPen(s).addRefs(next-1, refs)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = b.view(func(g getter) error {
		k := book{g}
		for n := uint64(1); n < next; n++ {
			if at, err := k.tagged(w, name(n)); err != nil || !slices.Equal(at, []uint64{n}) {
				return errors.Join(err, errors.New("a reference is lost"))
			}
			if at, err := k.tagged(w, name(n+1<<40)); err != nil || len(at) != 0 {
				return errors.Join(err, errors.New("a reference that never was"))
			}
		}
		if got, err := k.countRefs(); got != next-1 || err != nil {
			t.Errorf("%d references, %v, want %d", got, err, next-1)
		}
		runs, _, err := read(k, bRef, refRunsKey, decodeRefRuns)
		if len(runs) > 24 { // 3 of each length, 4, 16 and so on up to 16,384, and what is next
			t.Errorf("%d runs", len(runs))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSameTag has two references with one tag, in one record and across two.
func TestSameTag(t *testing.T) {
	m := newMemStore()
	w := writer{LineID{1}, Low}
	tag := tagOf(w.refKey(identity.Hash{5}))
	var refs []ref
	for n := range uint64(3 * refBlock) {
		refs = append(refs, ref{tag, n + 1})
	}
	err := m.update(func(s setter) error { return newPen(s).addRefs(uint64(len(refs)), refs) })
	if err != nil {
		t.Fatal(err)
	}
	err = m.view(func(g getter) error {
		k := book{g}
		at, err := k.tagged(w, identity.Hash{5})
		if len(at) != maxParts || at[0] != 1 {
			t.Errorf("%d found, want the first %d", len(at), maxParts)
		}
		runs, _, err2 := read(k, bRef, refRunsKey, decodeRefRuns)
		for _, r := range refs {
			if found, err := k.hasRef(runs, r); !found || err != nil {
				t.Errorf("%+v is not there, %v", r, err)
			}
		}
		if found, err := k.hasRef(runs, ref{tag, uint64(len(refs)) + 1}); found || err != nil {
			t.Errorf("one that was never written: %v, %v", found, err)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFirstSchema makes a file as the first version left it, with a record for
// each reference. It is read and checked as it is, and opened for writing it
// becomes one of this version, in which nothing is paid twice.
func TestFirstSchema(t *testing.T) {
	path, key := smallFile(t)
	third := keyOf(t, 3).Entity()
	b, err := openBolt(path, false, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = b.update(func(s setter) error {
		p := newPen(s)
		runs, _, err := read(p.book, bRef, refRunsKey, decodeRefRuns)
		if err != nil {
			return err
		}
		for _, run := range runs {
			if _, err := p.takeRefs(run); err != nil {
				return err
			}
		}
		err = p.scan(bLog, nil, func(at, value []byte) (bool, error) {
			rec, err := p.record(binary.BigEndian.Uint64(at))
			if err != nil || rec.entry == nil || !rec.entry.Kind.moves() {
				return true, err
			}
			w := writer{rec.entry.Line, rec.entry.Side}
			return true, p.put(bRef, w.refKey(rec.entry.Ref), slices.Clone(at))
		})
		return errors.Join(err, p.remove(bRef, refRunsKey), p.put(bMeta, []byte("schema"), []byte{0, 0, 0, firstSchema}))
	})
	if err := errors.Join(err, b.close()); err != nil {
		t.Fatal(err)
	}
	paid := func(l *Ledger, ref identity.Hash, want bool) {
		t.Helper()
		if _, found, err := l.PaidFor(third, ref); found != want || err != nil {
			t.Errorf("paid for %s: got %t, %v, want %t", ref, found, err, want)
		}
	}
	before, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := OpenReadOnly(path, key.Entity(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	paid(old, identity.HashOf([]byte{2}), true)
	paid(old, identity.HashOf([]byte{3}), false)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, key, Config{test: true})
	if err != nil {
		t.Fatal(err)
	}
	paid(l, identity.HashOf([]byte{2}), true)
	paid(l, identity.HashOf([]byte{3}), false)
	was := l.Line(third)
	if _, err := l.Pay(t.Context(), third, 3, identity.HashOf([]byte{2})); err != nil {
		t.Fatal(err)
	}
	if got := l.Line(third); got != was {
		t.Errorf("paid twice: got %+v, want %+v", got, was)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := Check(path); err != nil || after.Payments != before.Payments || after.Balance != before.Balance {
		t.Errorf("got %+v, %v, want %+v", after, err, before)
	}
}

func FuzzRefs(f *testing.F) {
	f.Add(encodeRefs([]ref{{1, 2}, {1, 3}, {7, 1}}))
	f.Add(encodeRefRuns([]refRun{{1, 2}}))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		if refs, err := decodeRefs(b); err == nil && string(encodeRefs(refs)) != string(b) {
			t.Errorf("%x is read as %v", b, refs)
		}
		if runs, err := decodeRefRuns(b); err == nil && string(encodeRefRuns(runs)) != string(b) {
			t.Errorf("%x is read as %v", b, runs)
		}
	})
}
