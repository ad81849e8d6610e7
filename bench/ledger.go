package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/peersea/sea/ledger"
)

// The sizes of suite ledger.
const (
	ledgerRounds  = 3
	lonePayments  = 300
	millionOf     = 1_000_000
	balanceRounds = 1000
	turnTime      = 2 * time.Second // for each rate, each round
)

// groups are how many payers pay at once, and how many bookings a database puts
// into one transaction.
var groups = []int{1, 64, 4096}

// ledgerSuite measures durable, signed payments between nodes beside databases
// that book the same without signatures, and what stands behind them.
func ledgerSuite(ctx context.Context, report func(figure)) error {
	if os.Getenv("GOMAXPROCS") == "" { // as "seaworker up" does
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
	}
	dir, err := os.MkdirTemp("", "sea-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, part := range []func(context.Context, string, func(figure)) error{ledgerRates, ledgerLone, ledgerVouchers, ledgerVerify, ledgerMillion} {
		if err := part(ctx, dir, report); err != nil {
			return err
		}
	}
	return nil
}

// rival is a database beside which payments are measured.
type rival struct {
	name string
	book func(ctx context.Context, group int) (perSecond float64, err error)
	rate map[int][]float64 // by group size
}

// ledgerRates measures payments per second and the rivals, in turns.
func ledgerRates(ctx context.Context, dir string, report func(figure)) error {
	lite, err := openSQLite(filepath.Join(dir, "sqlite.db"))
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	defer lite.close()
	rivals := []*rival{{name: "sqlite", book: lite.book, rate: map[int][]float64{}}}
	if post, err := startPostgres(ctx, filepath.Join(dir, "postgres")); err != nil {
		fmt.Fprintln(os.Stderr, "payments_vs_postgres is left out:", err)
	} else {
		defer post.close()
		rivals = append(rivals, &rival{name: "postgres", book: post.book, rate: map[int][]float64{}})
	}
	one, err := startBanks(ctx, filepath.Join(dir, "one"), 1)
	if err != nil {
		return err
	}
	defer one.close()
	many, err := startBanks(ctx, filepath.Join(dir, "many"), 8)
	if err != nil {
		return err
	}
	defer many.close()

	ours := map[int][]float64{}
	var lines, raw []float64
	for range ledgerRounds {
		for _, g := range groups {
			rate, err := one.pay(ctx, g)
			if err != nil {
				return err
			}
			ours[g] = append(ours[g], rate)
			for _, r := range rivals {
				rate, err := r.book(ctx, g)
				if err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				r.rate[g] = append(r.rate[g], rate)
			}
		}
		rate, err := many.pay(ctx, groups[len(groups)-1])
		if err != nil {
			return err
		}
		lines = append(lines, rate)
		syncs, err := syncTimes(dir, 200)
		if err != nil {
			return err
		}
		p50, _ := quantiles(syncs)
		raw = append(raw, 1/p50.Seconds())
	}
	largest := groups[len(groups)-1]
	report(versus("payments_per_s_1_line", median(ours[largest]), "per s", "fdatasyncs of this disk", median(raw)))
	report(versus("payments_per_s_64_lines", median(lines), "per s", "fdatasyncs of this disk", median(raw)))
	for i := len(rivals) - 1; i >= 0; i-- {
		r := rivals[i]
		worst, parts := 0.0, []string(nil)
		for _, g := range groups {
			a, b := median(ours[g]), median(r.rate[g])
			if worst == 0 || a/b < worst {
				worst = a / b
			}
			parts = append(parts, fmt.Sprintf("groups of %d: %.4g against %.4g per s", g, a, b))
		}
		report(figure{Name: "payments_vs_" + r.name, Value: worst, Unit: "x", Against: strings.Join(parts, "; ")})
	}
	return nil
}

// ledgerLone measures a payment alone: from Pay to the payee's acknowledgement
// that it is on its disk too.
func ledgerLone(ctx context.Context, dir string, report func(figure)) error {
	b, err := startBanks(ctx, filepath.Join(dir, "lone"), 1)
	if err != nil {
		return err
	}
	defer b.close()
	var took, syncs []time.Duration
	for range lonePayments / 10 { // in turns with the bare disk
		for range 10 {
			start := time.Now()
			if err := b.lone(ctx); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		some, err := syncTimes(dir, 10)
		if err != nil {
			return err
		}
		syncs = append(syncs, some...)
	}
	pay, _ := quantiles(took)
	disk, _ := quantiles(syncs)
	report(figure{Name: "lone_payment_fdatasyncs", Value: float64(pay) / float64(disk), Unit: "x",
		Against: fmt.Sprintf("%.4g µs, one fdatasync %.4g µs", us(pay), us(disk))})
	return nil
}

// ledgerMillion measures a file of a million entries.
func ledgerMillion(ctx context.Context, dir string, report func(figure)) error {
	path := filepath.Join(dir, "million.db")
	keys, err := newKeys(ctx, 17, 0)
	if err != nil {
		return err
	}
	l, err := ledger.Open(path, keys[0], ledger.Config{})
	if err != nil {
		return err
	}
	_, err = inParallel(ctx, 4096, func(i int) bool { return i < millionOf }, func(ctx context.Context, i int) error {
		_, err := l.Pay(ctx, keys[1+i%16].Entity(), 1, ledger.NewRef())
		return err
	})
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	var opened, balance []time.Duration
	for range 5 {
		start := time.Now()
		l, err := ledger.Open(path, keys[0], ledger.Config{})
		if err != nil {
			return err
		}
		opened = append(opened, time.Since(start))
		for i := range balanceRounds {
			start := time.Now()
			line := l.Line(keys[1+i%16].Entity())
			balance = append(balance, time.Since(start))
			if line.Balance != -millionOf/16 {
				return fmt.Errorf("the balance is %s", line.Balance)
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	open50, _ := quantiles(opened)
	balance50, _ := quantiles(balance)
	report(figure{Name: "open_1m_ms", Value: ms(open50), Unit: "ms"})
	report(figure{Name: "balance_us", Value: us(balance50), Unit: "µs"})
	start := time.Now()
	rep, err := ledger.Check(path)
	if err != nil || rep.Entries != millionOf {
		return fmt.Errorf("check: %d entries, %w", rep.Entries, err)
	}
	report(figure{Name: "check_entries_per_s", Value: millionOf / time.Since(start).Seconds(), Unit: "per s"})
	return nil
}
