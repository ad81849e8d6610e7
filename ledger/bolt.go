package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/peersea/sea/ledger/internal/pages"
)

// Errors of opening the file.
var (
	// ErrInUse is returned when another process has the file open.
	ErrInUse = errors.New("another process has the ledger open")

	// ErrReadOnly is returned by everything that would write when the ledger was
	// opened for reading, or stopped writing because the disk failed it.
	ErrReadOnly = errors.New("ledger is read-only")
)

// bolt is the store in a bbolt file.
type bolt struct {
	torn   error // what is wrong with the file, though it can be used
	walked bool  // its pages were looked at
	db     *bbolt.DB

	durable    atomic.Int64 // the newest transaction that is on the disk
	committing sync.Mutex   // held by update
}

// boltOptions are for one open; test spares the fsync and keeps the file small. They are told by the issues of bbolt: without
// Timeout a second process hangs for ever; the array freelist grows slow; the
// freelist is kept in the file because finding it again takes a second for half
// a gigabyte.
func boltOptions(readOnly, test bool, timeout time.Duration) *bbolt.Options {
	o := &bbolt.Options{
		Timeout:      timeout,
		FreelistType: bbolt.FreelistMapType,
		ReadOnly:     readOnly,
		NoSync:       test,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag&^os.O_CREATE, mode) // create makes it, whole
		},
	}
	if !readOnly && !test && runtime.GOOS != "windows" { // there the file gets it at once
		// Below that no reader waits for a remap. The file gets this size too, as
		// a hole, with the first commit.
		o.InitialMmapSize = 1 << 20
	}
	return o
}

// maxWalk is the size up to which a file is walked before it is opened for
// writing: a tenth of a second or so. Check walks all.
const maxWalk = 64 << 20

// openBolt opens a file that is there. Before bbolt is let at it its pages are
// walked, because bbolt believes what they say.
func openBolt(path string, readOnly, test bool, timeout time.Duration) (*bolt, error) {
	b, err := mapBolt(path, true, test, timeout) // locks out writers, reads no page but the first two
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, errors.Join(err, b.close())
	} else if readOnly || info.Size() <= maxWalk {
		b.walked = true
		if b.torn, err = walkPages(path); err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	if readOnly {
		return b, b.mark()
	}
	if err := b.close(); err != nil {
		return nil, err
	}
	again, err := mapBolt(path, false, test, timeout)
	if err != nil {
		return nil, err
	}
	again.torn, again.walked = b.torn, b.walked
	if err := again.addBuckets(); err != nil {
		return nil, errors.Join(err, again.close())
	}
	// A process that was killed in a commit may have left it in the system's
	// memory only, where we would read it.
	if !test {
		if err := again.db.Sync(); err != nil {
			return nil, errors.Join(fmt.Errorf("sync %s: %w", path, err), again.close())
		}
	}
	return again, again.mark()
}

// mark takes what can be read now for durable.
func (b *bolt) mark() (err error) {
	defer rescue(&err)()
	return b.db.View(func(tx *bbolt.Tx) error {
		b.durable.Store(int64(tx.ID()))
		return nil
	})
}

// addBuckets makes the buckets that an older file lacks.
func (b *bolt) addBuckets() (err error) {
	defer rescue(&err)()
	var missing []bucket
	err = b.db.View(func(tx *bbolt.Tx) error {
		for _, name := range added {
			if tx.Bucket([]byte(name)) == nil {
				missing = append(missing, name)
			}
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range missing {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// walkPages returns a *DamageError when the file's own structure is not sound.
// torn is one that can be lived with: a lost meta page.
func walkPages(path string) (torn, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	lost, err := pages.Check(f, info.Size())
	if e := new(pages.Error); errors.As(err, &e) {
		return nil, fmt.Errorf("open %s: %w", path, &DamageError{Offset: e.Offset, Why: e.Why})
	}
	if lost != nil {
		torn = &DamageError{Offset: lost.Offset,
			Why: lost.Why + "; the rest is whole, but may be what it was before the last transaction"}
	}
	return torn, err
}

// mapBolt has bbolt open the file, and turns its errors into ours.
func mapBolt(path string, readOnly, test bool, timeout time.Duration) (_ *bolt, err error) {
	defer rescue(&err)()
	db, err := bbolt.Open(path, 0o600, boltOptions(readOnly, test, timeout))
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w", path, ErrInUse)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, err // names the path
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, &DamageError{Offset: -1, Why: err.Error()})
	}
	return &bolt{db: db}, nil
}

// create makes the file at path with empty buckets and what fill puts there.
// The file appears whole or not at all; one that is there is never replaced,
// which is fs.ErrExist. A crash may leave a file named .ledger-* beside it.
func create(path string, test bool, fill func(setter) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".ledger-*") // 0600
	if err != nil {
		return err
	}
	temp := f.Name()
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(temp, 0o600, boltOptions(false, test, time.Second))
	if err != nil {
		return err
	}
	b := &bolt{db: db}
	err = db.Update(func(tx *bbolt.Tx) error { // syncs what it wrote
		for _, name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return fill(newBoltTx(b, tx))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link fails if path is there. Where there are no links,
	// nobody else may be creating it.
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// known returns a *DamageError when the file has a bucket that nobody makes.
func (b *bolt) known() (err error) {
	defer rescue(&err)()
	return b.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if !slices.Contains(buckets, bucket(name)) {
				return &DamageError{Bucket: string(name), Offset: -1, Why: "nobody makes a bucket of this name"}
			}
			return nil
		})
	})
}

func (b *bolt) view(f func(getter) error) (err error) {
	defer rescue(&err)()
	tx, err := b.begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return f(newBoltTx(b, tx))
}

// begin reads what is on the disk. bbolt shows a commit as soon as it is
// written, before it is synced and also when that fails; what a message is made
// of has to be there after a power cut. So this waits for the one, and the other
// is ErrReadOnly.
func (b *bolt) begin() (*bbolt.Tx, error) {
	tx, err := b.db.Begin(false)
	if err != nil || int64(tx.ID()) <= b.durable.Load() {
		return tx, err
	}
	if err := tx.Rollback(); err != nil {
		return nil, err
	}
	b.committing.Lock()
	defer b.committing.Unlock()
	tx, err = b.db.Begin(false)
	if err == nil && int64(tx.ID()) > b.durable.Load() {
		err = errors.Join(fmt.Errorf("%w until it is opened again: the disk failed what can be read", ErrReadOnly), tx.Rollback())
	}
	return tx, err
}

func (b *bolt) update(f func(setter) error) (err error) {
	defer rescue(&err)()
	b.committing.Lock()
	defer b.committing.Unlock()
	var id int
	err = b.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return f(newBoltTx(b, tx))
	})
	if err == nil {
		b.durable.Store(int64(id))
	}
	return err
}

func (b *bolt) copyTo(path string) (err error) {
	defer rescue(&err)()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	return errors.Join(err, f.Sync(), f.Close())
}

func (b *bolt) close() error { return b.db.Close() }

// rescue turns what bbolt does on a damaged file, a panic or a fault in the
// mapped memory, into ErrDamaged. Use: defer rescue(&err)().
func rescue(err *error) func() {
	faults := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(faults)
		if p := recover(); p != nil {
			*err = &DamageError{Offset: -1, Why: fmt.Sprint(p)}
		}
	}
}

// boltTx is a transaction of bolt.
type boltTx struct {
	b      *bolt
	tx     *bbolt.Tx
	opened map[bucket]*bbolt.Bucket // finding one in its tree is slow
}

func newBoltTx(b *bolt, tx *bbolt.Tx) boltTx {
	return boltTx{b, tx, make(map[bucket]*bbolt.Bucket, len(buckets))}
}

// bucket returns nil for one that the file is too old to have.
func (t boltTx) bucket(b bucket) *bbolt.Bucket {
	if k := t.opened[b]; k != nil {
		return k
	}
	k := t.tx.Bucket([]byte(b))
	if k == nil && !slices.Contains(added, b) {
		panic(fmt.Sprintf("bucket %s is missing", b)) // rescue makes it ErrDamaged
	}
	t.opened[b] = k
	return k
}

func (t boltTx) get(b bucket, key []byte) []byte {
	k := t.bucket(b)
	if k == nil {
		return nil
	}
	return k.Get(key)
}

func (t boltTx) last(b bucket) []byte {
	k := t.bucket(b)
	if k == nil {
		return nil
	}
	key, _ := k.Cursor().Last()
	return key
}

func (t boltTx) scan(b bucket, from []byte, f func(key, value []byte) (bool, error)) error {
	in := t.bucket(b)
	if in == nil {
		return nil
	}
	c := in.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if more, err := f(k, v); err != nil || !more {
			return err
		}
	}
	return nil
}

// where relies on values being slices of the mapped file. In a transaction that
// writes they may be elsewhere.
func (t boltTx) where(value []byte) int64 {
	base := t.tx.DB().Info().Data
	at := reflect.ValueOf(value).Pointer()
	if at < base || at-base >= uintptr(t.tx.Size()) {
		return -1
	}
	return int64(at - base)
}

func (t boltTx) put(b bucket, key, value []byte) error {
	k := t.bucket(b)
	if b == bLog {
		k.FillPercent = 0.95 // append only: full pages, never split again
	}
	return k.Put(key, value)
}

func (t boltTx) remove(b bucket, key []byte) error { return t.bucket(b).Delete(key) }
