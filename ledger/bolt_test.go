package ledger

import (
	"errors"
	"testing"

	bbolt "go.etcd.io/bbolt"
)

// TestDurable: what is written and not on the disk yet is waited for, and not
// read when the disk failed it.
func TestDurable(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{test: true})
	b := l.store.(*archive).store.(*overlay).file
	synced := b.durable.Load()
	none := func(getter) error { return nil }

	b.durable.Store(synced - 1) // the disk failed the newest commit
	if err := b.view(none); !errors.Is(err, ErrReadOnly) {
		t.Errorf("after a sync that failed: got %v, want %v", err, ErrReadOnly)
	}
	b.committing.Lock() // it is syncing
	read := make(chan error)
	go func() { read <- b.view(none) }()
	b.durable.Store(synced)
	b.committing.Unlock()
	if err := <-read; err != nil {
		t.Errorf("during a sync: %v", err)
	}
	put := func(s setter) error { return errors.Join(s.put(bMeta, []byte("x"), nil), s.remove(bMeta, []byte("x"))) }
	if err := b.update(put); err != nil {
		t.Fatal(err)
	}
	if got := b.durable.Load(); got != synced+1 {
		t.Errorf("transaction %d is the durable one, want %d", got, synced+1)
	}
	if err := b.update(func(setter) error { return errNothing }); !errors.Is(err, errNothing) {
		t.Fatal(err)
	}
	if err := b.view(none); err != nil {
		t.Errorf("after nothing was written: %v", err)
	}
}

// TestOlderFile opens files that lack what later programs added.
func TestOlderFile(t *testing.T) {
	for _, name := range added {
		t.Run(string(name), func(t *testing.T) {
			key, peer := keyOf(t, 1), keyOf(t, 2).Entity()
			l, path := openTest(t, key, Config{test: true})
			if _, err := l.Pay(t.Context(), peer, 5, NewRef()); err != nil {
				t.Fatal(err)
			}
			err := l.store.(*archive).store.(*overlay).file.db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(name)) })
			if err := errors.Join(err, l.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := Check(path); err != nil {
				t.Errorf("check: %v", err)
			}
			r, err := OpenReadOnly(path, key.Entity(), Config{})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Line(peer); got.Balance != -5 || got.State != StateOpen {
				t.Errorf("read only: %+v", got)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := Open(path, key, Config{test: true})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, err := again.Pay(t.Context(), peer, 5, NewRef()); err != nil {
				t.Error(err)
			}
		})
	}
}
