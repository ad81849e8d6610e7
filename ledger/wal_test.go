package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/peersea/sea/identity"
)

// loggedFile is a ledger with five payments to peer, the last four in the log only.
func loggedFile(t testing.TB) (d disk, key *identity.Key, peer identity.Entity) {
	key, peer = keyOf(t, 1), keyOf(t, 2).Entity()
	path := filepath.Join(t.TempDir(), "ledger.db")
	cfg := Config{test: true, wal: 64 << 10}
	l, err := Open(path, key, cfg)
	if err == nil {
		_, err = l.Pay(t.Context(), peer, 1, NewRef())
	}
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(path, key, cfg); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := l.Pay(t.Context(), peer, 1, NewRef()); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(walName(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(walName(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: got %v, want no log", err)
	}
	return disk{b, log}, key, peer
}

// TestLog opens a file after a crash, with its log whole, torn, damaged, missing
// and of another file.
func TestLog(t *testing.T) {
	d, key, peer := loggedFile(t)
	second, last := walPage, 3*walPage // each payment is a page
	tests := []struct {
		name    string
		log     func(b []byte) []byte // nil for none
		paid    uint64
		damaged int64 // offset, -1 when it is not
	}{
		{"whole", func(b []byte) []byte { return b }, 5, -1},
		{"its last record is torn", func(b []byte) []byte { b[last+200] ^= 1; return b }, 4, -1},
		{"cut in its last record", func(b []byte) []byte { return b[:last+200] }, 4, -1},
		{"empty", func([]byte) []byte { return nil }, 1, -1},
		{"rubbish", func(b []byte) []byte { return bytes.Repeat([]byte("rubbish!"), len(b)/8) }, 1, -1},
		{"missing", nil, 1, -1},
		{"another file's", func(b []byte) []byte { b[9] ^= 1; return b[:walPage] }, 1, -1},
		{"a record in the middle is damaged", func(b []byte) []byte { b[second+200] ^= 1; return b }, 0, int64(second)},
		{"the first record is gone", func(b []byte) []byte { clear(b[:walPage]); return b }, 0, 0},
		{"records are swapped", func(b []byte) []byte {
			return append(append(append([]byte(nil), b[second:2*second]...), b[:second]...), b[2*second:]...)
		}, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			err := os.WriteFile(path, d.file, 0o600)
			if test.log != nil {
				err = errors.Join(err, os.WriteFile(walName(path), test.log(bytes.Clone(d.log)), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			seen := func(l *Ledger, err error) {
				t.Helper()
				if e := new(DamageError); test.damaged >= 0 {
					if !errors.As(err, &e) || e.Offset != test.damaged || !strings.Contains(err.Error(), walName(path)) {
						t.Errorf("got %v, want damage at byte %d of %s", err, test.damaged, walName(path))
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := l.Line(peer); got.Mine.Seq != test.paid || got.State != StateOpen {
					t.Errorf("got %+v, want %d payments", got, test.paid)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
			seen(OpenReadOnly(path, key.Entity(), Config{}))
			if rep, err := Check(path); test.log == nil && !errors.Is(err, ErrDamaged) || test.damaged >= 0 && !errors.Is(err, ErrDamaged) {
				t.Errorf("check: got %v, want %v", err, ErrDamaged)
			} else if test.log != nil && test.damaged < 0 && (err != nil || rep.Entries != test.paid) {
				t.Errorf("check: got %d entries and %v, want %d", rep.Entries, err, test.paid)
			}
			seen(Open(path, key, Config{test: true}))
			if test.damaged >= 0 {
				return
			}
			if rep, err := Check(path); err != nil || rep.Entries != test.paid {
				t.Errorf("check: got %d entries and %v, want %d", rep.Entries, err, test.paid)
			}
		})
	}
}

// TestSnapshotOfLog: a copy needs no log, wherever the records were.
func TestSnapshotOfLog(t *testing.T) {
	key, peer := keyOf(t, 1), keyOf(t, 2).Entity()
	l, path := openTest(t, key, Config{test: true, wal: 32 << 10})
	for i := range 12 {
		if _, err := l.Pay(t.Context(), peer, 1, NewRef()); err != nil {
			t.Fatal(err)
		}
		copied := fmt.Sprint(path, "-copy-", i)
		if err := l.Snapshot(copied); err != nil {
			t.Fatal(err)
		}
		if rep, err := Check(copied); err != nil || rep.Entries != uint64(i+1) {
			t.Errorf("copy %d has %d entries, %v", i, rep.Entries, err)
		}
		if err := l.store.view(func(g getter) error {
			if (book{g}).schema() != schema && g.get(bMeta, walKey) == nil {
				return errors.New("it says that it has a log")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// openStore opens an overlay on a new file with empty buckets.
func openStore(t testing.TB, room int64) (*overlay, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	err := create(path, true, func(s setter) error { return writeMeta(newPen(s), keyOf(t, 1).Entity()) })
	if err != nil {
		t.Fatal(err)
	}
	o, err := openOverlay(path, false, true, room, 0)
	if err != nil {
		t.Fatal(err)
	}
	return o, path
}

// TestOverlayIsAStore does the same at random to an overlay and to a store in
// memory, and reads the same from both: through commits, refusals, what may come
// later, the file's turns and new starts.
func TestOverlayIsAStore(t *testing.T) {
	o, path := openStore(t, 16<<10)
	m := newMemStore()
	r := rand.New(rand.NewPCG(1, 3))
	some := []bucket{bRef, bOut, bLog}
	key := func() []byte { return fmt.Appendf(nil, "%02d", r.IntN(40)) }
	same := func() {
		t.Helper()
		read := func(g getter, b bucket, from []byte) string {
			text := fmt.Sprintf("%q %q: ", g.last(b), g.get(b, from))
			left := 1 + r.IntN(50)
			if err := g.scan(b, from, func(k, v []byte) (bool, error) {
				text += fmt.Sprintf("%q=%q ", k, v)
				left--
				return left > 0, nil
			}); err != nil {
				t.Fatal(err)
			}
			return text
		}
		for _, b := range some {
			from, seed := key(), r.Uint64()
			var texts []string
			for _, s := range []store{o, m} {
				r = rand.New(rand.NewPCG(seed, 0))
				if err := s.view(func(g getter) error { texts = append(texts, read(g, b, from)); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if texts[0] != texts[1] {
				t.Fatalf("%s from %q: got\n%s, want\n%s", b, from, texts[0], texts[1])
			}
		}
	}
	refused := errors.New("refused")
	for i := range 3000 / slow {
		seed := r.Uint64()
		change := func(s setter) error {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 1 + r.IntN(6) {
				b, k := some[r.IntN(len(some))], fmt.Appendf(nil, "%02d", r.IntN(40))
				if r.IntN(3) == 0 {
					if err := s.remove(b, k); err != nil {
						return err
					}
				} else if err := s.put(b, k, fmt.Appendf(nil, "%d", i)); err != nil {
					return err
				}
			}
			if r.IntN(8) == 0 {
				return refused
			}
			return nil
		}
		var one, two error
		if r.IntN(4) == 0 {
			one, two = o.updateLater(change), m.updateLater(change)
		} else {
			one, two = o.update(change), m.update(change)
		}
		if one != two {
			t.Fatalf("got %v, want %v", one, two)
		}
		same()
		if r.IntN(50) == 0 { // with all that came later
			if err := o.close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if o, err = openOverlay(path, false, true, 16<<10, 0); err != nil {
				t.Fatal(err)
			}
			same()
		}
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
}

// TestOverlayViews: a view sees all of a commit or nothing, and no older one than
// the view before it, while the log is written into the file again and again.
func TestOverlayViews(t *testing.T) {
	o, _ := openStore(t, 16<<10)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			before := ""
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				err := o.view(func(g getter) error {
					a, b := string(g.get(bOut, []byte("a"))), string(g.get(bProof, []byte("b")))
					if a != b || a < before {
						return fmt.Errorf("got %q and %q after %q", a, b, before)
					}
					before = a
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 500 / slow {
		value := fmt.Appendf(nil, "%06d", i)
		err := o.update(func(s setter) error {
			return errors.Join(s.put(bOut, []byte("a"), value), s.put(bProof, []byte("b"), value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
}

// TestLargeCommit: one that is longer than the log is kept in one piece.
func TestLargeCommit(t *testing.T) {
	o, path := openStore(t, 16<<10)
	for i := range 3 {
		err := o.update(func(s setter) error {
			return s.put(bOut, fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte{1}, 100_000))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	d := disk{}
	d.file, _ = os.ReadFile(path)
	d.log, _ = os.ReadFile(walName(path))
	again := filepath.Join(t.TempDir(), "again.db")
	if err := errors.Join(o.close(), os.WriteFile(again, d.file, 0o600), os.WriteFile(walName(again), d.log, 0o600)); err != nil {
		t.Fatal(err)
	}
	p, err := openOverlay(again, true, true, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	err = p.view(func(g getter) error {
		for i := range 3 {
			if got := len(g.get(bOut, fmt.Appendf(nil, "%d", i))); got != 100_000 {
				t.Errorf("value %d has %d bytes", i, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzWAL reads logs: whatever they are, there is no panic, and a record that
// counts is written in one way only.
func FuzzWAL(f *testing.F) {
	d, _, _ := loggedFile(f)
	changes := []change{{bucket: bOut, key: []byte("a"), value: []byte{}}, {bucket: bLog, key: []byte("b")}, {bucket: bMeta, key: []byte("c"), value: []byte("value")}}
	w := wal{id: walID(d.log[4:20]), next: 1}
	f.Add(appendChanges(nil, changes))
	f.Add(bytes.Clone(w.record(appendChanges(nil, changes))[:200]))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, bad := decodeChanges(b)
		if bad == nil && !bytes.Equal(appendChanges(nil, all), b) {
			t.Errorf("read %x, wrote %x", b, appendChanges(nil, all))
		}
		_ = readWAL(bytes.NewReader(b), int64(len(b)), w.id, func([]change) error { return nil })
		// The same as what a record says that is whole, before another.
		second := w
		second.next++
		log := append(bytes.Clone(w.record(b)), second.record(appendChanges(nil, changes))...)
		n := 0
		err := readWAL(bytes.NewReader(log), int64(len(log)), w.id, func([]change) error { n++; return nil })
		if (bad == nil) != (err == nil && n == 2) {
			t.Errorf("got %d records and %v, want 2 unless %v", n, err, bad)
		}
	})
}
