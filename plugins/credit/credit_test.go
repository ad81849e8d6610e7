package credit_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
)

// trader is a node of a sea with its ledger and the plugin.
type trader struct {
	*ledger.Ledger
	plugin *credit.Credit
	path   string
	end    func()
}

// run starts the plugin on node i of a sea. end stops it and closes the ledger.
func run(t *testing.T, s *nodetest.Sea, i int, path string) *trader {
	t.Helper()
	return runWith(t, s, i, path, credit.Config{})
}

func runWith(t *testing.T, s *nodetest.Sea, i int, path string, cfg credit.Config) *trader {
	t.Helper()
	return runLedger(t, s, i, path, cfg, ledger.Config{Segment: 4}) // all of it works while the log is being sealed
}

func runLedger(t *testing.T, s *nodetest.Sea, i int, path string, cfg credit.Config, books ledger.Config) *trader {
	t.Helper()
	l := ledgertest.Open(t, path, s.Keys[i], books)
	plugin := credit.New(l, cfg)
	set, err := plugins.Start(s.Nodes[i], filepath.Dir(path), nil, plugins.Named{Name: "credit", Plugin: plugin})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- set.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(end)
	return &trader{l, plugin, path, end}
}

func runAll(t *testing.T, s *nodetest.Sea) []*trader {
	var all []*trader
	for i := range s.Nodes {
		all = append(all, run(t, s, i, filepath.Join(t.TempDir(), "ledger.db")))
	}
	return all
}

// agree fails the test unless a and b have the same line.
func agree(t *testing.T, a, b *trader, balance ledger.Amount) {
	t.Helper()
	la, lb := a.Line(b.Entity()), b.Line(a.Entity())
	if la.Balance != balance || lb.Balance != -balance || la.Mine != lb.Theirs || la.Theirs != lb.Mine {
		t.Errorf("got %+v and %+v, want a balance of %v", la, lb, balance)
	}
	if la.Undelivered || lb.Undelivered {
		t.Error("something is undelivered")
	}
}

func TestDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 2)
		all := runAll(t, s)
		a, b := all[0], all[1]
		ref := ledger.NewRef()
		if _, err := a.Pay(t.Context(), b.Entity(), 3*ledger.Credit, ref); err != nil {
			t.Fatal(err)
		}
		if err := a.plugin.Deliver(t.Context(), b.Entity()); err != nil {
			t.Fatal(err)
		}
		if _, found, err := b.PaidFor(a.Entity(), ref); err != nil || !found {
			t.Errorf("acknowledged but not there: %v", err)
		}
		if err := b.Grant(a.Entity(), 50*ledger.Credit, time.Time{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // nobody asks for delivery: it goes by itself
		if got := a.Line(b.Entity()).IMayOwe; got != 50*ledger.Credit {
			t.Errorf("the grant: got %v, want 50", got)
		}
		agree(t, a, b, -3*ledger.Credit)
	})
}

// TestReconnect pays while the peer is away, on both sides, and shows that all
// arrives when the link comes up, without waiting for a pause to end.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.Loose(t, 2)
		all := runAll(t, s)
		a, b := all[0], all[1]
		for range 100 {
			if _, err := a.Pay(t.Context(), b.Entity(), 2, ledger.NewRef()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Pay(t.Context(), a.Entity(), 50, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := a.plugin.Deliver(ctx, b.Entity()); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rpc.ErrUnreachable) {
			t.Errorf("nobody there: got %v", err)
		}
		s.Link(0, 1)
		synctest.Wait()
		agree(t, a, b, -150)
	})
}

// TestRestart stops one side between a payment and its delivery.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.Loose(t, 2)
		all := runAll(t, s)
		a, b := all[0], all[1]
		if _, err := a.Pay(t.Context(), b.Entity(), 5, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		a.end()
		a = run(t, s, 0, a.path)
		s.Link(0, 1)
		synctest.Wait()
		agree(t, a, b, -5)
	})
}

// TestBackup puts an old copy of the file back and shows that the line is fenced
// when the two meet, and that nothing signed twice ever leaves.
func TestBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.Loose(t, 2)
		all := runAll(t, s)
		a, b := all[0], all[1]
		if _, err := a.Pay(t.Context(), b.Entity(), 5, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		old := filepath.Join(t.TempDir(), "old.db")
		if err := a.Snapshot(old); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Pay(t.Context(), b.Entity(), 6, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		s.Link(0, 1)
		synctest.Wait()
		agree(t, a, b, -11)

		a.end()
		a = run(t, s, 0, old)
		// Whether the two have met by now or not: what is signed must not leave.
		var state *ledger.StateError
		if _, err := a.Pay(t.Context(), b.Entity(), 7, ledger.NewRef()); err != nil && !errors.As(err, &state) {
			t.Fatal(err)
		}
		if err := a.plugin.Deliver(t.Context(), b.Entity()); !errors.As(err, &state) || state.State != ledger.StateFenced {
			t.Errorf("got %v, want a fenced line", err)
		}
		if _, err := a.Pay(t.Context(), b.Entity(), 8, ledger.NewRef()); !errors.As(err, &state) {
			t.Errorf("paid on a fenced line: %v", err)
		}
		if got := b.Line(a.Entity()); got.State != ledger.StateOpen || got.Balance != 11 {
			t.Errorf("the peer: got %+v", got)
		}
		if _, err := b.Pay(t.Context(), a.Entity(), 1, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		if err := b.plugin.Deliver(t.Context(), a.Entity()); err != nil {
			t.Errorf("a fenced line does not take what comes: %v", err)
		}
	})
}

// TestStrangersMessages shows that the line is that of whoever speaks.
func TestStrangersMessages(t *testing.T) {
	s := nodetest.New(t, 3)
	all := runAll(t, s)
	a, b, c := all[0], all[1], all[2]
	c.end()
	if _, err := a.Pay(t.Context(), c.Entity(), 5, ledger.NewRef()); err != nil {
		t.Fatal(err)
	}
	message, err := a.Next(c.Entity())
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"to another": func() error {
			_, err := s.Nodes[0].Call(t.Context(), addr.OfNode(b.Entity()), credit.ScopePush, message)
			return err
		},
		"by another": func() error {
			_, err := s.Nodes[2].Call(t.Context(), addr.OfNode(b.Entity()), credit.ScopePush, message)
			return err
		},
	} {
		if err := try(); !errors.Is(err, rpc.ErrRefused) {
			t.Errorf("%s: got %v, want %v", name, err, rpc.ErrRefused)
		}
	}
	for _, body := range [][]byte{nil, {2}, message[:40], make([]byte, ledger.MaxPush+1)} {
		for _, scope := range []string{credit.ScopePush, credit.ScopeSync} {
			if _, err := s.Nodes[0].Call(t.Context(), addr.OfNode(b.Entity()), scope, body); !errors.Is(err, rpc.ErrBadRequest) {
				t.Errorf("%s with %d bytes: got %v, want %v", scope, len(body), err, rpc.ErrBadRequest)
			}
		}
	}
	if got := len(b.Lines()); got != 0 {
		t.Errorf("%d lines, want none", got)
	}
}

// TestMany has every node pay every other at the same time.
func TestMany(t *testing.T) {
	s := nodetest.New(t, 4)
	all := runAll(t, s)
	var wg sync.WaitGroup
	for i, from := range all {
		for j, to := range all {
			if i == j {
				continue
			}
			for range 8 {
				wg.Go(func() {
					for range 10 {
						if _, err := from.Pay(t.Context(), to.Entity(), ledger.Amount(1+i), ledger.NewRef()); err != nil {
							t.Error(err)
						}
					}
					if err := from.plugin.Deliver(t.Context(), to.Entity()); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
	wg.Wait()
	for i, a := range all {
		for j, b := range all[:i] {
			agree(t, a, b, ledger.Amount(80*(1+j)-80*(1+i)))
		}
	}
}
