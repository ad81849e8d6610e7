package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// overlay is the store in use: a bbolt file with a log in front of it. A commit
// is one record of the log and one sync; what is in the log is in memory too,
// laid over what the file holds, until the log is full and all of it is written
// into the file as one transaction.
type overlay struct {
	file *bolt
	room int64 // see walSize

	committing sync.Mutex // held by whoever writes; guards what follows
	log        wal
	unlogged   []change // written by updateLater and not in the log yet: maxUnlogged
	failed     error    // why nothing is written any more
	commits    uint64   // how many there were

	changes []change // what the next commit works in: maxSpare
	payload []byte   // likewise, until the log begins anew

	mu  sync.RWMutex // guards top, and that it fits what a view of file begins with
	top *layer       // what the log holds beyond the file; nobody changes one that is here
}

// layer is changes by bucket and key.
type layer = btree.BTreeG[change]

func newLayer() *layer {
	return btree.NewBTreeGOptions(change.before, btree.Options{NoLocks: true})
}

func (c change) before(d change) bool {
	if c.bucket != d.bucket {
		return strings.Compare(string(c.bucket), string(d.bucket)) < 0
	}
	return bytes.Compare(c.key, d.key) < 0
}

// maxUnlogged is how many changes wait for a commit that is synced, and maxSpare
// for how many room is kept.
const (
	maxUnlogged = 1024
	maxSpare    = 1 << 14
)

// walKey is where the file names its log. Without it there is none.
var walKey = []byte("log")

// openOverlay opens a file that is there, with the log beside it; room is
// walSize when it is zero.
func openOverlay(path string, readOnly, test bool, room int64, timeout time.Duration) (*overlay, error) {
	b, err := openBolt(path, readOnly, test, timeout)
	if err != nil {
		return nil, err
	}
	if room == 0 {
		room = walSize
	}
	o := &overlay{file: b, room: room, top: newLayer(), log: wal{path: walName(path), test: test, step: min(walStep, room)}}
	named, err := o.replay()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", o.log.path, err), b.close())
	}
	if readOnly {
		o.failed = ErrReadOnly
		return o, nil
	}
	if named {
		// What a process that was killed had written may be in the system's memory
		// only. Here it is synced.
		if err := o.flush(walID{}); err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), b.close())
		}
	}
	return o, nil
}

// replay reads the log, if the file names one.
func (o *overlay) replay() (named bool, err error) {
	var id walID
	err = o.file.view(func(g getter) error {
		raw, err := book{g}.value(bMeta, walKey)
		if err != nil || raw == nil {
			return err
		}
		if len(raw) != len(id) {
			return damage(g, bMeta, walKey, nil, "it is not the name of a log")
		}
		id, named = walID(raw), true
		return nil
	})
	if err != nil || !named {
		return false, err
	}
	f, err := os.Open(o.log.path)
	if errors.Is(err, fs.ErrNotExist) {
		o.file.torn = errors.Join(o.file.torn, &DamageError{Offset: -1,
			Why: fmt.Sprintf("the log %s is missing; the rest is whole, but may be what it was some transactions ago", o.log.path)})
		return true, nil
	} else if err != nil {
		return true, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return true, err
	}
	return true, readWAL(f, info.Size(), id, func(all []change) error {
		for _, c := range all {
			o.top.Set(c)
		}
		return nil
	})
}

func (o *overlay) view(f func(getter) error) error {
	o.mu.RLock()
	begun := sync.OnceFunc(o.mu.RUnlock)
	defer begun()
	return o.file.view(func(g getter) error {
		top := o.top
		begun()
		return f(overlayTx{g, top})
	})
}

func (o *overlay) update(f func(setter) error) error { return o.commit(f, false) }

// updateLater is update for what may be lost in a crash: it is durable with the
// next update.
func (o *overlay) updateLater(f func(setter) error) error { return o.commit(f, true) }

func (o *overlay) commit(f func(setter) error, later bool) error {
	o.committing.Lock()
	defer o.committing.Unlock()
	if o.failed != nil {
		return o.failed
	}
	o.commits++
	w := overlayWrites{n: o.commits, all: o.changes[:0]}
	defer func() {
		if clear(w.all); cap(w.all) <= maxSpare {
			o.changes = w.all
		}
	}()
	w.top = o.top.Copy() // pages are copied when they are changed
	err := o.file.view(func(g getter) error {
		w.getter = g
		return f(&w)
	})
	if err != nil || len(w.all) == 0 {
		return err
	}
	if later && len(o.unlogged)+len(w.all) <= maxUnlogged {
		o.unlogged = append(o.unlogged, w.all...)
		o.show(w.top)
		return nil
	}
	o.payload = appendChanges(appendChanges(o.payload[:0], o.unlogged), w.all)
	if o.log.id == (walID{}) || o.log.end > 0 && o.log.end+walLength(len(o.payload)) > o.room {
		if o.failed = o.flush(newWALID()); o.failed != nil {
			return o.failed
		}
		w.top = newLayer()
		for _, c := range w.all {
			w.top.Set(c)
		}
		o.payload = appendChanges(o.payload[:0], w.all)
	}
	if o.failed = o.log.append(o.payload); o.failed != nil {
		return o.failed
	}
	o.unlogged = nil
	o.show(w.top)
	return nil
}

// show has views begin with top.
func (o *overlay) show(top *layer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.top = top
}

// flush writes what the log holds into the file, and with it that the log begins
// anew under id: so no record counts twice, and none is lost, whenever the power
// goes. What a view begins with meanwhile is in the layer and in the file.
func (o *overlay) flush(id walID) error {
	if id != (walID{}) {
		if err := o.log.open(); err != nil { // a log that is named and not there is missing
			return err
		}
	}
	err := o.file.update(func(s setter) error {
		return errors.Join(writeLayer(s, o.top), nameWAL(s, id))
	})
	if err != nil {
		return err
	}
	o.log.restart(id)
	o.unlogged, o.payload = nil, nil
	o.show(newLayer())
	return nil
}

// copyTo makes a file that needs no log.
func (o *overlay) copyTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	var top *layer
	err = o.view(func(g getter) error {
		tx := g.(overlayTx)
		top = tx.top
		_, err := tx.getter.(boltTx).tx.WriteTo(f)
		return err
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	b, err := mapBolt(path, false, o.log.test, time.Second)
	if err != nil {
		return err
	}
	err = b.update(func(s setter) error { return errors.Join(writeLayer(s, top), nameWAL(s, walID{})) })
	return errors.Join(err, b.close())
}

func (o *overlay) close() error {
	o.committing.Lock()
	defer o.committing.Unlock()
	whole := false
	var err error
	if o.failed == nil {
		if o.log.id != (walID{}) || o.top.Len() > 0 {
			err = o.flush(walID{})
		}
		whole = err == nil
	}
	return errors.Join(err, o.log.close(whole), o.file.close())
}

// writeLayer puts all changes of top.
func writeLayer(s setter, top *layer) error {
	var err error
	top.Scan(func(c change) bool {
		if c.value == nil {
			err = s.remove(c.bucket, c.key)
		} else {
			err = s.put(c.bucket, c.key, c.value)
		}
		return err == nil
	})
	return err
}

// nameWAL notes in the file which records of the log count.
func nameWAL(s setter, id walID) error {
	p := newPen(s)
	to := uint32(loggedSchema)
	if id == (walID{}) {
		to = schema
		if p.sealedTo() > 0 {
			to = sealedSchema
		}
	}
	var err error
	if is := p.schema(); is >= schema && is <= loggedSchema { // one of the first stays one until it is upgraded
		err = p.put(bMeta, []byte("schema"), binary.BigEndian.AppendUint32(nil, to))
	}
	if id == (walID{}) {
		return errors.Join(err, p.remove(bMeta, walKey))
	}
	return errors.Join(err, p.put(bMeta, walKey, bytes.Clone(id[:])))
}

// overlayTx reads through a layer.
type overlayTx struct {
	getter // what is below
	top    *layer
}

func (t overlayTx) get(b bucket, key []byte) []byte {
	if c, ok := t.top.Get(change{bucket: b, key: key}); ok {
		return c.value
	}
	return t.getter.get(b, key)
}

// afterAll is above all keys.
var afterAll = bytes.Repeat([]byte{0xff}, 128)

func (t overlayTx) last(b bucket) (key []byte) {
	below := t.getter.last(b)
	removed := false
	t.top.Descend(change{bucket: b, key: afterAll}, func(c change) bool {
		switch {
		case c.bucket != b || bytes.Compare(c.key, below) < 0:
			return false
		case c.value == nil:
			removed = removed || bytes.Equal(c.key, below)
			return true
		}
		key = c.key
		return false
	})
	switch {
	case key != nil:
		return key
	case !removed:
		return below
	}
	_ = t.scan(b, nil, func(k, _ []byte) (bool, error) { key = k; return true, nil })
	return key
}

func (t overlayTx) scan(b bucket, from []byte, f func(key, value []byte) (bool, error)) error {
	at := t.top.Iter()
	defer at.Release()
	there := at.Seek(change{bucket: b, key: from})
	// upTo calls f for the changes up to key, all when it is nil, and says whether
	// the last of them was at key.
	upTo := func(key []byte) (more, met bool, err error) {
		for there && at.Item().bucket == b {
			c := at.Item()
			order := -1
			if key != nil {
				order = bytes.Compare(c.key, key)
			}
			if order > 0 {
				break
			}
			there = at.Next()
			if c.value != nil {
				if more, err := f(c.key, c.value); err != nil || !more {
					return false, true, err
				}
			}
			if order == 0 {
				return true, true, nil
			}
		}
		return true, false, nil
	}
	ended := false
	err := t.getter.scan(b, from, func(key, value []byte) (bool, error) {
		more, met, err := upTo(key)
		if err == nil && more && !met {
			more, err = f(key, value)
		}
		ended = !more
		return more, err
	})
	if err != nil || ended {
		return err
	}
	_, _, err = upTo(nil)
	return err
}

// overlayWrites is an overlayTx that writes to its layer, which nobody else has.
type overlayWrites struct {
	overlayTx
	n   uint64   // of the commit
	all []change // each key once
}

func (w *overlayWrites) put(b bucket, key, value []byte) error {
	if value == nil {
		value = []byte{} // nil is for what is removed
	}
	w.set(change{bucket: b, key: bytes.Clone(key), value: value})
	return nil
}

func (w *overlayWrites) remove(b bucket, key []byte) error {
	w.set(change{bucket: b, key: bytes.Clone(key)})
	return nil
}

func (w *overlayWrites) set(c change) {
	c.by, c.at = w.n, len(w.all)
	before, there := w.top.Set(c)
	if !there || before.by != w.n {
		w.all = append(w.all, c)
		return
	}
	c.at = before.at
	w.all[c.at] = c
	w.top.Set(c)
}
