package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// crashDisk does what it is told on the real disk, and knows what of it a power
// cut would leave.
type crashDisk struct {
	segmentDisk
	skip  string // a step that is only pretended
	late  []func() error
	after func(step string) // may be nil

	made, kept bool                 // the folder: there, and there after a power cut
	names      map[string]*diskFile // as programs see them
	synced     map[string]*diskFile // as they are after a power cut
}

type diskFile struct{ seen, synced []byte }

func (d *crashDisk) step(name string, f func() error) error {
	do := func() error {
		if name == d.skip {
			return nil
		}
		return f()
	}
	if d.skip == "late" { // all of it happens only after the store has it
		d.late = append(d.late, do)
		return nil
	}
	err := do()
	d.after(name)
	return err
}

func (d *crashDisk) makeDir(dir string) error {
	return d.step("make the folder", func() error { d.made = true; return d.segmentDisk.makeDir(dir) })
}

func (d *crashDisk) write(path string, b []byte) error {
	return d.step("write", func() error {
		d.names[filepath.Base(path)] = &diskFile{seen: slices.Clone(b)}
		return d.segmentDisk.write(path, b)
	})
}

func (d *crashDisk) sync(path string) error {
	return d.step("sync", func() error {
		f := d.names[filepath.Base(path)]
		f.synced = f.seen
		return nil
	})
}

func (d *crashDisk) rename(from, to string) error {
	return d.step("rename", func() error {
		d.names[filepath.Base(to)] = d.names[filepath.Base(from)]
		delete(d.names, filepath.Base(from))
		return d.segmentDisk.rename(from, to)
	})
}

func (d *crashDisk) syncDir(dir string) error {
	if filepath.Ext(dir) != ".segments" {
		return d.step("sync the folder's folder", func() error { d.kept = d.made; return nil })
	}
	return d.step("sync the folder", func() error {
		d.synced = map[string]*diskFile{}
		for name, f := range d.names {
			d.synced[name] = f
		}
		return nil
	})
}

// crashStore tells when something was committed.
type crashStore struct {
	store
	disk *crashDisk
}

func (s crashStore) update(f func(setter) error) error {
	err := s.store.update(f)
	if err == nil {
		s.disk.after("commit")
		late := s.disk.late
		s.disk.late = nil
		for _, do := range late {
			err = do()
		}
	}
	return err
}

// image writes what a power cut leaves to a new folder: how is "all" for what was
// in the system's memory too, "names" for the names without the content that was
// not synced, and "synced" for only what was synced.
func (d *crashDisk) image(t *testing.T, live disk, how string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ledger.db")
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, live.file)
	write(walName(path), live.log)
	there, names := d.made, d.names
	if how == "synced" {
		there, names = d.kept, d.synced
	}
	if !there {
		return path
	}
	if err := os.Mkdir(segmentDir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, f := range names {
		b := f.synced
		if how == "all" {
			b = f.seen
		}
		write(filepath.Join(segmentDir(path), name), b)
	}
	return path
}

// crashWhileSealing has two trade and one of them seal, and makes images of a
// power cut after each step. It returns how many there are, and the first that is
// not good.
func crashWhileSealing(t *testing.T, skip string) (images int, bad error) {
	x := newSealTrade(t)
	fake := &crashDisk{segmentDisk: systemDisk{test: true}, skip: skip, names: map[string]*diskFile{}, synced: map[string]*diskFile{}}
	fake.after = func(string) {}
	inside := x.a.store.(*archive)
	inside.store, inside.disk = crashStore{inside.store, fake}, installer{fake}
	for n := range 8 + max(3/slow, 1) {
		x.round(n)
		if n < 8 {
			continue
		}
		want := books(t, x.a)
		fake.after = func(step string) {
			if bad != nil {
				return
			}
			b := diskOf(t, x.path)
			for _, how := range []string{"all", "names", "synced"} {
				images++
				if err := x.recovers(fake.image(t, b, how), want); err != nil {
					bad = fmt.Errorf("round %d, after %q, %q: %w", n, step, how, err)
					return
				}
			}
		}
		x.seal()
		fake.after = func(string) {}
	}
	return images, bad
}

// recovers opens an image, whose books have to be want, seals what is due in it,
// and checks it before and after.
func (x *sealTrade) recovers(path string, want []string) error {
	for range 2 {
		if _, err := Check(path); err != nil {
			return err
		}
		l, err := Open(path, x.keys[0], sealConfig())
		if err != nil {
			return err
		}
		if got := books(x.T, l); !slices.Equal(got, want) {
			return fmt.Errorf("the books changed")
		}
		if _, err := l.Seal(x.Context()); err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestSealCrash cuts the power after each step of sealing: every record is there,
// and sealing goes on.
func TestSealCrash(t *testing.T) {
	images, bad := crashWhileSealing(t, "")
	if bad != nil {
		t.Fatal(bad)
	}
	if t.Logf("%d images", images); images < 50/slow {
		t.Errorf("only %d images", images)
	}
}

// TestSealCrashFinds leaves out what makes sealing safe, and demands that the
// images show it.
func TestSealCrashFinds(t *testing.T) {
	faults := []string{"sync", "sync the folder", "sync the folder's folder", "late"}
	if slow > 1 {
		faults = faults[2:]
	}
	for _, skip := range faults {
		t.Run(skip, func(t *testing.T) {
			_, bad := crashWhileSealing(t, skip)
			if bad == nil {
				t.Fatal("nothing was found")
			}
			t.Log(bad)
		})
	}
}
