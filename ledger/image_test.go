package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// TestCrashImages makes what a power cut may leave of the file in the middle of
// each commit: the file after every write of it, the last one whole or torn; any
// part of the new pages, whole or torn, before the new meta page; and with that
// one torn. From each image the ledger must come up as it was before the commit,
// and agree with its peer once they meet. With SEA_TEST_FULL, as in .ci/run,
// there are more than 10,000 images.
func TestCrashImages(t *testing.T) {
	rounds, want := 1, 20
	if os.Getenv("SEA_TEST_FULL") != "" {
		rounds, want = 110, 10_000
	}
	images := 0
	for round := range rounds {
		images += crashRound(t, rand.New(rand.NewPCG(7, uint64(round))))
	}
	t.Logf("%d images", images)
	if images < want {
		t.Errorf("only %d images", images)
	}
}

// crashRound is some commits on two new ledgers. It returns how many images it
// made of them.
func crashRound(t *testing.T, r *rand.Rand) (images int) {
	keys := [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}
	dir := t.TempDir()
	cfg := Config{test: true, Now: func() time.Time { return testTime }}
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
	load := func(i int) []byte {
		b, err := os.ReadFile(path(i))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var mail [][]byte // from side 0 to side 1
	for step := range 16 / min(slow, 4) {
		i := step % 2
		l, peer := ls[i], keys[1-i].Entity()
		before, other, was := load(i), load(1-i), l.Line(peer)
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
		for _, image := range crashImages(r, before, load(i)) {
			images++
			bring(t, dir, [2][]byte{image, other}, [2]*identity.Key{keys[i], keys[1-i]}, was, cfg)
		}
	}
	return images
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

// bring opens an image of one side and a copy of the other, and has them meet.
func bring(t *testing.T, dir string, images [2][]byte, keys [2]*identity.Key, was Line, cfg Config) {
	t.Helper()
	var ls [2]*Ledger
	for i := range 2 {
		p := filepath.Join(dir, fmt.Sprint("image", i))
		if err := os.WriteFile(p, images[i], 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(p, keys[i], cfg)
		if err != nil {
			t.Fatal(err)
		}
		ls[i] = l
	}
	if got := ls[0].Line(keys[1].Entity()); got != was {
		t.Fatalf("got %+v, want it as before: %+v", got, was)
	}
	meet(t, ls[0], ls[1])
	a, b := ls[0].Line(ls[1].self), ls[1].Line(ls[0].self)
	if a.Mine != b.Theirs || a.Theirs != b.Mine || a.Balance+b.Balance != 0 {
		t.Fatalf("the sides differ: %+v and %+v", a, b)
	}
	// A commit after the crash puts a torn meta page right.
	if _, err := ls[0].Pay(t.Context(), keys[1].Entity(), 1, identity.HashOf([]byte("after"))); err != nil {
		t.Fatal(err)
	}
	for i, l := range ls {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Check(filepath.Join(dir, fmt.Sprint("image", i))); err != nil {
			t.Fatal(err)
		}
	}
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
