package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCheckBeyond loses segments, some next to each other and the first one too:
// Check names each with the lines that have records in it, goes on behind them,
// and still finds what is wrong there.
func TestCheckBeyond(t *testing.T) {
	x := newSealTrade(t)
	early, late := keyOf(t, 3).Entity(), keyOf(t, 4).Entity()
	for n := range 24 {
		to := early
		if n >= 12 {
			to = late
		}
		if n < 2 || n > 20 {
			if _, err := x.a.Pay(t.Context(), to, 1, NewRef()); err != nil {
				t.Fatal(err)
			}
		}
		x.round(n)
	}
	if x.seal() < 6 {
		t.Fatal("too few segments")
	}
	x.a.Close()
	files, err := filepath.Glob(filepath.Join(segmentDir(x.path), "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Check(x.path)
	if err != nil || len(want.Lost) > 0 || want.Segments != uint64(len(files)) {
		t.Fatalf("whole: got %+v, %v", want, err)
	}
	segments := make([][]byte, len(files))
	heads := make([]segment, len(files))
	for i, name := range files {
		if segments[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		if heads[i], err = decodeSegment(segments[i]); err != nil {
			t.Fatal(err)
		}
	}
	spoil := func(lost []int) func() {
		for i, n := range lost {
			if i%2 == 0 {
				err = os.Remove(files[n])
			} else {
				bad := slices.Clone(segments[n])
				bad[len(bad)/2] ^= 4
				err = os.WriteFile(files[n], bad, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return func() {
			for _, n := range lost {
				if err := os.WriteFile(files[n], segments[n], 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, lost := range [][]int{{1}, {0}, {0, 1}, {1, 3}, {2, 3, 4}, {len(files) - 1}, {0, 2, len(files) - 1}} {
		mend := spoil(lost)
		rep, err := Check(x.path)
		bad := new(DamageError)
		if !errors.As(err, &bad) || bad.File != files[lost[0]] {
			t.Fatalf("%v: got %v", lost, err)
		}
		records := want.Records
		for i, n := range lost {
			records -= heads[n].count()
			if got := rep.Lost[i]; got.File != files[n] || got.First != heads[n].first || got.Last != heads[n].last || got.Why == "" ||
				!slices.Contains(got.Peers, x.b.self) || got.Lines != len(got.Peers) || slices.Contains(got.Peers, late) && heads[n].n == 1 {
				t.Errorf("%v: got %+v", lost, got)
			}
		}
		if slices.Contains(rep.Lost[0].Peers, early) != (lost[0] == 0) {
			t.Errorf("%v: the early line has records in segment 1 alone; got %+v", lost, rep.Lost)
		}
		if len(rep.Lost) != len(lost) || rep.Records != records || rep.Segments != want.Segments-uint64(len(lost)) ||
			rep.Lines != want.Lines || rep.Balance != want.Balance || rep.Agreed != want.Agreed || rep.Locks != want.Locks {
			t.Errorf("%v: got %+v\nwant %+v", lost, rep, want)
		}
		mend()
	}

	// What is wrong behind a lost segment is found.
	defer spoil([]int{1})()
	newest := func(k book) (key, payload []byte) {
		key = bytes.Clone(k.last(bLog))
		payload, err := unseal(k, bLog, key, k.get(bLog, key))
		if err != nil {
			t.Fatal(err)
		}
		return key, bytes.Clone(payload)
	}
	w := accountOf(x.a.self, x.b.self).mine
	for name, one := range map[string]struct {
		write func(p pen) error
		want  string
	}{
		"a signature": {func(p pen) error {
			key, payload := newest(p.book)
			payload[len(payload)-1] ^= 1
			return p.put(bLog, key, payload)
		}, "bad signature"},
		"a line": {func(p pen) error {
			payload, err := unseal(p.book, bLine, w.key(), p.get(bLine, w.key()))
			if err != nil {
				return err
			}
			h, err := decodeHalf(bytes.Clone(payload))
			h.cum++
			return errors.Join(err, p.put(bLine, w.key(), h.encode()))
		}, "not the newest in the log"},
		"a record that is missing": {func(p pen) error {
			key, payload := newest(p.book)
			return errors.Join(p.remove(bLog, key), p.put(bLog, number(9999), payload))
		}, "should stand here"},
		"a head": {func(p pen) error {
			a, err := p.account(x.a.self, x.b.self)
			return errors.Join(err, p.put(bHead, w.headKey(a.own.epoch, a.own.seq), span{1, 2}.encode()))
		}, "missing from the heads"},
		"a line that is gone": {func(p pen) error {
			a := accountOf(x.a.self, late)
			return errors.Join(p.remove(bLine, a.mine.key()), p.remove(bLine, a.theirs.key()))
		}, "records of this line"},
	} {
		copied := copyLedger(t, x.path)
		o, err := openOverlay(copied, false, true, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = o.update(func(s setter) error { return one.write(newPen(s)) })
		if err := errors.Join(err, o.close()); err != nil {
			t.Fatal(err)
		}
		rep, err := Check(copied)
		if err == nil || !strings.Contains(err.Error(), one.want) || len(rep.Lost) != 1 {
			t.Errorf("%s: got %+v, %v", name, rep.Lost, err)
		}
	}
}

// copyLedger copies a ledger that is closed, with its segments.
func copyLedger(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "ledger.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(segmentDir(to), os.DirFS(segmentDir(path))); err != nil {
		t.Fatal(err)
	}
	return to
}
