package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// fileVersion is that of the file's own layout: the bucket "meta" with
// "version" and, for each table, "table/NAME", all u64 big-endian; one bucket
// "t/NAME" for each table.
const fileVersion = 1

var metaBucket = []byte("meta")

func claimFile(tx *bolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return claimVersion(meta, "version", fileVersion)
}

// claimVersion writes the version when there is none and compares otherwise.
func claimVersion(meta *bolt.Bucket, key string, want uint64) error {
	have := meta.Get([]byte(key))
	if have == nil {
		return meta.Put([]byte(key), binary.BigEndian.AppendUint64(nil, want))
	}
	if len(have) != 8 {
		return fmt.Errorf("%w: %s has %d bytes", ErrDamaged, key, len(have))
	}
	if got := binary.BigEndian.Uint64(have); got != want {
		return fmt.Errorf("%w: %s is %d, this program knows %d", ErrVersion, key, got, want)
	}
	return nil
}

// A Table is a part of a Store, sorted by key in byte order. Its methods see
// what was committed, never what still waits. They may be called at once.
type Table struct {
	store *Store
	name  string
	key   []byte // of the bucket
}

// Table returns the table called name, making it when there is none. version
// is that of what the caller keeps in it: ErrVersion is returned when the file
// has another.
func (s *Store) Table(name string, version uint64) (*Table, error) {
	if name == "" || len(name) > MaxKey {
		return nil, fmt.Errorf("%w: table name %q", ErrSize, name)
	}
	t := &Table{store: s, name: name, key: []byte("t/" + name)}
	err := s.db.Update(func(tx *bolt.Tx) error {
		if err := claimVersion(tx.Bucket(metaBucket), "table/"+name, version); err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(t.key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	return t, nil
}

// Get returns a copy of key's value, nil when there is none.
func (t *Table) Get(key []byte) (value []byte, err error) {
	err = t.view(func(b *bolt.Bucket) {
		value = bytes.Clone(b.Get(key))
	})
	return value, err
}

// Scan calls f for each entry from the first key that is not below from, in
// ascending order, until f returns false. The slices are valid only during the
// call, and f must not use the Store.
func (t *Table) Scan(from []byte, f func(key, value []byte) bool) error {
	return t.view(func(b *bolt.Bucket) {
		c := b.Cursor()
		for k, v := c.Seek(from); k != nil && f(k, v); k, v = c.Next() {
		}
	})
}

// ScanBack is Scan from the last entry down.
func (t *Table) ScanBack(f func(key, value []byte) bool) error {
	return t.view(func(b *bolt.Bucket) {
		c := b.Cursor()
		for k, v := c.Last(); k != nil && f(k, v); k, v = c.Prev() {
		}
	})
}

func (t *Table) view(f func(*bolt.Bucket)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("table %s: %w: %v", t.name, ErrDamaged, r)
		}
	}()
	err = t.store.db.View(func(tx *bolt.Tx) error {
		f(tx.Bucket(t.key))
		return nil
	})
	if err != nil {
		return fmt.Errorf("table %s: %w", t.name, err)
	}
	return nil
}

// A Batch is changes that happen together. The zero Batch is empty. It is not
// safe for use by several goroutines.
type Batch struct {
	ops  []op
	size int
	err  error
}

type op struct {
	table      *Table
	key, value []byte // a nil value deletes
}

func (o op) apply(tx *bolt.Tx) error {
	b := tx.Bucket(o.table.key)
	if o.value == nil {
		return b.Delete(o.key)
	}
	return b.Put(o.key, o.value)
}

// Put sets key to value, 1 to MaxValue bytes. Both are copied.
func (b *Batch) Put(t *Table, key, value []byte) {
	if len(value) < 1 || len(value) > MaxValue {
		b.err = fmt.Errorf("%w: a value of %d bytes in %s", ErrSize, len(value), t.name)
		return
	}
	b.add(op{t, slices.Clone(key), slices.Clone(value)})
}

// Delete removes key. There need not be such a key.
func (b *Batch) Delete(t *Table, key []byte) {
	b.add(op{t, slices.Clone(key), nil})
}

func (b *Batch) add(o op) {
	if len(o.key) < 1 || len(o.key) > MaxKey {
		b.err = fmt.Errorf("%w: a key of %d bytes in %s", ErrSize, len(o.key), o.table.name)
		return
	}
	b.size += len(o.key) + len(o.value)
	b.ops = append(b.ops, o)
}

// Len is how many changes are in it.
func (b *Batch) Len() int { return len(b.ops) }
