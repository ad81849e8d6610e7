package queue

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOrderAndLimit(t *testing.T) {
	q := New[int](10)
	ctx := t.Context()
	for i := range 5 {
		if err := q.Put(ctx, i, 2); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Put(short, 5, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Put after cancel: got %v", err)
	}
	for want := range 5 {
		if got, err := q.Get(ctx); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if _, err := q.Get(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Get after cancel: got %v", err)
	}
	if err := q.Put(ctx, 6, 1000); err != nil {
		t.Errorf("an item larger than the queue: %v", err)
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[int](2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get of nothing: got %v", err)
		}
		for i := range 2 {
			if err := q.Put(t.Context(), i, 1); err != nil {
				t.Fatal(err)
			}
		}
		var puts, gets sync.WaitGroup
		for i := range 8 {
			puts.Go(func() {
				if err := q.Put(t.Context(), 2+i, 1); err != nil {
					t.Errorf("Put: %v", err)
				}
			})
		}
		synctest.Wait()
		if q.size != 2 {
			t.Errorf("holds %d, want 2", q.size)
		}
		var mu sync.Mutex
		var got []int
		for range 10 {
			gets.Go(func() {
				i, err := q.Get(t.Context())
				if err != nil {
					t.Errorf("Get: %v", err)
				}
				mu.Lock()
				got = append(got, i)
				mu.Unlock()
			})
		}
		puts.Wait()
		gets.Wait()
		slices.Sort(got)
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if q.size != 0 || q.head != 0 || cap(q.items) > keep {
			t.Errorf("empty queue holds %d in %v", q.size, q.items[:cap(q.items)])
		}
	})
}

func TestEndWakesEverybody(t *testing.T) {
	for name, end := range map[string]func(*Queue[int]){
		"end":  func(q *Queue[int]) { q.End(); q.End() },
		"drop": func(q *Queue[int]) { q.Drop(); q.Drop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				empty, full := New[int](1), New[int](1)
				if err := full.Put(t.Context(), 7, 1); err != nil {
					t.Fatal(err)
				}
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						if _, err := empty.Get(t.Context()); !errors.Is(err, net.ErrClosed) {
							t.Errorf("Get: %v", err)
						}
					})
					all.Go(func() {
						if err := full.Put(t.Context(), 8, 1); !errors.Is(err, net.ErrClosed) {
							t.Errorf("Put: %v", err)
						}
					})
				}
				synctest.Wait()
				end(empty)
				end(full)
				all.Wait()
				select {
				case <-full.Ended():
				default:
					t.Error("Ended is open")
				}
			})
		})
	}
}

func TestWhatIsLeft(t *testing.T) {
	q := New[int](10)
	for i := range 3 {
		if err := q.Put(t.Context(), i, 1); err != nil {
			t.Fatal(err)
		}
	}
	q.End()
	if got, err := q.Get(t.Context()); got != 0 || err != nil {
		t.Errorf("Get after End: %v, %v", got, err)
	}
	if got, want := q.Drop(), []int{1, 2}; !slices.Equal(got, want) {
		t.Errorf("Drop: got %v, want %v", got, want)
	}
	if _, err := q.Get(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Get after Drop: %v", err)
	}
}

// TestNeverEmpty passes many items through a queue that always holds some.
func TestNeverEmpty(t *testing.T) {
	q := New[int](100)
	put, want := 0, 0
	for range 10_000 {
		for range 3 {
			if put-want < 50 {
				if err := q.Put(t.Context(), put, 1); err != nil {
					t.Fatal(err)
				}
				put++
			}
		}
		for range 2 {
			if got, err := q.Get(t.Context()); got != want || err != nil {
				t.Fatalf("got %v, %v, want %v", got, err, want)
			}
			want++
		}
	}
	if c := cap(q.items); c > 256 {
		t.Errorf("%d items in room for %d", put-want, c)
	}
}

func BenchmarkPutGet(b *testing.B) {
	q := New[[]byte](1 << 16)
	item := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Put(b.Context(), item, 100); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
