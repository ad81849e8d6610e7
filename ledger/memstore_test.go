package ledger

import (
	"bytes"
	"errors"
	"hash/crc32"
	"maps"
)

var errCrash = errors.New("the process is gone")

// memStore is a store in memory with a process that can crash in a commit, and
// a disk that can lie.
type memStore struct {
	disk  image // what a crash leaves
	cache image // what the process sees

	crash int                         // 1: the next update dies before it is on the disk, 2: after
	late  func(written []bucket) bool // tells which updates are not on the disk yet when they say so

	gate    chan struct{} // unless nil, an update waits until it is closed
	waiting chan struct{} // and says so here
}

func newMemStore() *memStore {
	m := &memStore{disk: image{}}
	m.cache = m.disk
	return m
}

// reboot leaves what is on the disk.
func (m *memStore) reboot() { m.cache, m.crash = m.disk, 0 }

func (m *memStore) view(f func(getter) error) error { return f(memTx{kv: m.cache}) }

func (m *memStore) update(f func(setter) error) error {
	if gate := m.gate; gate != nil {
		m.waiting <- struct{}{}
		<-gate
	}
	tx := memTx{kv: maps.Clone(m.cache), written: new([]bucket)}
	if err := f(tx); err != nil {
		return err
	}
	switch m.crash {
	case 1:
		return errCrash
	case 2:
		m.disk = tx.kv // the process never sees it
		return errCrash
	}
	m.cache = tx.kv
	if m.late == nil || !m.late(*tx.written) {
		m.disk = tx.kv
	}
	return nil
}

// updateLater is durable with the next update.
func (m *memStore) updateLater(f func(setter) error) error {
	tx := memTx{kv: maps.Clone(m.cache), written: new([]bucket)}
	if err := f(tx); err != nil {
		return err
	}
	if m.crash != 0 {
		return errCrash // neither before nor after it is anything on the disk
	}
	m.cache = tx.kv
	return nil
}

func (m *memStore) copyTo(string) error { return errors.New("no files here") }
func (m *memStore) close() error        { return nil }

type memTx struct {
	kv      image
	written *[]bucket
}

func (t memTx) get(b bucket, key []byte) []byte {
	for at := t.kv[b]; at != nil; {
		switch c := bytes.Compare(key, []byte(at.key)); {
		case c == 0:
			return bytes.Clone(at.value)
		case c < 0:
			at = at.left
		default:
			at = at.right
		}
	}
	return nil
}

func (t memTx) last(b bucket) []byte {
	at := t.kv[b]
	if at == nil {
		return nil
	}
	for at.right != nil {
		at = at.right
	}
	return []byte(at.key)
}

func (t memTx) scan(b bucket, from []byte, f func(key, value []byte) (bool, error)) error {
	_, err := t.kv[b].scan(string(from), f)
	return err
}

func (t memTx) where([]byte) int64 { return -1 }

func (t memTx) put(b bucket, key, value []byte) error {
	*t.written = append(*t.written, b)
	t.kv[b] = t.kv[b].put(string(key), bytes.Clone(value))
	return nil
}

func (t memTx) remove(b bucket, key []byte) error {
	*t.written = append(*t.written, b)
	t.kv[b] = t.kv[b].remove(string(key))
	return nil
}

// image is the content of a file. It is never changed: what is made of it
// shares its trees.
type image map[bucket]*tree

// tree is a treap: ordered by key, and by chance, which is the key's checksum,
// from the root down.
type tree struct {
	key         string
	value       []byte
	chance      uint32
	left, right *tree
}

func (t *tree) put(key string, value []byte) *tree {
	if t == nil {
		return &tree{key: key, value: value, chance: crc32.ChecksumIEEE([]byte(key))}
	}
	n := *t
	switch {
	case key == t.key:
		n.value = value
	case key < t.key:
		n.left = t.left.put(key, value)
		if up := n.left; up.chance > n.chance { // up was made by put
			n.left, up.right = up.right, &n
			return up
		}
	default:
		n.right = t.right.put(key, value)
		if up := n.right; up.chance > n.chance {
			n.right, up.left = up.left, &n
			return up
		}
	}
	return &n
}

func (t *tree) remove(key string) *tree {
	if t == nil {
		return nil
	}
	n := *t
	switch {
	case key == t.key:
		return join(t.left, t.right)
	case key < t.key:
		n.left = t.left.remove(key)
	default:
		n.right = t.right.remove(key)
	}
	return &n
}

// join makes one tree of two, all of a's keys being below b's.
func join(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.chance > b.chance:
		n := *a
		n.right = join(a.right, b)
		return &n
	}
	n := *b
	n.left = join(a, b.left)
	return &n
}

// scan calls f for each key from the first that is not below from.
func (t *tree) scan(from string, f func(key, value []byte) (bool, error)) (more bool, err error) {
	if t == nil {
		return true, nil
	}
	if from < t.key {
		if more, err := t.left.scan(from, f); !more || err != nil {
			return more, err
		}
	}
	if from <= t.key {
		if more, err := f([]byte(t.key), bytes.Clone(t.value)); !more || err != nil {
			return more, err
		}
	}
	return t.right.scan(from, f)
}
