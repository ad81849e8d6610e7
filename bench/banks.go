package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
)

// banks are payers and as many payees, each a node with its ledger on the disk,
// that are connected over loopback by the carrier that daemons use. There is a
// line from each payer to each payee.
type banks struct {
	payers, payees []*bank
}

type bank struct {
	ledger *ledger.Ledger
	credit *credit.Credit
	node   *node.Node
	end    context.CancelFunc
	done   chan error // what the plugins ended with
}

func startBanks(ctx context.Context, dir string, each int) (b *banks, err error) {
	b = &banks{}
	defer func() {
		if err != nil {
			_ = b.close()
		}
	}()
	keys, err := newKeys(ctx, 2*each, identity.DefaultWork)
	if err != nil {
		return b, err
	}
	var urls []string // the payees', which each payer is linked with from the start
	for i, key := range keys {
		bootstrap := urls
		if i > 0 && i < each {
			bootstrap = urls[:1]
		}
		one, url, err := startBank(ctx, filepath.Join(dir, fmt.Sprint(i)), key, bootstrap)
		if err != nil {
			return b, err
		}
		if i < each {
			b.payees = append(b.payees, one)
			urls = append(urls, url)
		} else {
			b.payers = append(b.payers, one)
		}
	}
	for _, from := range b.payers { // so that all have met
		for _, to := range b.payees {
			if _, err := from.ledger.Pay(ctx, to.ledger.Entity(), 1, ledger.NewRef()); err != nil {
				return b, err
			}
			if err := from.credit.Deliver(ctx, to.ledger.Entity()); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func startBank(ctx context.Context, dir string, key *identity.Key, bootstrap []string) (*bank, string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), key, ledger.Config{})
	if err != nil {
		return nil, "", err
	}
	listener := wsnet.NewListener(wsnet.Config{})
	if err := listener.Open("127.0.0.1:0"); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	b := &bank{ledger: l, credit: credit.New(l, credit.Config{}), done: make(chan error, 1)}
	b.node = node.New(key, node.Config{
		Network:   "bench",
		Dialers:   map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
		Listeners: []transport.Listener{listener},
	})
	set, err := plugins.Start(b.node, dir, nil, plugins.Named{Name: "credit", Plugin: b.credit})
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	if err := b.node.Online(ctx, bootstrap...); err != nil {
		set.Close()
		return nil, "", errors.Join(err, l.Close())
	}
	run, end := context.WithCancel(context.Background())
	b.end = end
	go func() { b.done <- set.Run(run) }()
	return b, listener.URLs()[0], nil
}

// pay has so many payers pay for turnTime, each waiting for its own payment to
// be on its disk before the next, spread over all lines. The time ends when all
// are on the payees' disks too and acknowledged.
func (b *banks) pay(ctx context.Context, payers int) (perSecond float64, err error) {
	start := time.Now()
	count, err := inParallel(ctx, payers, func(i int) bool { return i < payers || time.Since(start) < turnTime }, func(ctx context.Context, i int) error {
		from := b.payers[i%len(b.payers)]
		to := b.payees[i/len(b.payers)%len(b.payees)]
		_, err := from.ledger.Pay(ctx, to.ledger.Entity(), 1, ledger.NewRef())
		return err
	})
	if err != nil {
		return 0, err
	}
	var all errgroup.Group
	for _, from := range b.payers {
		for _, to := range b.payees {
			all.Go(func() error { return from.credit.Deliver(ctx, to.ledger.Entity()) })
		}
	}
	err = all.Wait()
	return float64(count) / time.Since(start).Seconds(), err
}

// lone makes one payment and waits for the payee's acknowledgement.
func (b *banks) lone(ctx context.Context) error {
	to := b.payees[0].ledger.Entity()
	if _, err := b.payers[0].ledger.Pay(ctx, to, 1, ledger.NewRef()); err != nil {
		return err
	}
	return b.payers[0].credit.Deliver(ctx, to)
}

func (b *banks) close() error {
	var errs []error
	for _, one := range append(b.payers, b.payees...) {
		one.end()
		errs = append(errs, <-one.done, one.node.Offline(), one.ledger.Close())
	}
	return errors.Join(errs...)
}

// inParallel calls f for 0, 1 and on while more says so, by so many goroutines,
// and returns how often.
func inParallel(ctx context.Context, workers int, more func(i int) bool, f func(ctx context.Context, i int) error) (int, error) {
	group, ctx := errgroup.WithContext(ctx)
	var next, done atomic.Int64
	for range workers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; more(i); i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return int(done.Load()), err
}

func newKeys(ctx context.Context, n, work int) ([]*identity.Key, error) {
	var all []*identity.Key
	for range n {
		key, err := identity.NewKey(ctx, work)
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}
