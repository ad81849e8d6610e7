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
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
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
	db *bbolt.DB
}

// boltOptions are for one open. They are told by the issues of bbolt: without
// Timeout a second process hangs for ever; the array freelist grows slow; the
// freelist is kept in the file because finding it again takes a second for half
// a gigabyte.
func boltOptions(readOnly bool, timeout time.Duration) *bbolt.Options {
	o := &bbolt.Options{
		Timeout:      timeout,
		FreelistType: bbolt.FreelistMapType,
		ReadOnly:     readOnly,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag&^os.O_CREATE, mode) // create makes it, whole
		},
	}
	if !readOnly && runtime.GOOS != "windows" { // there the file would get this size
		o.InitialMmapSize = 16 << 20 // below that no reader waits for a remap
	}
	return o
}

// openBolt opens a file that is there.
func openBolt(path string, readOnly bool, timeout time.Duration) (_ *bolt, err error) {
	defer rescue(&err)()
	db, err := bbolt.Open(path, 0o600, boltOptions(readOnly, timeout))
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
func create(path string, fill func(setter) error) (err error) {
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
	db, err := bbolt.Open(temp, 0o600, boltOptions(false, time.Second))
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
		return fill(boltTx{b, tx})
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

func (b *bolt) view(f func(getter) error) (err error) {
	defer rescue(&err)()
	return b.db.View(func(tx *bbolt.Tx) error { return f(boltTx{b, tx}) })
}

func (b *bolt) update(f func(setter) error) (err error) {
	defer rescue(&err)()
	return b.db.Update(func(tx *bbolt.Tx) error { return f(boltTx{b, tx}) })
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
	b  *bolt
	tx *bbolt.Tx
}

func (t boltTx) bucket(b bucket) *bbolt.Bucket {
	k := t.tx.Bucket([]byte(b))
	if k == nil {
		panic(fmt.Sprintf("bucket %s is missing", b)) // rescue makes it ErrDamaged
	}
	return k
}

func (t boltTx) get(b bucket, key []byte) []byte { return t.bucket(b).Get(key) }

func (t boltTx) last(b bucket) []byte {
	k, _ := t.bucket(b).Cursor().Last()
	return k
}

func (t boltTx) scan(b bucket, from []byte, f func(key, value []byte) (bool, error)) error {
	c := t.bucket(b).Cursor()
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
