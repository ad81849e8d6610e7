package ledger

import (
	"bytes"
	"errors"
	"maps"
	"slices"
)

var errCrash = errors.New("the process is gone")

// memStore is a store in memory with a process that can crash in a commit, and
// a disk that can lie.
type memStore struct {
	disk  map[bucket]map[string][]byte // what a crash leaves
	cache map[bucket]map[string][]byte // what the process sees

	crash     int // 1: the next update dies before it is on the disk, 2: after
	lies      bool
	lost      int // updates since the last that is on the disk, if it lies
	keepEvery int
}

func newMemStore() *memStore {
	m := &memStore{disk: map[bucket]map[string][]byte{}, keepEvery: 3}
	for _, b := range buckets {
		m.disk[b] = map[string][]byte{}
	}
	m.cache = m.disk
	return m
}

// reboot leaves what is on the disk.
func (m *memStore) reboot() { m.cache, m.crash, m.lost = m.disk, 0, 0 }

func (m *memStore) view(f func(getter) error) error { return f(memTx{m.cache}) }

func (m *memStore) update(f func(setter) error) error {
	next := map[bucket]map[string][]byte{}
	for b, kv := range m.cache {
		next[b] = maps.Clone(kv)
	}
	if err := f(memTx{next}); err != nil {
		return err
	}
	if m.crash == 1 {
		return errCrash
	}
	m.cache = next
	if m.lost++; !m.lies || m.lost >= m.keepEvery {
		m.disk, m.lost = next, 0
	}
	if m.crash == 2 {
		return errCrash
	}
	return nil
}

func (m *memStore) copyTo(string) error { return errors.New("no files here") }
func (m *memStore) close() error        { return nil }

type memTx struct{ kv map[bucket]map[string][]byte }

func (t memTx) get(b bucket, key []byte) []byte {
	v, ok := t.kv[b][string(key)]
	if !ok {
		return nil
	}
	return bytes.Clone(v)
}

func (t memTx) keys(b bucket) []string { return slices.Sorted(maps.Keys(t.kv[b])) }

func (t memTx) last(b bucket) []byte {
	all := t.keys(b)
	if len(all) == 0 {
		return nil
	}
	return []byte(all[len(all)-1])
}

func (t memTx) scan(b bucket, from []byte, f func(key, value []byte) (bool, error)) error {
	all := t.keys(b)
	i, _ := slices.BinarySearch(all, string(from))
	for _, k := range all[i:] {
		if more, err := f([]byte(k), t.get(b, []byte(k))); err != nil || !more {
			return err
		}
	}
	return nil
}

func (t memTx) where([]byte) int64 { return -1 }

func (t memTx) put(b bucket, key, value []byte) error {
	t.kv[b][string(key)] = bytes.Clone(value)
	return nil
}

func (t memTx) remove(b bucket, key []byte) error {
	delete(t.kv[b], string(key))
	return nil
}
