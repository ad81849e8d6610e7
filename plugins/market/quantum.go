package market

import (
	"context"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

const (
	// quantumTime is how long a guest works between two vouchers, when the
	// buyer's room is wide.
	quantumTime = time.Second

	// roomParts is how many running parts must fit into the room that is left,
	// or quanta get shorter: down to what the fastest guest does in the time of
	// signedParts signatures, made and verified, so that they cost at most a
	// hundredth of the work however fast it is; and to the time of four looks, so
	// that a guest is seen within the quarter that is held for it.
	roomParts   = 4
	signedParts = 100

	// lookTime is how long a guest may run on before it is seen to be ahead: the
	// engine tells its fuel every 100 ms.
	lookTime = 100 * time.Millisecond

	// leastQuantum bounds what a quote may say: a buyer that followed a smaller
	// one would do nothing but sign.
	leastQuantum = 1_000_000

	// usualRate is the fuel per second that a seller reckons with before it has
	// run anything, slowestUsual and fastestRate the least and the most that it
	// ever does; docs/TARIFF.md measures 4 to 20 Gfuel. A buyer gives no
	// vouchers for more than fastestRate.
	usualRate    = 4 * Gfuel
	slowestUsual = Gfuel / 2
	fastestRate  = 32 * Gfuel

	// ratedFor is how long a guest must have run for its rate to count.
	ratedFor = 200 * time.Millisecond
)

// rate is how fast guests run at this seller.
type rate struct {
	mu   sync.Mutex // guards what follows
	fuel float64    // a second; 0 is not known
}

// saw takes in a run.
func (r *rate) saw(fuel uint64, ran time.Duration) {
	if ran < ratedFor {
		return
	}
	now := min(max(float64(fuel)/ran.Seconds(), slowestUsual), fastestRate)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fuel == 0 {
		r.fuel = now
	}
	r.fuel += (now - r.fuel) / 4
}

// in is the fuel of so much time.
func (r *rate) in(d time.Duration) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	fuel := r.fuel
	if fuel == 0 {
		fuel = usualRate
	}
	return uint64(fuel * d.Seconds())
}

// signing is the time of one voucher's signature, made and verified as the
// ledger does, measured once. More than a millisecond counts as one: a machine
// that is so slow is as much slower than fastestRate.
var signing = sync.OnceValue(func() time.Duration {
	least := 50 * time.Microsecond // a machine that is faster gains nothing by shorter quanta
	key, err := identity.NewKey(context.Background(), 0)
	if err != nil {
		return least
	}
	best := time.Second
	for range 5 {
		began := time.Now()
		if v, err := key.Sign(ledger.VoucherPurpose, make([]byte, ledger.VoucherSize)); err == nil {
			_ = identity.Verify(v.By, ledger.VoucherPurpose, v.Body, v.Sig[:])
		}
		best = min(best, time.Since(began))
	}
	return min(max(best, least), time.Millisecond)
})

// signedQuantum is the least fuel between two vouchers that signatures allow.
func signedQuantum() uint64 { return uint64(fastestRate * (signedParts * signing()).Seconds()) }

// quantum is the fuel between two vouchers for a job of at most limit fuel, for
// a buyer with so much room; 0 is for one that is paid on delivery, because no
// voucher would ever be due.
func (m *Market) quantum(p Policy, limit uint64, room ledger.Amount) uint64 {
	if p.PerGfuel == 0 {
		return 0
	}
	q := p.Quantum
	if q == 0 {
		fits := p.Covers(room/roomParts, compute.MaxFuel) / 3 * 2 // see running
		q = max(min(m.rate.in(quantumTime), fits), m.rate.in(4*lookTime), signedQuantum(), leastQuantum)
	}
	if limit <= running(q) {
		return 0
	}
	return q
}

// held is how much a guest may be ahead of the vouchers before it is held: the
// quantum, and a quarter for the time that the next voucher is on its way.
func held(quantum uint64) uint64 { return quantum + quantum/4 }

// running is what is set aside for a guest that runs: what it may be ahead, and
// a quarter more until it stands still.
func running(quantum uint64) uint64 { return quantum + quantum/2 }

// part is what a seller sets aside for a job of which so much is vouched: what
// may run at one time, and no more than the job can still cost.
func (q Quote) part(vouched ledger.Amount) ledger.Amount {
	left := max(q.Ceiling-vouched, 0)
	if q.Quantum == 0 {
		return left
	}
	cost, ok := q.Cost(running(q.Quantum))
	if !ok {
		return left
	}
	return min(cost, left)
}
