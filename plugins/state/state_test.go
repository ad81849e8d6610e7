package state

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func tempStore(t *testing.T) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	return reopen(t, path), path
}

func reopen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func table(t *testing.T, s *Store, name string) *Table {
	t.Helper()
	tab, err := s.Table(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestKeepsOverReopen(t *testing.T) {
	s, path := tempStore(t)
	tab, other := table(t, s, "a"), table(t, s, "b")
	var b Batch
	b.Put(tab, []byte("k"), []byte("v"))
	b.Put(tab, []byte("gone"), []byte("v"))
	b.Delete(tab, []byte("gone"))
	b.Put(other, []byte("k"), []byte("w"))
	if err := s.Commit(&b); err != nil {
		t.Fatal(err)
	}
	var late Batch
	late.Put(tab, []byte("queued"), []byte("x"))
	if err := s.Queue(&late); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(&b); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after close: got %v, want %v", err, ErrClosed)
	}

	s = reopen(t, path)
	for _, want := range []struct{ table, key, value string }{
		{"a", "k", "v"}, {"a", "gone", ""}, {"b", "k", "w"}, {"a", "queued", "x"},
	} {
		got, err := table(t, s, want.table).Get([]byte(want.key))
		if err != nil || string(got) != want.value {
			t.Errorf("%s %s: got %q, %v, want %q", want.table, want.key, got, err, want.value)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	_, path := tempStore(t)
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want %v", err, ErrLocked)
	}
}

func TestVersions(t *testing.T) {
	s, _ := tempStore(t)
	table(t, s, "jobs")
	if _, err := s.Table("jobs", 2); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v, want %v", err, ErrVersion)
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want %v", err, ErrDamaged)
	}
}

// TestLeftoverOfCrash shows that a file half made does not stand in the way.
func TestLeftoverOfCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	table(t, reopen(t, path), "a")
}

func TestBounds(t *testing.T) {
	s, _ := tempStore(t)
	tab := table(t, s, "a")
	tests := []struct {
		name string
		fill func(*Batch)
	}{
		{"empty key", func(b *Batch) { b.Put(tab, nil, []byte("v")) }},
		{"long key", func(b *Batch) { b.Delete(tab, make([]byte, MaxKey+1)) }},
		{"empty value", func(b *Batch) { b.Put(tab, []byte("k"), nil) }},
		{"long value", func(b *Batch) { b.Put(tab, []byte("k"), make([]byte, MaxValue+1)) }},
		{"large batch", func(b *Batch) {
			for i := range MaxBatch/MaxValue + 1 {
				b.Put(tab, []byte{byte(i)}, make([]byte, MaxValue))
			}
		}},
	}
	for _, test := range tests {
		var b Batch
		b.Put(tab, []byte("first"), []byte("v"))
		test.fill(&b)
		if err := s.Commit(&b); !errors.Is(err, ErrSize) {
			t.Errorf("%s: got %v, want %v", test.name, err, ErrSize)
		}
		if got, _ := tab.Get([]byte("first")); got != nil {
			t.Errorf("%s: half of the batch happened", test.name)
		}
	}
}

// TestAgainstMap compares a table with a plain map under random batches, with
// many writers at once and reopening between rounds.
func TestAgainstMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	model := map[string]string{}
	for round := range 4 {
		s := reopen(t, path)
		tab := table(t, s, "a")
		var mu sync.Mutex
		var all sync.WaitGroup
		for w := range 8 { // each writer has keys of its own
			r := rand.New(rand.NewPCG(seed, uint64(round*8+w)))
			all.Go(func() {
				for range 20 {
					var b Batch
					changes := map[string]string{}
					for range 1 + r.IntN(4) {
						key := fmt.Sprintf("%d/%d", w, r.IntN(16))
						value := ""
						if r.IntN(3) > 0 {
							value = fmt.Sprint(r.Uint64())
							b.Put(tab, []byte(key), []byte(value))
						} else {
							b.Delete(tab, []byte(key))
						}
						changes[key] = value
					}
					if err := s.Commit(&b); err != nil {
						t.Error(err)
					}
					mu.Lock()
					maps.Copy(model, changes)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		maps.DeleteFunc(model, func(_, v string) bool { return v == "" })
		compare(t, tab, model)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t *testing.T, tab *Table, model map[string]string) {
	t.Helper()
	got := map[string]string{}
	var up, down []string
	err := tab.Scan(nil, func(k, v []byte) bool {
		got[string(k)] = string(v)
		up = append(up, string(k))
		return true
	})
	if err != nil || !maps.Equal(got, model) {
		t.Errorf("got %v, %v, want %v", got, err, model)
	}
	if err := tab.ScanBack(func(k, _ []byte) bool { down = append(down, string(k)); return true }); err != nil {
		t.Error(err)
	}
	slices.Reverse(down)
	if !slices.IsSorted(up) || !slices.Equal(up, down) {
		t.Errorf("orders differ: %v and %v", up, down)
	}
	var first string
	if err := tab.Scan([]byte("4/"), func(k, _ []byte) bool { first = string(k); return false }); err != nil || first != "" && first < "4/" {
		t.Errorf("scan from 4/: %q, %v", first, err)
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "state.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			tab, err := s.Table("a", 1)
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 1000)
			b.ReportAllocs()
			b.SetParallelism(writers / 2)
			if writers == 1 {
				for b.Loop() {
					var batch Batch
					batch.Put(tab, []byte("k"), value)
					if err := s.Commit(&batch); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var batch Batch
					batch.Put(tab, []byte("k"), value)
					if err := s.Commit(&batch); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
