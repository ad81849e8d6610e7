package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// sealTrade is two ledgers that trade, the first with small segments.
type sealTrade struct {
	*testing.T
	a, b *Ledger
	path string // a's
	keys [2]*identity.Key
}

const testSegment = 16

func newSealTrade(t *testing.T) *sealTrade {
	x := &sealTrade{T: t, keys: [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}}
	x.path = t.TempDir() + "/ledger.db"
	x.open()
	t.Cleanup(func() { x.a.Close() })
	x.b, _ = openTest(t, x.keys[1], Config{test: true})
	return x
}

func sealConfig() Config {
	return Config{test: true, Segment: testSegment, Now: func() time.Time { return testTime }}
}

func (x *sealTrade) open() {
	x.Helper()
	l, err := Open(x.path, x.keys[0], sealConfig())
	if err != nil {
		x.Fatal(err)
	}
	x.a = l
}

// round is some of everything that the log holds, and a checkpoint.
func (x *sealTrade) round(n int) {
	x.Helper()
	for _, err := range []error{
		payMany(x.T, x.a, x.b.self, 1+n%5), payMany(x.T, x.b, x.a.self, 3),
		x.a.Grant(x.b.self, Amount(100+n), time.Time{}), x.b.Grant(x.a.self, Amount(1000+n), time.Time{}),
	} {
		if err != nil {
			x.Fatal(err)
		}
	}
	if n%7 == 0 { // a lock that stays
		terms := LockTerms{Expiry: tickOf(testTime) + 60, Quote: testQuote}
		if _, err := x.a.Lock(x.Context(), x.b.self, 2, NewRef(), terms); err != nil {
			x.Fatal(err)
		}
	}
	deliver(x.T, x.a, x.b)
	deliver(x.T, x.b, x.a)
	agree(x.T, x.a, x.b)
}

// seal seals what is due.
func (x *sealTrade) seal() int {
	x.Helper()
	made, err := x.a.Seal(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	return made
}

// books is all that a tells of itself.
func books(t *testing.T, l *Ledger) (all []string) {
	t.Helper()
	for p, err := range l.History(Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%+v", p))
	}
	for _, line := range l.Lines() {
		all = append(all, fmt.Sprintf("%+v", line))
	}
	return all
}

// live is how many records the live file has.
func live(t *testing.T, l *Ledger) (n int) {
	t.Helper()
	err := l.store.view(func(g getter) error {
		return g.scan(bLog, nil, func([]byte, []byte) (bool, error) { n++; return true, nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSeal seals while two trade, and finds the books as they were, the checks
// good, and the live file small; also after the ledger was opened again, and from
// a snapshot, and for a peer that lost all it had.
func TestSeal(t *testing.T) {
	x := newSealTrade(t)
	segments := 0
	for n := range 40 / min(slow, 2) {
		x.round(n)
		before := books(t, x.a)
		segments += x.seal()
		if after := books(t, x.a); !slices.Equal(before, after) {
			t.Fatalf("round %d: the books changed", n)
		}
		if n%13 == 0 {
			if err := x.a.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Check(x.path); err != nil {
				t.Fatalf("round %d: %v", n, err)
			}
			x.open()
			meet(t, x.a, x.b)
		}
	}
	if most := 2*testSegment + MaxRun + 40; segments < 5 || live(t, x.a) > most {
		t.Errorf("%d segments, %d records in the live file, want %d at most", segments, live(t, x.a), most)
	}

	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := x.a.Snapshot(copied); err != nil {
		t.Fatal(err)
	}
	rep, err := Check(copied)
	if err != nil || rep.Segments != uint64(segments) || rep.Heads <= uint64(live(t, x.a)) {
		t.Errorf("the snapshot: got %+v, %v", rep, err)
	}
	want := books(t, x.a)
	again, err := OpenReadOnly(copied, x.a.self, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := books(t, again); !slices.Equal(got, want) {
		t.Error("the snapshot tells something else")
	}
	again.Close()

	// A peer that has nothing any more gets everything again, from the first.
	fresh, _ := openTest(t, x.keys[1], Config{test: true})
	position, err := fresh.Position(x.a.self)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.a.Compare(t.Context(), fresh.self, position); err != nil {
		t.Fatal(err)
	}
	deliver(t, x.a, fresh)
	if got, want := fresh.Line(x.a.self).Theirs.Seq, x.a.Line(x.b.self).Mine.Seq; got != want {
		t.Errorf("the peer got %d entries of %d", got, want)
	}
	if _, err := rebuild(t, fresh, x.a); err != nil {
		t.Fatal(err)
	}
	if got, want := fresh.Line(x.a.self).Mine.Seq, x.a.Line(x.b.self).Theirs.Seq; got != want {
		t.Errorf("the peer got %d entries of its own back, of %d", got, want)
	}
	// An old payment is found by what it was for.
	for p := range x.a.History(Filter{}) {
		if e, found, err := x.a.PaidFor(x.b.self, p.Ref); p.Kind == "PAY" && (err != nil || !found || e.Ref != p.Ref) {
			t.Fatalf("payment %d: got %+v, %v, %v", p.Number, e, found, err)
		}
		if p.Number > 20 {
			break
		}
	}
}

// TestSegmentLost takes segments away and turns their bytes: balances, payments
// and checkpoints go on, what cannot be read is named, and Check finds it.
func TestSegmentLost(t *testing.T) {
	x := newSealTrade(t)
	for n := range 20 {
		x.round(n)
	}
	if x.seal() < 4 {
		t.Fatal("too few segments")
	}
	files, err := filepath.Glob(filepath.Join(segmentDir(x.path), "*.seg"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/200*min(slow, 4) {
		turned := slices.Clone(whole)
		turned[at] ^= 1 << (at % 8)
		if _, err := decodeSegment(turned); err == nil {
			t.Fatalf("byte %d turned: not found", at)
		}
	}
	firstOf := func(path string) uint64 {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := decodeSegmentHead(b)
		if err != nil {
			t.Fatal(err)
		}
		return h.first
	}
	first := firstOf(files[1])
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(files[1]) },
		"short":   func() error { return os.Truncate(files[1], int64(len(whole)/2)) },
		"empty":   func() error { return os.Truncate(files[1], 0) },
		"turned": func() error {
			b := slices.Clone(whole)
			for at := segmentHeadSize; at < len(b); at += 100 {
				b[at] ^= 4
			}
			return os.WriteFile(files[1], b, 0o600)
		},
		"another file": func() error { return errors.Join(os.Remove(files[1]), os.Link(files[2], files[1])) },
	} {
		t.Run(name, func(t *testing.T) {
			x.T = t
			before := x.a.Line(x.b.self)
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			x.a.Close()
			rep, err := Check(x.path)
			bad := new(DamageError)
			if !errors.As(err, &bad) || bad.File != files[1] || bad.Number < first || bad.Number >= first+2*testSegment || !strings.Contains(err.Error(), "balances") {
				t.Errorf("check: got %+v, %v", rep, err)
			}
			x.open()
			if lost, err := x.a.LostSegments(); err != nil || len(lost) == 0 && name != "turned" {
				t.Errorf("got %v, %v", lost, err)
			}
			if after := x.a.Line(x.b.self); after != before {
				t.Errorf("the line changed: %+v, was %+v", after, before)
			}
			meet(t, x.a, x.b)
			x.round(3) // pays, grants, delivers and agrees
			var failed error
			for _, err := range x.a.History(Filter{}) {
				failed = err
			}
			if !errors.Is(failed, ErrSegment) || !strings.Contains(fmt.Sprint(failed), filepath.Base(files[1])) {
				t.Errorf("history: got %v", failed)
			}
			// A peer that asks for what is lost gets no answer, and nobody else is held up.
			fresh, _ := openTest(t, x.keys[1], Config{test: true})
			_, err = rebuild(t, fresh, x.a)
			if !errors.Is(err, ErrSegment) {
				t.Errorf("recall: got %v", err)
			}
			if err := x.a.Writable(); err != nil {
				t.Errorf("the ledger stopped writing: %v", err)
			}
			x.round(4)
			os.Remove(files[1])
			if err := os.WriteFile(files[1], whole, 0o600); err != nil {
				t.Fatal(err)
			}
			x.a.Close()
			if _, err := Check(x.path); err != nil {
				t.Errorf("with the file put back: %v", err)
			}
			x.open()
		})
	}
}

// TestLiveFileSmall writes many times what the live file may hold, with a
// checkpoint and sealing after each round: the file keeps to its bound, and all of
// the history is there.
func TestLiveFileSmall(t *testing.T) {
	const segment, batch = 512, 500
	rounds := 24 / min(slow, 3)
	path := t.TempDir() + "/ledger.db"
	a, err := Open(path, keyOf(t, 1), Config{test: true, wal: 64 << 10, Segment: segment, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, other := openTest(t, keyOf(t, 2), Config{test: true, wal: 64 << 10}) // which seals nothing
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for n := range rounds {
		if err := payMany(t, a, b.self, batch); err != nil {
			t.Fatal(err)
		}
		deliver(t, a, b)
		agree(t, a, b)
		if _, err := a.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, most := live(t, a), 2*segment+maxPinned; got > most {
			t.Fatalf("round %d: %d records in the live file, want %d at most", n, got, most)
		}
		if got, most := size(path), liveFileMost(segment, batch, (n+1)*batch); got > most {
			t.Fatalf("round %d: the live file has %d bytes, want %d at most", n, got, most)
		}
	}
	t.Logf("%d entries: %d bytes, and %d in a ledger that does not seal", rounds*batch, size(path), size(other))
	if got := size(other); slow == 1 && got < 2*size(path) {
		t.Errorf("a ledger that seals nothing has %d bytes: the test is too small", got)
	}
	count := 0
	for _, err := range a.History(Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	a.Close()
	if rep, err := Check(path); err != nil || rep.Entries != uint64(rounds*batch) || count != rounds*batch || rep.Segments == 0 {
		t.Errorf("%d postings, %+v, %v", count, rep, err)
	}
}

// maxPinned is what one line keeps of its sealed records: six runs and two grants.
const maxPinned = 6*MaxRun + 2

// liveFileMost is the bound of the live file: what it holds of the log, twice a
// segment and what came since, at 600 bytes a record; the references of all
// payments, at 24; and a megabyte. bbolt doubles a file until it has 16 MB.
func liveFileMost(segment, batch, payments int) int64 {
	used := int64(2*segment+batch+maxPinned)*600 + int64(payments)*24 + 1<<20
	most := int64(1 << 15)
	for most < used {
		most *= 2
	}
	return most
}
