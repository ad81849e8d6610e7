package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

const voucherLocks = 32 // jobs that are paid at one time

// ledgerVouchers measures vouchers signed by a payer and taken by a payee, each
// with a file of its own, against signing and verifying with the standard library.
func ledgerVouchers(ctx context.Context, dir string, report func(figure)) (err error) {
	keys, err := newKeys(ctx, 2, 0)
	if err != nil {
		return err
	}
	var sides [2]*ledger.Ledger
	for i, name := range []string{"payer.db", "payee.db"} {
		l, err := ledger.Open(filepath.Join(dir, name), keys[i], ledger.Config{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		sides[i] = l
	}
	payer, payee := sides[0], sides[1]
	var locks [voucherLocks]identity.Hash
	terms := ledger.LockTerms{Expiry: uint64(time.Now().Add(time.Hour).Unix()) / 10, Quote: ledger.NewRef()}
	for i := range locks {
		e, err := payer.Lock(ctx, payee.Entity(), 1<<40, ledger.NewRef(), terms)
		if err != nil {
			return err
		}
		locks[i] = e.Hash()
	}
	message, err := payer.Next(payee.Entity())
	if err != nil {
		return err
	}
	if _, err := payee.Receive(ctx, payer.Entity(), message); err != nil {
		return err
	}

	var cums [voucherLocks]ledger.Amount
	voucher := func(i int) error {
		cums[i]++
		v, err := payer.SignVoucher(payee.Entity(), locks[i], cums[i], uint64(cums[i]))
		if err != nil {
			return err
		}
		return payee.TakeVoucher(ctx, payer.Entity(), v)
	}
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	text := make([]byte, 150) // about what is signed for a voucher
	bare := func(int) error {
		if !ed25519.Verify(public, text, ed25519.Sign(secret, text)) {
			return errors.New("the standard library refuses its own signature")
		}
		return nil
	}
	var ours, theirs []float64
	for range ledgerRounds {
		for rates, do := range map[*[]float64]func(int) error{&ours: voucher, &theirs: bare} {
			rate, err := rateOf(do)
			if err != nil {
				return err
			}
			*rates = append(*rates, rate)
		}
	}
	report(versus("vouchers_per_s", median(ours), "per s", "crypto/ed25519 signs and verifies", median(theirs)))
	return nil
}

// rateOf has each of voucherLocks goroutines do its part for a turn.
func rateOf(do func(i int) error) (perSecond float64, err error) {
	var all sync.WaitGroup
	var n atomic.Int64
	var failed atomic.Pointer[error]
	start := time.Now()
	for i := range voucherLocks {
		all.Go(func() {
			for time.Since(start) < turnTime {
				if err := do(i); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	if e := failed.Load(); e != nil {
		return 0, *e
	}
	return float64(n.Load()) / time.Since(start).Seconds(), nil
}
