package market

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/state"
)

// restart ends the trader and starts it again, after the jobs made at from and
// each millisecond after it were written to its store, as ended ones.
func (tr *trader) restart(n int, from int64, mapped bool) {
	tr.t.Helper()
	var b state.Batch
	for i := range int64(n) {
		r := jobRecord{ID: NewID(), Created: from + i, State: Done, mapped: mapped}
		raw, err := r.encode()
		if err != nil {
			tr.t.Fatal(err)
		}
		b.Put(tr.book.jobs, r.key().bytes(), raw)
	}
	if err := tr.book.store.Commit(&b); err != nil {
		tr.t.Fatal(err)
	}
	tr.halt()
	tr.start()
}

// TestBookIsBounded shows that old jobs are forgotten when there are too many of
// their kind: those that maps bought do not push out the others, nor these them.
func TestBookIsBounded(t *testing.T) {
	t.Parallel()
	sea := nodetest.Loose(t, 1)
	buyer := newTrader(t, sea, 0, &tricky{}, nil)
	more := func(at int64, mapped bool) { // five more jobs
		for i := range int64(5) {
			j := newJob(jobRecord{ID: NewID(), Created: at + i, State: Done, mapped: mapped}, buyer.dir)
			if err := buyer.book.add(j); err != nil {
				t.Fatal(err)
			}
			if err := buyer.book.save(j); err != nil {
				t.Fatal(err)
			}
			buyer.book.settle(j.rec.ID)
		}
	}
	const many = int64(maxJobs)
	has := func(mapped bool, n int, oldest, newest int64) {
		t.Helper()
		got := slices.DeleteFunc(slices.Clone(buyer.book.index), func(k jobKey) bool { return k.mapped != mapped })
		if len(got) != n || got[0].created != oldest || got[n-1].created != newest {
			t.Fatalf("%d jobs, of maps: %v, made %d to %d, want %d, %d to %d", len(got), mapped, got[0].created, got[len(got)-1].created, n, oldest, newest)
		}
	}
	buyer.restart(10, 1, false)
	buyer.restart(maxJobs, 100, true)
	more(100+many, true)
	has(false, 10, 1, 10) // a large map has left the ten
	has(true, maxJobs, 105, 104+many)

	buyer.restart(maxJobs-10, 100_000, false)
	more(100_000+many, false)
	buyer.restart(0, 0, false) // and so they are on the disk
	has(false, maxJobs, 6, 100_004+many)
	has(true, maxJobs, 105, 104+many) // and they have left it

	jobs, err := buyer.book.Jobs(20, false)
	if err != nil || len(jobs) != 20 || jobs[0].Created.UnixMilli() != 100_004+many {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	if _, err := buyer.book.Find(jobs[7].ID.Short()); err != nil {
		t.Error(err)
	}
	if _, err := buyer.book.Find(""); !errors.Is(err, ErrNoJob) {
		t.Errorf("got %v, want %v", err, ErrNoJob)
	}
}

// TestJobsOfMaps: what a map buys counts as its own, also the jobs that check it,
// and what is tried again by hand does not.
func TestJobsOfMaps(t *testing.T) {
	t.Parallel()
	buyer, _, _ := mapMarket(t, 3)
	s := numbers(buyer, 2)
	s.Verify = VerifyQuorum(2)
	m, items := buyer.watchMap(buyer.submitMap(s))
	if m.Done != 2 {
		t.Fatalf("%+v", m)
	}
	single := primes(buyer, "1")
	single.Verify = VerifyQuorum(2)
	alone := buyer.run(single)
	parts := slices.Clone(alone.Votes)
	for _, i := range items {
		j, err := buyer.book.Job(i.Job)
		if err != nil || len(j.Votes) == 0 {
			t.Fatalf("%+v, %v", j, err)
		}
	}
	for _, k := range buyer.book.index {
		if want := k.id != alone.ID && !slices.Contains(parts, k.id); k.mapped != want {
			t.Errorf("job %s of a map: %v, want %v", k.id.Short(), k.mapped, want)
		}
	}
	if jobs, err := buyer.book.Jobs(10, true); err != nil || len(jobs) != 1+len(parts) {
		t.Errorf("%d jobs that no map bought, %v; want one and its %d parts", len(jobs), err, len(parts))
	}
}

// TestOldJobs opens a store in which the keys do not tell who bought a job, as
// they did not at first, and foreign keys.
func TestOldJobs(t *testing.T) {
	t.Parallel()
	sea := nodetest.Loose(t, 1)
	buyer := newTrader(t, sea, 0, &tricky{}, nil)
	r := jobRecord{ID: NewID(), Created: 7, State: Done}
	raw, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	old := append(binary.BigEndian.AppendUint64(nil, 7), r.ID[:]...)
	var b state.Batch
	b.Put(buyer.book.jobs, old, raw)
	for _, key := range [][]byte{old[:23], append(slices.Clone(old), 2), append(slices.Clone(old), mappedKey, 0)} {
		b.Put(buyer.book.jobs, key, raw)
	}
	if err := buyer.book.store.Commit(&b); err != nil {
		t.Fatal(err)
	}
	buyer.halt()
	buyer.start()
	jobs, err := buyer.book.Jobs(10, false)
	if err != nil || len(jobs) != 1 || jobs[0].ID != r.ID || buyer.book.index[0].mapped {
		t.Errorf("%+v, %v", jobs, err)
	}
}
