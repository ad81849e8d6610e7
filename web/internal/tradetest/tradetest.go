// Package tradetest gives the tests of web nodes to trade with.
package tradetest

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

// Sell gives node i of a sea a ledger, and has it sell: a credit for each Gfuel,
// with a voucher for each 10 million of it. It serves, to who asks,
//
//	ledger:pay: pays it as many micro-credits, a number in JSON
//	ledger:grant: lets it owe as many
//	ledger:line: what the ledger knows of it, in JSON
func Sell(t testing.TB, sea *nodetest.Sea, i int) {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), sea.Keys[i], ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := storage.Open(filepath.Join(dir, "blobs"), storage.Config{})
	if err != nil {
		t.Fatal(err)
	}
	book, err := market.OpenBook(st, blobs)
	if err != nil {
		t.Fatal(err)
	}
	engine := compute.New(compute.Config{InProcess: true, CacheDir: dir})
	seller := market.New(sea.Keys[i], book, l, engine, market.Config{})
	set, err := plugins.Start(sea.Nodes[i], filepath.Join(dir, "plugins"), nil,
		plugins.Named{Name: "storage", Plugin: blobs},
		plugins.Named{Name: "credit", Plugin: credit.New(l, credit.Config{})},
		plugins.Named{Name: "market", Plugin: seller})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ran, engine.Close(), l.Close(), st.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	policy := market.DefaultPolicy()
	policy.Selling, policy.Quantum, policy.Slowest, policy.Slots = true, 10_000_000, 0, 4
	if err := seller.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	act := func(scope string, do func(ctx context.Context, from rpc.Peer, n ledger.Amount) error) {
		sea.Nodes[i].Handle("ledger:"+scope, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			var n ledger.Amount
			if err := json.Unmarshal(body, &n); err != nil {
				return nil, err
			}
			return nil, do(ctx, from, n)
		})
	}
	act("pay", func(ctx context.Context, from rpc.Peer, n ledger.Amount) error {
		_, err := l.Pay(ctx, from.Node, n, ledger.NewRef())
		return err
	})
	act("grant", func(_ context.Context, from rpc.Peer, n ledger.Amount) error {
		return l.Grant(from.Node, n, time.Time{})
	})
	sea.Nodes[i].Handle("ledger:line", func(_ context.Context, from rpc.Peer, _ []byte) ([]byte, error) {
		return json.Marshal(l.Line(from.Node))
	})
}
