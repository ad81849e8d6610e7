package credit_test

import (
	"context"
	"errors"
	"path/filepath"
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
