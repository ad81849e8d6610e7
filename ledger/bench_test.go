package ledger_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
)

func open(b *testing.B) *ledger.Ledger {
	b.Helper()
	l, err := ledger.Open(filepath.Join(b.TempDir(), "l.db"), ledgertest.Key(b), ledger.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// BenchmarkPay is one payment at a time on one line.
func BenchmarkPay(b *testing.B) {
	l, peer := open(b), ledgertest.Key(b).Entity()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Pay(b.Context(), peer, 1, ledger.NewRef()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPayMany is 4,096 payers on one line, with two cores.
func BenchmarkPayMany(b *testing.B) {
	l, peer := open(b), ledgertest.Key(b).Entity()
	b.SetParallelism(2048)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Pay(b.Context(), peer, 1, ledger.NewRef()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPayLines is 64 payers on 64 lines.
func BenchmarkPayLines(b *testing.B) {
	l := open(b)
	var peers []identity.Entity
	for range 64 {
		peers = append(peers, ledgertest.Key(b).Entity())
	}
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		peer := peers[n.Add(1)%64]
		for pb.Next() {
			if _, err := l.Pay(b.Context(), peer, 1, ledger.NewRef()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkReceive is a payment at a time from the payer's disk to the payee's
// and the acknowledgement back: three transactions.
func BenchmarkReceive(b *testing.B) {
	from, to := open(b), open(b)
	for b.Loop() {
		if _, err := from.Pay(b.Context(), to.Entity(), 1, ledger.NewRef()); err != nil {
			b.Fatal(err)
		}
		ledgertest.Deliver(b, from, to)
	}
}

// BenchmarkHold is what a seller asks before each job, while 100 others are held.
func BenchmarkHold(b *testing.B) {
	l := open(b)
	for range 100 {
		if _, err := l.Hold(ledgertest.Key(b).Entity(), 1); err != nil {
			b.Fatal(err)
		}
	}
	peer := ledgertest.Key(b).Entity()
	for b.Loop() {
		h, err := l.Hold(peer, ledger.Credit)
		if err != nil {
			b.Fatal(err)
		}
		h.Release()
	}
}

// BenchmarkCheck is per record of a file of 2,000, signatures included.
func BenchmarkCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "l.db")
	l, err := ledger.Open(path, ledgertest.Key(b), ledger.Config{})
	if err != nil {
		b.Fatal(err)
	}
	peer := ledgertest.Key(b).Entity()
	for range 2000 {
		if _, err := l.Pay(b.Context(), peer, 1, ledger.NewRef()); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if rep, err := ledger.Check(path); err != nil || rep.Entries != 2000 {
			b.Fatal(rep, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}
