package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
)

// lend gives node i of a sea a ledger. It serves, to who asks,
//
//	ledger:pay: pays it as many micro-credits, a number in JSON
//	ledger:grant: lets it owe as many
//	ledger:line: what the ledger knows of it, in JSON
func lend(t *testing.T, sea *nodetest.Sea, i int) *ledger.Ledger {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), sea.Keys[i], ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := plugins.Start(sea.Nodes[i], dir, nil, plugins.Named{Name: "credit", Plugin: credit.New(l, credit.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ran, l.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
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
	return l
}
