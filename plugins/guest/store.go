package guest

import (
	"bytes"
	"sync"

	"github.com/peersea/sea/plugins/state"
)

const (
	valuesVersion = 1
	maxKey        = 200      // bytes of a key
	keyCost       = 64       // bytes that each key counts beside itself and its value
	maxListed     = 1000     // keys of one answer
	maxSizeListed = 64 << 10 // and their bytes
)

// store is a guest's keys and values in the table that all guests share: NAME 0x00 KEY,
// and 0x01 VALUE. Its methods may be called at once.
type store struct {
	store *state.Store
	table *state.Table
	name  string
	quota int64

	mu   sync.Mutex // guards what follows, and the order of changes
	used int64
	over bool // another store has taken its place: nothing is changed any more
}

// usedBytes gives what each guest stores.
func usedBytes(t *state.Table) (map[string]int64, error) {
	used := map[string]int64{}
	err := t.Scan(nil, func(key, value []byte) bool {
		if name, key, ok := bytes.Cut(key, []byte{0}); ok {
			used[string(name)] += cost(key, value[1:])
		}
		return true
	})
	return used, err
}

func cost(key, value []byte) int64 { return int64(len(key)+len(value)) + keyCost }

// goodKey tells whether a guest may use a key: 1 to maxKey bytes without NUL and line
// ends.
func goodKey(key []byte) bool {
	return len(key) >= 1 && len(key) <= maxKey && !bytes.ContainsAny(key, "\x00\n")
}

func (s *store) key(key []byte) []byte { return append(append([]byte(s.name), 0), key...) }

// get gives a value; ok is false when there is none.
func (s *store) get(key []byte) (value []byte, ok bool, err error) {
	b, err := s.table.Get(s.key(key))
	if err != nil || b == nil {
		return nil, false, err
	}
	return b[1:], true, nil
}

// put keeps a value, durably; ok is false when that would pass the quota.
func (s *store) put(key, value []byte) (ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := cost(key, value)
	old, there, err := s.get(key)
	if err != nil {
		return false, err
	}
	if there {
		more -= cost(key, old)
	}
	if s.over || more > 0 && s.used+more > s.quota {
		return false, nil
	}
	var b state.Batch
	b.Put(s.table, s.key(key), append([]byte{1}, value...))
	if err := s.store.Commit(&b); err != nil {
		return false, err
	}
	s.used += more
	return true, nil
}

// remove forgets a key; ok is false when there is none.
func (s *store) remove(key []byte) (ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there, err := s.get(key)
	if err != nil || !there || s.over {
		return false, err
	}
	var b state.Batch
	b.Delete(s.table, s.key(key))
	if err := s.store.Commit(&b); err != nil {
		return false, err
	}
	s.used -= cost(key, old)
	return true, nil
}

// list gives keys that begin with prefix and come after a key, in byte order, each
// ended by a line end; as many as fit.
func (s *store) list(prefix, after []byte) (keys []byte, err error) {
	from, n := s.key(prefix), 0
	if bytes.Compare(after, prefix) > 0 {
		from = s.key(after)
	}
	begin := s.key(prefix)
	err = s.table.Scan(from, func(key, _ []byte) bool {
		if !bytes.HasPrefix(key, begin) {
			return bytes.Compare(key, begin) < 0
		}
		key = key[len(s.name)+1:]
		if bytes.Equal(key, after) {
			return true
		}
		if n++; n > maxListed || len(keys)+len(key)+1 > maxSizeListed {
			return false
		}
		keys = append(append(keys, key...), '\n')
		return true
	})
	return keys, err
}

// clear forgets everything. The store has ended.
func (s *store) clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var b state.Batch
		all := s.key(nil)
		err := s.table.Scan(all, func(key, _ []byte) bool {
			if !bytes.HasPrefix(key, all) {
				return false
			}
			b.Delete(s.table, key)
			return b.Len() < maxListed
		})
		if err != nil || b.Len() == 0 {
			return err
		}
		if err := s.store.Commit(&b); err != nil {
			return err
		}
		s.used = 0
	}
}

// end has nothing changed any more.
func (s *store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *store) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
