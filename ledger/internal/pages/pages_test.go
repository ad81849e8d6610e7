package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bbolt "go.etcd.io/bbolt"
)

// file makes a bbolt file with a big bucket, a small one and free pages.
func file(t testing.TB, pageSize, keys int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, name := range []string{"big", "small", "empty"} {
				if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return err
				}
			}
			for i := range keys {
				if err := tx.Bucket([]byte("big")).Put(fmt.Appendf(nil, "%08d", i*7), bytes.Repeat([]byte{byte(i)}, 50+round)); err != nil {
					return err
				}
			}
			if keys > 0 {
				if err := tx.Bucket([]byte("big")).Put([]byte("huge"), make([]byte, 3*pageSize)); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte("small")).Put([]byte("k"), []byte{1, 2, 3})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check is Check, strict about the meta pages.
func check(b []byte) error {
	torn, err := Check(bytes.NewReader(b), int64(len(b)))
	if err == nil && torn != nil {
		return torn
	}
	return err
}

// TestTorn shows that a file with one good meta page is walked from that.
func TestTorn(t *testing.T) {
	for _, at := range []int{0, 4096} {
		b := file(t, 4096, 100)
		copy(b[at+headerSize:], make([]byte, metaSize))
		if torn, err := Check(bytes.NewReader(b), int64(len(b))); torn == nil || err != nil {
			t.Errorf("meta page at %d: got %v, %v", at, torn, err)
		}
	}
}

func TestSound(t *testing.T) {
	for _, size := range []int{1024, 4096, 16384} {
		for _, keys := range []int{0, 1, 100, 5000} {
			if err := check(file(t, size, keys)); err != nil {
				t.Errorf("%d keys on pages of %d: %v", keys, size, err)
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	sound := file(t, 1024, 200)
	m, err := (&walk{r: bytes.NewReader(sound)}).readMeta(0)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := (&walk{r: bytes.NewReader(sound)}).readMeta(1024); err != nil {
		t.Fatal(err)
	} else if other.tx > m.tx {
		m = other
	}
	put := func(at uint64, v uint64) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b[at:], v)
			return b
		}
	}
	tests := []struct {
		name string
		edit func([]byte) []byte
	}{
		{"empty", func(b []byte) []byte { return nil }},
		{"cut in the meta pages", func(b []byte) []byte { return b[:1030] }},
		{"cut at the end", func(b []byte) []byte { return b[:(m.pages-1)*1024] }},
		{"meta page 0", func(b []byte) []byte { b[20] ^= 1; return b }},
		{"meta page 1", func(b []byte) []byte { b[1024+60] ^= 1; return b }},
		{"a page under another number", put(m.root*1024, m.root+1)},
		{"the root is a freelist", put(m.root*1024+8, flagFreelist)},
		{"the root has too many elements", put(m.root*1024+8, flagLeaf|0xffff<<16)},
		{"the root runs over", put(m.root*1024+8, flagLeaf|3<<16|0xfffff<<32)},
		{"the freelist is a leaf", put(m.freelist*1024+8, flagLeaf)},
		{"the freelist names the root", put(m.freelist*1024+16, m.root)},
		{"an element points away", put(m.root*1024+16, 1|0xfffff<<32)},
	}
	for _, test := range tests {
		err := check(test.edit(bytes.Clone(sound)))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an *Error", test.name, err)
		}
	}
}

// TestFlips flips one bit at a time and shows that a file that still passes does
// not harm bbolt.
func TestFlips(t *testing.T) {
	sound := file(t, 1024, 60)
	path := filepath.Join(t.TempDir(), "f.db")
	passed := 0
	for i := 0; i < len(sound); i += 11 {
		b := bytes.Clone(sound)
		b[i] ^= 1 << (i % 8)
		if check(b) != nil {
			continue
		}
		passed++
		if i%40 != 0 { // bbolt maps and unmaps a file each time
			continue
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("byte %d: bbolt finds %v", i, err)
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	t.Logf("%d of %d flips are in values or unused space", passed, len(sound)/11)
}

func FuzzCheck(f *testing.F) {
	for _, keys := range []int{0, 20} {
		b := file(f, 1024, keys)
		w := walk{r: bytes.NewReader(b), size: int64(len(b))}
		if _, err := w.metas(); err != nil {
			f.Fatal(err)
		}
		f.Add(b[:w.m.pages*w.page]) // what follows is a hole
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<17 {
			return
		}
		// The metas' sums would stop nearly every change: put them right.
		for _, at := range []int{0, 1024} {
			if len(b) >= at+headerSize+metaSize {
				sum := sumOf(b[at+headerSize:])
				binary.LittleEndian.PutUint64(b[at+headerSize+56:], sum)
			}
		}
		if _, err := Check(bytes.NewReader(b), int64(len(b))); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
		}
	})
}
