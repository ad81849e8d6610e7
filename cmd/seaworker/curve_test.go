package main

import (
	"iter"
	"testing"
	"time"

	"github.com/peersea/sea/ledger"
)

// postings yields n of +1, a second apart from start.
func postings(start time.Time, n int) iter.Seq2[ledger.Posting, error] {
	return func(yield func(ledger.Posting, error) bool) {
		for i := range n {
			if !yield(ledger.Posting{Time: start.Add(time.Duration(i) * time.Second), Amount: 1}, nil) {
				return
			}
		}
	}
}

func TestCurve(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, n := range []int{0, 1, 2, maxCurve - 1, maxCurve, maxCurve + 1, 2*maxCurve + 1, 10*maxCurve + 7} {
		points, err := draw(postings(start, n), start.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if len(points) > maxCurve || len(points) < min(n, maxCurve/2) {
			t.Errorf("%d postings: got %d points", n, len(points))
		}
		at := ledger.Amount(0) // the balance before the point
		for i, p := range points {
			if p.Low != at+1 || p.High != p.Balance || p.At != start.Add(time.Duration(p.Balance-1)*time.Second) {
				t.Fatalf("%d postings: point %d is %+v after %v", n, i, p, at)
			}
			at = p.Balance
		}
		if at != ledger.Amount(n) {
			t.Errorf("%d postings: the curve ends at %v", n, at)
		}
	}
}

// A peer's clock that is wrong does not move time back or beyond now.
func TestCurveClocks(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	said := []time.Duration{-time.Hour, 200 * 365 * 24 * time.Hour, -2 * time.Hour, time.Second, -time.Minute}
	want := []time.Duration{-time.Hour, -time.Hour, -time.Hour, -time.Hour, -time.Minute}
	points, err := draw(func(yield func(ledger.Posting, error) bool) {
		for _, d := range said {
			if !yield(ledger.Posting{Time: now.Add(d), Amount: -1}, nil) {
				return
			}
		}
	}, now)
	if err != nil || len(points) != len(want) {
		t.Fatalf("got %v, %v", points, err)
	}
	for i, p := range points {
		if !p.At.Equal(now.Add(want[i])) {
			t.Errorf("posting %d counts as of %v", i, p.At)
		}
	}
}
