package credit_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/credit"
)

// TestCheckpoints has two nodes pay each other for some ticks, and demands a
// checkpoint in each tick that brought something, and none in the others.
func TestCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		all := runAll(t, s)
		for n := uint64(1); n <= 3; n++ {
			for i, l := range all {
				if _, err := l.Pay(t.Context(), all[1-i].Entity(), 5, ledger.NewRef()); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				time.Sleep(10 * time.Second)
				synctest.Wait()
			}
			a, b := all[0].Line(all[1].Entity()), all[1].Line(all[0].Entity())
			if a.Agreed.N < n || a.Agreed.Hash != b.Agreed.Hash || a.Agreed.Mine != a.Mine || a.Agreed.Theirs != a.Theirs || b.Agreed.Mine != b.Mine {
				t.Fatalf("got %+v and %+v", a, b)
			}
			if lost, err := all[0].LostSegments(); err != nil || len(lost) > 0 {
				t.Errorf("lost segments: %v, %v", lost, err)
			}
			was := a.Agreed
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if got := all[0].Line(all[1].Entity()).Agreed; got != was {
				t.Errorf("nothing has changed: got %+v after %+v", got, was)
			}
		}
		for range 5 {
			if _, err := all[0].Pay(t.Context(), all[1].Entity(), 5, ledger.NewRef()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if files, err := filepath.Glob(all[0].path + ".segments/*.seg"); err != nil || len(files) == 0 {
			t.Errorf("nothing was sealed: %v, %v", files, err)
		}
	})
}

// TestCheckpointManners asks too often, and the wrong side.
func TestCheckpointManners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		all := runAll(t, s)
		low, high := 0, 1
		if ledger.SideOf(all[0].Entity(), all[1].Entity()) == ledger.High {
			low, high = 1, 0
		}
		if _, err := all[low].Pay(t.Context(), all[high].Entity(), 5, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		if err := all[low].plugin.Deliver(t.Context(), all[high].Entity()); err != nil {
			t.Fatal(err)
		}
		message, err := all[low].Checkpoint(t.Context(), all[high].Entity())
		if err != nil || message == nil {
			t.Fatalf("got %x, %v", message, err)
		}
		ask := func(from, to int) error {
			_, err := s.Nodes[from].Call(t.Context(), addr.OfNode(s.Nodes[to].Entity()), credit.ScopeCheckpoint, message)
			return err
		}
		if err := ask(high, low); !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("the low side is asked: got %v", err)
		}
		busy := 0
		for range 20 {
			if err := ask(low, high); errors.Is(err, rpc.ErrBusy) {
				busy++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if busy < 12 {
			t.Errorf("20 messages at once: %d refused", busy)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := ask(low, high); err != nil {
			t.Errorf("in the next tick: %v", err)
		}
	})
}

// TestCheckpointsNeverHold has a crowd that answers no checkpoint: few of them are
// asked at one time, and payments do not wait.
func TestCheckpointsNeverHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 20
		s := nodetest.New(t, crowd)
		at := 0
		for i := range s.Keys {
			if ledger.SideOf(s.Keys[i].Entity(), s.Keys[at].Entity()) == ledger.Low {
				at = i
			}
		}
		low := run(t, s, at, filepath.Join(t.TempDir(), "ledger.db"))
		var peers []identity.Entity
		var asked, most atomic.Int64
		for i, key := range s.Keys {
			if i == at {
				continue
			}
			l := ledgertest.Open(t, filepath.Join(t.TempDir(), "ledger.db"), key, ledger.Config{})
			peers = append(peers, l.Entity())
			defer s.Nodes[i].Handle(credit.ScopeSync, func(_ context.Context, from rpc.Peer, _ []byte) ([]byte, error) {
				return l.Position(from.Node)
			})()
			defer s.Nodes[i].Handle(credit.ScopePush, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
				return l.Receive(ctx, from.Node, body)
			})()
			defer s.Nodes[i].Handle(credit.ScopeCheckpoint, func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
				most.Store(max(most.Load(), asked.Add(1)))
				defer asked.Add(-1)
				<-ctx.Done()
				return nil, ctx.Err()
			})()
		}
		for range 4 {
			for _, peer := range peers {
				if _, err := low.Pay(t.Context(), peer, 5, ledger.NewRef()); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := low.plugin.Deliver(t.Context(), peer); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > time.Second {
					t.Fatalf("a payment waited %v", took)
				}
			}
			time.Sleep(10 * time.Second)
		}
		if n := most.Load(); n < 1 || n > 16 { // a call that was given up may last until its node hears of it
			t.Errorf("%d peers asked at one time", n)
		}
	})
}

// TestAgree has either side ask for a checkpoint now, and finds all that was
// signed in it.
func TestAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		all := runAll(t, s)
		for n := range 4 {
			from, to := all[n%2], all[1-n%2]
			for i, l := range all {
				if _, err := l.Pay(t.Context(), all[1-i].Entity(), 5, ledger.NewRef()); err != nil {
					t.Fatal(err)
				}
			}
			if err := to.plugin.Deliver(t.Context(), from.Entity()); err != nil {
				t.Fatal(err)
			}
			if err := from.plugin.Agree(t.Context(), to.Entity()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			a, b := from.Line(to.Entity()), to.Line(from.Entity())
			if a.Agreed.Mine != a.Mine || a.Agreed.Hash != b.Agreed.Hash || a.Agreed.Theirs != a.Theirs || a.Theirs != b.Mine {
				t.Fatalf("round %d: got %+v and %+v", n, a, b)
			}
		}
		low, high := 0, 1
		if ledger.SideOf(all[0].Entity(), all[1].Entity()) == ledger.High {
			low, high = 1, 0
		}
		for _, c := range []struct {
			from, to int
			body     []byte
		}{{low, high, nil}, {high, low, []byte{1}}} {
			if _, err := s.Nodes[c.from].Call(t.Context(), addr.OfNode(s.Nodes[c.to].Entity()), credit.ScopePropose, c.body); !errors.Is(err, rpc.ErrBadRequest) {
				t.Errorf("from %d with %x: got %v", c.from, c.body, err)
			}
		}
	})
}
