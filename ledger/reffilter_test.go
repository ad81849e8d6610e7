package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestRefFilter has filters of every size deny none that is there, and let few
// by that are not.
func TestRefFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	passed, asked := 0, 0
	for size := 1; size < 20_000; size = size*3/2 + 1 {
		var refs []ref
		for range size {
			refs = append(refs, ref{tag: r.Uint64()})
		}
		refs = append(refs, ref{tag: 0}, ref{tag: 1<<64 - 1})
		f := newRefFilter(refs)
		for _, one := range refs {
			if !f.may(one.tag) {
				t.Fatalf("one of %d, %x, is denied", size, one.tag)
			}
		}
		for range 1000 {
			if asked++; f.may(r.Uint64()) {
				passed++
			}
		}
	}
	if passed*50 > asked {
		t.Errorf("%d of %d that are not there pass", passed, asked)
	}
}

// TestFilteredRefs pays in groups of every size, with payments that are undone
// between them, and opens the file again and again. The filters are always of
// runs that are in the file, and deny nothing that is in them; and nothing is
// ever paid twice.
func TestFilteredRefs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	path, key := filepath.Join(t.TempDir(), "l.db"), keyOf(t, 1)
	peer := keyOf(t, 2).Entity()
	line := LineOf(key.Entity(), peer)
	name := func(n int) identity.Hash { return identity.HashOf(number(uint64(n))) }
	paid, filtered, made := 0, 0, 0
	for range 3 {
		l, err := Open(path, key, Config{test: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 200 / slow {
			n := 1 + r.IntN(1<<r.IntN(7))
			undone := r.IntN(4) == 0
			err := l.submit(t.Context(), line, func(b *batch) error {
				if err := l.filters.check(b.book); err != nil {
					return err
				}
				for i := range n {
					if _, err := b.pay(peer, 1, name(paid+i)); err != nil {
						return err
					}
				}
				if undone {
					return errStore
				}
				return nil
			})
			if undone && errors.Is(err, errStore) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			paid += n
		}
		for range 400 / slow {
			e, err := l.Pay(t.Context(), peer, 1, name(r.IntN(paid)))
			if err != nil || e.Seq > uint64(paid) {
				t.Fatalf("paid again: entry %d of %d, %v", e.Seq, paid, err)
			}
		}
		err = l.submit(t.Context(), line, func(b *batch) error {
			runs, _, err := read(b.book, bRef, refRunsKey, decodeRefRuns)
			filtered, made = filtered+len(l.filters.of), made+len(runs)
			return err
		})
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if filtered < made*3/4 {
		t.Errorf("%d of %d runs have a filter", filtered, made)
	}
	l, err := Open(path, key, Config{test: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if line := l.Line(peer); line.Mine.Seq != uint64(paid) {
		t.Errorf("%d payments of %d", line.Mine.Seq, paid)
	}
}

// TestManyRefs has no more filters than there is room for.
func TestManyRefs(t *testing.T) {
	var f refFilters
	for id := range uint64(100) {
		f.add(refRun{id, maxRefs}, newRefFilter([]ref{{tag: id}}))
	}
	if f.refs > maxFiltered || len(f.of) != maxFiltered/maxRefs {
		t.Errorf("%d filters of %d references, room is for %d", len(f.of), f.refs, maxFiltered)
	}
	if f.due(refRun{99, maxRefs}) {
		t.Error("a filter for which there is no room is due")
	}
	for id := range uint64(100) {
		f.drop(refRun{id, maxRefs})
	}
	if f.refs != 0 || len(f.of) != 0 {
		t.Errorf("%d filters of %d references are left", len(f.of), f.refs)
	}
}

// check compares the filters with the runs in the file.
func (f *refFilters) check(k book) error {
	runs, _, err := read(k, bRef, refRunsKey, decodeRefRuns)
	if err != nil {
		return err
	}
	there := uint64(0)
	for _, run := range runs {
		one, ok := f.of[run.id]
		if !ok {
			continue
		}
		there += run.count
		refs, keys, err := k.refsOf(run)
		if err != nil {
			return err
		}
		for _, r := range refs {
			if f.rule(run, r.tag) {
				return fmt.Errorf("run %d: its filter of %d words denies %+v", run.id, len(one), r)
			}
		}
		if len(keys) == 0 || bytes.Compare(keys[0], number(run.id)) < 0 {
			return fmt.Errorf("run %d has no records", run.id)
		}
	}
	if there != f.refs {
		return fmt.Errorf("filters of %d references, and the runs that have one are of %d", f.refs, there)
	}
	return nil
}
