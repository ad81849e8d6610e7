package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// disk is what a ledger has on it: the file and the log.
type disk struct{ file, log []byte }

func diskOf(t *testing.T, path string) disk {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(walName(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return disk{b, log}
}

// TestCrashImages makes what a power cut may leave of the file and the log in the
// middle of each commit: of the log every sector or none of a record that is not
// whole; and when the log is written into the file, the file after every write of
// it, the last one whole or torn; any part of the new pages, whole or torn, before
// the new meta page; and with that one torn. From each image the ledger must come
// up as it was before the commit, and agree with its peer once they meet; with the
// commit, from the first image that it was acknowledged in. With SEA_TEST_FULL, as
// in .ci/run, there are more than 10,000 images.
func TestCrashImages(t *testing.T) {
	rounds, want := 1, 20
	if os.Getenv("SEA_TEST_FULL") != "" {
		rounds, want = 80, 10_000
	}
	images := 0
	for round := range rounds {
		r := rand.New(rand.NewPCG(7, uint64(round)))
		crashRound(t, r, 16/min(slow, 4), func(c crash) {
			for _, image := range c.images(r) {
				images++
				if err := c.bring(t, image, c.was); err != nil {
					t.Fatal(err)
				}
			}
			images++
			if err := c.bring(t, c.after, c.is); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Logf("%d images", images)
	if images < want {
		t.Errorf("only %d images", images)
	}
}

// TestCrashImagesFindBugs: the images show the bugs that a log can have.
func TestCrashImagesFindBugs(t *testing.T) {
	bugs := map[string]func(c crash) error{
		"the log begins anew before the file is synced": func(c crash) error {
			if bytes.Equal(c.before.file, c.after.file) {
				return nil
			}
			return c.bring(t, disk{c.before.file, c.after.log}, c.was)
		},
		"a commit is acknowledged before it is synced": func(c crash) error {
			return c.bring(t, c.before, c.is)
		},
		"a torn record is replayed": func(c crash) error {
			log := bytes.Clone(c.after.log)
			at := c.record
			length := int(binary.BigEndian.Uint32(log[at+28:]))
			clear(log[at+walHeader+length/2 : at+walHeader+length]) // the part that was not written yet
			binary.BigEndian.PutUint32(log[at+32:], walSum(log[at+4:at+32], log[at+walHeader:at+walHeader+length]))
			return c.bring(t, disk{c.after.file, log}, c.was)
		},
	}
	found := map[string]int{}
	r := rand.New(rand.NewPCG(7, 7))
	crashRound(t, r, 16, func(c crash) {
		for name, bug := range bugs {
			if bug(c) != nil {
				found[name]++
			}
		}
	})
	for name := range bugs {
		if found[name] == 0 {
			t.Errorf("%s, and nothing is found", name)
		}
	}
	t.Logf("found %v", found)
}

// crash is a commit on one of two ledgers, in the middle of which the power goes.
type crash struct {
	dir           string
	keys          [2]*identity.Key // the first is whose commit it is
	before, after disk
	other         disk // the peer's
	was, is       Line
	record        int // where the log has the commit
	cfg           Config
}

// crashRound is some commits on two new ledgers, each of which is given to f.
func crashRound(t *testing.T, r *rand.Rand, steps int, f func(crash)) {
	keys := [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}
	dir := t.TempDir()
	cfg := Config{test: true, wal: 32 << 10, Now: func() time.Time { return testTime }}
	path := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	var ls [2]*Ledger
	for i, k := range keys {
		l, err := Open(path(i), k, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ls[i] = l
	}
	var mail [][]byte // from side 0 to side 1
	for step := range steps {
		i := step % 2
		l, peer := ls[i], keys[1-i].Entity()
		before, other, was := diskOf(t, path(i)), diskOf(t, path(1-i)), l.Line(peer)
		var err error
		switch step / 2 % 4 {
		case 0:
			err = payMany(t, l, peer, 1+r.IntN(1<<r.IntN(8)))
		case 1:
			err = l.Grant(peer, Amount(step), time.Time{})
		default: // side 0 sends, side 1 takes and answers, side 0 takes that
			if i == 0 {
				var b []byte
				if b, err = l.Next(peer); b != nil {
					mail = append(mail, b)
				}
			} else if len(mail) > 0 {
				var a []byte
				if a, err = l.Receive(t.Context(), peer, mail[0]); err == nil {
					mail = mail[1:]
					err = ls[0].Acked(t.Context(), l.self, a)
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		after := diskOf(t, path(i))
		if bytes.Equal(after.log, before.log) {
			continue // nothing was committed
		}
		c := crash{dir: dir, keys: [2]*identity.Key{keys[i], keys[1-i]}, before: before, after: after, other: other, was: was, is: l.Line(peer), cfg: cfg}
		for at, n := int64(0), uint64(1); n < l.store.(*archive).store.(*overlay).log.next; n++ {
			c.record = int(at)
			at += walLength(int(binary.BigEndian.Uint32(after.log[at+28:])))
		}
		f(c)
	}
}

// images returns some of what may be on the disk in the middle of c.
func (c crash) images(r *rand.Rand) (all []disk) {
	if !bytes.Equal(c.before.file, c.after.file) { // first the log was written into the file
		for _, file := range crashImages(r, c.before.file, c.after.file) {
			all = append(all, disk{file, c.before.log})
		}
	}
	const sector = 512
	old := append(bytes.Clone(c.before.log), make([]byte, max(0, len(c.after.log)-len(c.before.log)))...)
	end := c.record + walHeader + int(binary.BigEndian.Uint32(c.after.log[c.record+28:]))
	all = append(all, disk{c.after.file, c.before.log}, disk{c.after.file, old})
	for range 4 {
		torn := bytes.Clone(old)
		cut := c.record + r.IntN(end-c.record)
		copy(torn[c.record:cut], c.after.log[c.record:cut])
		parts := bytes.Clone(old)
		for at := c.record; at < end; at += sector {
			if r.IntN(2) == 0 {
				copy(parts[at:at+sector], c.after.log[at:at+sector])
			}
		}
		for _, log := range [][]byte{torn, parts} {
			if !bytes.Equal(log[c.record:end], c.after.log[c.record:end]) {
				all = append(all, disk{c.after.file, log})
			}
		}
	}
	return all
}

// payMany makes n payments in one transaction.
func payMany(t *testing.T, l *Ledger, peer identity.Entity, n int) error {
	return l.submit(t.Context(), LineOf(l.self, peer), func(b *batch) error {
		for range n {
			if _, err := b.pay(peer, 1, NewRef()); err != nil {
				return err
			}
		}
		return nil
	})
}

// bring opens an image of one side and a copy of the other, and has them meet. It
// says what is not as it should be.
func (c crash) bring(t *testing.T, image disk, want Line) (err error) {
	t.Helper()
	var ls [2]*Ledger
	path := func(i int) string { return filepath.Join(c.dir, fmt.Sprint("image", i)) }
	defer func() {
		for _, l := range ls {
			if l != nil {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	for i, d := range []disk{image, c.other} {
		if err := errors.Join(os.WriteFile(path(i), d.file, 0o600), os.WriteFile(walName(path(i)), d.log, 0o600)); err != nil {
			t.Fatal(err)
		}
		// A second process sees what the first one will.
		r, err := OpenReadOnly(path(i), c.keys[i].Entity(), c.cfg)
		if err != nil {
			return err
		}
		shown := r.Line(c.keys[1-i].Entity())
		if err := r.Close(); err != nil {
			return err
		}
		if ls[i], err = Open(path(i), c.keys[i], c.cfg); err != nil {
			return err
		}
		if got := ls[i].Line(c.keys[1-i].Entity()); got != shown {
			return fmt.Errorf("got %+v, and %+v when it was opened to be read", got, shown)
		}
	}
	got := ls[0].Line(c.keys[1].Entity())
	if want.Acked != got.Acked && want.Acked.Reaches(got.Acked) { // an acknowledgement may be lost
		want.Acked, want.Undelivered = got.Acked, got.Undelivered
	}
	if got != want {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	meet(t, ls[0], ls[1])
	a, b := ls[0].Line(ls[1].self), ls[1].Line(ls[0].self)
	if a.Mine != b.Theirs || a.Theirs != b.Mine || a.Balance+b.Balance != 0 {
		return fmt.Errorf("the sides differ: %+v and %+v", a, b)
	}
	// A commit after the crash puts a torn meta page right.
	if _, err := ls[0].Pay(t.Context(), c.keys[1].Entity(), 1, identity.HashOf([]byte("after"))); err != nil {
		return err
	}
	for i, l := range ls {
		if err := l.Close(); err != nil {
			return err
		}
		if _, err := Check(path(i)); err != nil {
			return err
		}
	}
	return nil
}

// crashImages returns some of what may be on the disk between two states.
func crashImages(r *rand.Rand, before, after []byte) [][]byte {
	const page, sector = 4096, 512
	grown := append(bytes.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	var data, metas []int
	for at := 0; at+page <= len(after); at += page {
		if !bytes.Equal(grown[at:at+page], after[at:at+page]) {
			if at < 2*page {
				metas = append(metas, at)
			} else {
				data = append(data, at)
			}
		}
	}
	if len(metas) == 0 {
		return nil // nothing was committed
	}
	images := [][]byte{before, grown}
	// bbolt writes the pages in their order, and the meta page when they are synced.
	for i, at := range data {
		image := bytes.Clone(grown)
		for _, at := range data[:i] {
			copy(image[at:at+page], after[at:at+page])
		}
		cut := at + r.IntN(page)
		copy(image[at:cut], after[at:cut])
		images = append(images, image)
	}
	for range 3 {
		image := bytes.Clone(grown)
		for _, at := range data {
			for s := at; s < at+page; s += sector {
				if r.IntN(2) == 0 {
					copy(image[s:s+sector], after[s:s+sector])
				}
			}
		}
		images = append(images, image)
	}
	all := bytes.Clone(grown)
	for _, at := range data {
		copy(all[at:at+page], after[at:at+page])
	}
	torn := bytes.Clone(all)
	for _, at := range metas {
		half := 16 + r.IntN(60) // not even a sector is whole
		copy(torn[at:at+half], after[at:at+half])
		if bytes.Equal(torn[at:at+80], after[at:at+80]) {
			torn[at+20] ^= 1
		}
	}
	return append(images, all, torn)
}

// sealedFile is smallFile with a part of its log in segments.
func sealedFile(t *testing.T) (path string, key *identity.Key) {
	path, key = smallFile(t)
	l, err := Open(path, key, Config{test: true, Segment: 3})
	if err != nil {
		t.Fatal(err)
	}
	if made, err := l.Seal(t.Context()); err != nil || made == 0 {
		t.Fatal(made, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path, key
}

// smallFile makes a file with something in each bucket but that of the segments.
func smallFile(t *testing.T) (path string, key *identity.Key) {
	payer, payee, third := keyOf(t, 1), keyOf(t, 2), keyOf(t, 3)
	path = filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, payee, Config{test: true, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(t, payer, payee.Entity()).pay(nil, 10).pay(nil, 20, 30)
	if _, err := l.Receive(t.Context(), payer.Entity(), c.push(0)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := l.Pay(t.Context(), third.Entity(), Amount(i+1), identity.HashOf([]byte{byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Grant(payer.Entity(), 100, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Issue(t.Context(), identity.Certificate{Node: third.Entity(), Can: []string{CanPay}, Budget: 5, NotAfter: testTime.Unix() + 60}); err != nil {
		t.Fatal(err)
	}
	other, _ := openTest(t, third, Config{})
	if _, err := other.Pay(t.Context(), payee.Entity(), 4, identity.HashOf([]byte("other"))); err != nil {
		t.Fatal(err)
	}
	deliver(t, other, l)
	agree(t, l, other)
	e, err := l.Lock(t.Context(), third.Entity(), 100, identity.HashOf([]byte("job")), LockTerms{Expiry: 200_000_000, Quote: testQuote})
	if err == nil {
		_, err = l.SignVoucher(third.Entity(), e.Hash(), 40, 40_000)
	}
	if err != nil {
		t.Fatal(err)
	}
	lost, _ := openTest(t, third, Config{})
	if _, err := rebuild(t, lost, l); err != nil {
		t.Fatal(err)
	}
	fork := newChain(t, payer, payee.Entity()).pay(nil, 11)
	if _, err := l.Receive(t.Context(), payer.Entity(), fork.push(0)); !errors.Is(err, ErrContradiction) {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path, payee
}

// content is all records of a file, and where their values stand.
type content struct {
	records map[string]string
	places  []place
}

type place struct {
	bucket bucket
	value  string
	at     int // -1 if it is not known
}

func contentOf(t *testing.T, path string) content {
	t.Helper()
	b, err := openBolt(path, true, false, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	c := content{records: map[string]string{}}
	err = b.view(func(g getter) error {
		for _, name := range buckets {
			n := 0
			err := g.scan(name, nil, func(key, value []byte) (bool, error) {
				c.records[string(name)+string(key)] = string(value)
				c.places = append(c.places, place{name, string(value), int(g.where(value))})
				n++
				return true, nil
			})
			if err != nil || n == 0 {
				return fmt.Errorf("%s: %d records, %w", name, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFlippedFile flips 1,000 bits in values, all of which Check must find and
// name, and 400 anywhere in the file, which it finds or which change nothing.
// The ledger opens on none of them with a panic, and never with other numbers.
func TestFlippedFile(t *testing.T) {
	path, key := sealedFile(t)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := contentOf(t, path)
	l, err := Open(path, key, Config{})
	if err != nil {
		t.Fatal(err)
	}
	lines := fmt.Sprint(l.Lines())
	l.Close()

	r := rand.New(rand.NewPCG(1, 2))
	bad := filepath.Join(t.TempDir(), "bad.db")
	if err := os.CopyFS(segmentDir(bad), os.DirFS(segmentDir(path))); err != nil {
		t.Fatal(err)
	}
	flip := func(places ...int) {
		t.Helper()
		b, bit := bytes.Clone(sound), r.IntN(8)
		for _, at := range places {
			b[at] ^= 1 << bit
		}
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 / slow {
		p := want.places[r.IntN(len(want.places))]
		off := r.IntN(len(p.value))
		var places []int // bbolt leaves older pages about: flip them all
		for from := 0; ; from++ {
			i := bytes.Index(sound[from:], []byte(p.value))
			if i < 0 {
				break
			}
			from += i
			places = append(places, from+off)
		}
		flip(places...)
		var d *DamageError
		if _, err := Check(bad); !errors.As(err, &d) && !errors.Is(err, ErrVersion) {
			t.Fatalf("a flip in byte %d of a %s record: got %v", off, p.bucket, err)
		} else if d != nil && (d.Bucket != string(p.bucket) || p.at >= 0 && int(d.Offset) != p.at) {
			t.Errorf("a flip in byte %d of the %s record at %d: got %v", off, p.bucket, p.at, err)
		}
	}
	found, opened := 0, 0
	used := len(bytes.TrimRight(sound, "\x00"))
	for range 400 / slow {
		flip(r.IntN(used))
		if _, err := Check(bad); err != nil {
			found++
		} else if !maps.Equal(contentOf(t, bad).records, want.records) {
			t.Error("check found nothing, but the records are others")
		}
		if r.IntN(5) > 0 {
			continue
		}
		l, err := Open(bad, key, Config{test: true})
		if err != nil {
			continue
		}
		opened++
		// Without its newer meta page it is as it was before the dispute.
		if got := fmt.Sprint(l.Lines()); got != lines && l.Lines()[0].State != StateOpen {
			t.Errorf("got %s, want %s", got, lines)
		}
		l.Close()
	}
	t.Logf("%d of 400 flips anywhere found, the others changed nothing; %d of the files opened", found, opened)
}

// TestCutFile cuts the file off at every sector, and puts rubbish there.
func TestCutFile(t *testing.T) {
	path, key := sealedFile(t)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := contentOf(t, path)
	bad := filepath.Join(t.TempDir(), "bad.db")
	if err := os.CopyFS(segmentDir(bad), os.DirFS(segmentDir(path))); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(sound); at += 512 {
		if err := os.WriteFile(bad, sound[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Check(bad); err == nil {
			if got := contentOf(t, bad); !maps.Equal(got.records, want.records) {
				t.Errorf("check of the first %d bytes finds nothing, but records are missing", at)
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("check of the first %d bytes: got %v, want %v", at, err, ErrDamaged)
		}
		if l, err := Open(bad, key, Config{test: true}); err == nil {
			l.Close()
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("open the first %d bytes: got %v, want %v", at, err, ErrDamaged)
		}
	}
	if err := os.WriteFile(bad, bytes.Repeat([]byte("rubbish!"), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(bad, key, Config{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("open rubbish: got %v, want %v", err, ErrDamaged)
	}
}
