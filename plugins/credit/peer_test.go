package credit_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/credit"
)

// TestFork has a key sign two entries with one number, from two files and past
// all that would have fenced the second one.
func TestFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		all := runAll(t, s)
		a, b := all[0], all[1]
		old := filepath.Join(t.TempDir(), "old.db")
		if err := a.Snapshot(old); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Pay(t.Context(), b.Entity(), 5, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		if err := a.plugin.Deliver(t.Context(), b.Entity()); err != nil {
			t.Fatal(err)
		}
		second := ledgertest.Open(t, old, s.Keys[0], ledger.Config{})
		if _, err := second.Pay(t.Context(), b.Entity(), 6, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		forged, err := second.Next(b.Entity())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Nodes[0].Call(t.Context(), addr.OfNode(b.Entity()), credit.ScopePush, forged); !errors.Is(err, rpc.ErrRefused) {
			t.Errorf("got %v, want %v", err, rpc.ErrRefused)
		}
		if got := b.Line(a.Entity()); got.State != ledger.StateDisputed || got.Balance != 5 {
			t.Errorf("got %+v, want it disputed", got)
		}
		if _, err := a.Pay(t.Context(), b.Entity(), 7, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		if err := a.plugin.Deliver(t.Context(), b.Entity()); !errors.Is(err, rpc.ErrRefused) {
			t.Errorf("deliver: got %v, want %v at once", err, rpc.ErrRefused)
		}
	})
}

// TestOddPeers delivers to nodes that do not serve the scopes, or answer them
// with anything.
func TestOddPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		a := run(t, s, 0, filepath.Join(t.TempDir(), "ledger.db"))
		peer := s.Nodes[1].Entity()
		if _, err := a.Pay(t.Context(), peer, 5, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		if err := a.plugin.Deliver(t.Context(), peer); !errors.Is(err, rpc.ErrNoHandler) {
			t.Errorf("no scopes: got %v, want %v", err, rpc.ErrNoHandler)
		}
		synctest.Wait() // no attempt of before may still be under way
		var answer []byte
		var calls atomic.Int64
		serve := func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			calls.Add(1)
			return answer, nil
		}
		defer s.Nodes[1].Handle(credit.ScopeSync, serve)()
		defer s.Nodes[1].Handle(credit.ScopePush, serve)()
		position, err := a.Position(peer)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{nil, {1}, make([]byte, 1<<16), position} { // an echo passes as a position
			answer = b
			calls.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if err := a.plugin.Deliver(ctx, peer); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d bytes: got %v", len(b), err)
			}
			cancel()
			if n := calls.Load(); n < 10 || n > 100 {
				t.Errorf("%d bytes: asked %d times in an hour", len(b), n)
			}
		}
		if got := a.Line(peer); !got.Undelivered || got.Acked.Entry != 0 || got.State != ledger.StateOpen {
			t.Errorf("got %+v, want nothing acknowledged", got)
		}
	})
}

// TestMeetOnce: on a link that stays up positions are exchanged once, and again
// only when an answer does not fit. What is pushed over it may be long.
func TestMeetOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		a := run(t, s, 0, filepath.Join(t.TempDir(), "ledger.db"))
		b := ledgertest.Open(t, filepath.Join(t.TempDir(), "ledger.db"), s.Keys[1], ledger.Config{})
		defer b.Close()
		var meetings, longest atomic.Int64
		var last, stale atomic.Pointer[[]byte] // the newest answer, and one to be given in place of the next
		defer s.Nodes[1].Handle(credit.ScopeSync, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			meetings.Add(1)
			if err := b.Compare(ctx, from.Node, body); err != nil {
				return nil, err
			}
			return b.Position(from.Node)
		})()
		defer s.Nodes[1].Handle(credit.ScopePush, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			longest.Store(max(longest.Load(), int64(len(body))))
			if old := stale.Swap(nil); old != nil {
				return *old, nil
			}
			answer, err := b.Receive(ctx, from.Node, body)
			last.Store(&answer)
			return answer, err
		})()
		pay := func(n int) {
			t.Helper()
			for range n {
				if _, err := a.Pay(t.Context(), b.Entity(), 1, ledger.NewRef()); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.plugin.Deliver(t.Context(), b.Entity()); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			pay(1)
		}
		if n := meetings.Load(); n != 1 {
			t.Errorf("%d meetings for three deliveries, want 1", n)
		}
		stale.Store(last.Load())
		pay(1)
		if n := meetings.Load(); n != 2 {
			t.Errorf("%d meetings after an answer that did not fit, want 2", n)
		}
		a.end()
		l := ledgertest.Open(t, a.path, s.Keys[0], ledger.Config{})
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() {
				if _, err := l.Pay(t.Context(), b.Entity(), 1, ledger.NewRef()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		a = run(t, s, 0, a.path)
		pay(1)
		if got := b.Line(a.Entity()); got.Balance != 305 {
			t.Errorf("got %+v, want a balance of 305", got)
		}
		if n := longest.Load(); n < 301*ledger.EntrySize {
			t.Errorf("no message has more than %d bytes, 301 entries are in one", n)
		}
	})
}

// TestBacklog delivers what takes several pushes. One is under way at a time,
// each begins where the one before it ended, and though not each answer is taken
// in by itself, all is acknowledged in the end and no second meeting is needed.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		path := filepath.Join(t.TempDir(), "ledger.db")
		b := ledgertest.Open(t, filepath.Join(t.TempDir(), "ledger.db"), s.Keys[1], ledger.Config{})
		defer b.Close()
		l := ledgertest.Open(t, path, s.Keys[0], ledger.Config{})
		const waves, wave = 14, 500
		for range waves {
			var all sync.WaitGroup
			for range wave {
				all.Go(func() {
					if _, err := l.Pay(t.Context(), b.Entity(), 1, ledger.NewRef()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var meetings, pushes, underWay atomic.Int64
		defer s.Nodes[1].Handle(credit.ScopeSync, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			meetings.Add(1)
			if err := b.Compare(ctx, from.Node, body); err != nil {
				return nil, err
			}
			return b.Position(from.Node)
		})()
		defer s.Nodes[1].Handle(credit.ScopePush, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			if underWay.Add(1) > 1 {
				t.Error("two pushes at one time")
			}
			defer underWay.Add(-1)
			pushes.Add(1)
			before := b.Line(from.Node).Theirs.Seq
			answer, err := b.Receive(ctx, from.Node, body)
			if after := b.Line(from.Node).Theirs.Seq; after <= before {
				t.Errorf("a push brings nothing: %d entries before it, %d after", before, after)
			}
			return answer, err
		})()
		a := run(t, s, 0, path)
		if err := a.plugin.Deliver(t.Context(), b.Entity()); err != nil {
			t.Fatal(err)
		}
		if got := b.Line(a.Entity()).Balance; got != waves*wave {
			t.Errorf("got a balance of %v, want %d", got, waves*wave)
		}
		if line := a.Line(b.Entity()); line.Undelivered {
			t.Errorf("something is undelivered: %+v", line)
		}
		if n := pushes.Load(); n < 3 {
			t.Errorf("%d pushes, want 3 at least", n)
		}
		if n := meetings.Load(); n != 1 {
			t.Errorf("%d meetings, want 1", n)
		}
	})
}
