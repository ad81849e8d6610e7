package market

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins"
)

// greedy is a buyer's node on which the sellers' answers are altered: what they
// sign is signed with their own keys.
type greedy struct {
	plugins.Node
	alter func(to addr.Addr, scope string, body, reply []byte) []byte

	mu    sync.Mutex // guards what follows
	calls map[string]int
}

func (n *greedy) Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	n.mu.Lock()
	n.calls[scope]++
	n.mu.Unlock()
	reply, err := n.Node.Call(ctx, to, scope, body)
	if err == nil && n.alter != nil {
		reply = n.alter(to, scope, body, reply)
	}
	return reply, err
}

// capped is a buyer among so many sellers, who quantify as vouching's do.
func capped(t *testing.T, n int) (buyer *trader, sellers []*trader, wire *greedy) {
	t.Helper()
	sea := nodetest.New(t, n+1)
	wire = &greedy{Node: sea.Nodes[0], calls: map[string]int{}}
	buyer = newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.swift, tr.via = 1<<62, wire })
	for i := 1; i <= n; i++ {
		s := newTrader(t, sea, i, &tricky{}, nil)
		s.sell(func(p *Policy) { p.Quantum = testQuantum })
		sellers = append(sellers, s)
	}
	return buyer, sellers, wire
}

// spent is the most that all sellers can claim of the buyer now, promised or
// paid, by the buyer's own ledger.
func spent(buyer *trader, sellers []*trader) (sum ledger.Amount) {
	for _, s := range sellers {
		sum += buyer.ledger.Line(s.key.Entity()).Mine.Claim
	}
	return sum
}

// taking is an engine that claims to have used all of its fuel, takes the
// vouchers for it, and fails.
type taking struct{ over func(work uint64) bool }

func (e taking) Run(ctx context.Context, job compute.Job, _ compute.Blobs, live compute.Live) (compute.Result, error) {
	live.Progress(job.Limits.Fuel)
	for !e.over(job.Limits.Fuel) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return compute.Result{}, ctx.Err()
		}
	}
	return compute.Result{}, errors.New("the engine is broken")
}

// TestCapOverRetries has one seller after the other take vouchers for all of a
// job's fuel but the last quantum and fail, or refuse the order that it had
// taken: all of them together get no more than the cap, each is asked once, and
// the job says why.
func TestCapOverRetries(t *testing.T) {
	const limit = 4 * ledger.Credit
	for _, test := range []struct {
		name   string
		refuse Reason // instead of the engine's failure
		want   Reason
	}{
		{"engine fails", "", EngineFailed},
		{"refused when it ran", Busy, ""},
		{"forgotten when it ran", UnknownOrder, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			buyer, sellers, wire := capped(t, 3)
			keys := map[addr.Addr]identity.Signer{}
			for _, s := range sellers {
				keys[s.node.Addr()] = s.key
				s.engine.(*tricky).engine = taking{func(work uint64) bool {
					switch {
					case work <= testQuantum:
						return true // such a job has no vouchers
					case test.refuse != "":
						return false // it goes on: its order is refused over its head
					}
					return s.ledger.Line(buyer.key.Entity()).Claim > 0
				}}
			}
			if test.refuse != "" {
				wire.alter = func(to addr.Addr, scope string, body, reply []byte) []byte {
					var in followRequest
					if scope != followMethod.Scope || cbor.Unmarshal(body, &in) != nil || len(in.Voucher) == 0 {
						return reply
					}
					st, err := Refusal{Of: in.Order, Reason: test.refuse, Text: "changed my mind"}.Sign(keys[to])
					if err != nil {
						t.Error(err)
					}
					out, err := cbor.Marshal(follow{State: SaleRefused, Refusal: &st})
					if err != nil {
						t.Error(err)
					}
					return out
				}
			}
			s := primes(buyer, "1")
			s.MaxCredit = limit
			j := buyer.run(s)
			if j.State != Failed || j.Cost != 0 || test.want != "" && j.Reason != test.want {
				t.Errorf("%s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
			}
			if j.Spent > limit || j.Spent < limit-price(testQuantum) {
				t.Errorf("%s credits are lost of a cap of %s, want all of it but a quantum", j.Spent, limit)
			}
			if sum := spent(buyer, sellers); sum > limit {
				t.Errorf("the sellers can claim %s credits, the cap is %s", sum, limit)
			}
			ordered := map[identity.Entity]int{}
			for _, e := range j.History {
				if e.State == Running && e.Reason == "" && len(e.Text) > 6 && e.Text[:6] == "quote:" {
					ordered[e.Seller]++
				}
			}
			for seller, n := range ordered {
				if n > 1 {
					t.Errorf("seller %s failed and was ordered from again: %d orders", seller.Short(), n)
				}
			}
			if len(ordered) < 2 {
				t.Errorf("%d sellers were tried, want another after the first", len(ordered))
			}
		})
	}
}

// TestCapRetryDone has the first seller take vouchers and fail, and the second
// one do the work: claims and bill together stay below the cap.
func TestCapRetryDone(t *testing.T) {
	t.Parallel()
	const limit = 4 * ledger.Credit
	buyer, sellers, _ := capped(t, 2)
	var mu sync.Mutex
	first := true
	for _, s := range sellers {
		s.engine.(*tricky).engine = runFunc(func(ctx context.Context, job compute.Job, live compute.Live) (compute.Result, error) {
			mu.Lock()
			bad := first
			first = false
			mu.Unlock()
			if !bad {
				live.Progress(job.Limits.Fuel)
				return compute.Result{Job: job.Hash(), Engine: "test", End: compute.Exit, Fuel: job.Limits.Fuel}, nil
			}
			live.Progress(2 * testQuantum)
			for s.ledger.Line(buyer.key.Entity()).Claim == 0 {
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
					return compute.Result{}, ctx.Err()
				}
			}
			return compute.Result{}, errors.New("the engine is broken")
		})
	}
	s := primes(buyer, "1")
	s.MaxCredit = limit
	j := buyer.run(s)
	if j.State != Done || !j.Paid || j.Spent == 0 || j.Cost == 0 {
		t.Fatalf("%s, %s (%s), lost %s, cost %s", j.State, j.Reason, j.Error, j.Spent, j.Cost)
	}
	if j.Spent+j.Cost > limit || spent(buyer, sellers) > limit {
		t.Errorf("lost %s, cost %s, all sellers can claim %s; the cap is %s", j.Spent, j.Cost, spent(buyer, sellers), limit)
	}
}

type runFunc func(context.Context, compute.Job, compute.Live) (compute.Result, error)

func (f runFunc) Run(ctx context.Context, job compute.Job, _ compute.Blobs, live compute.Live) (compute.Result, error) {
	return f(ctx, job, live)
}

// TestCapQuotes has sellers quote above what was allowed: nothing is ordered,
// locked or held.
func TestCapQuotes(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Quote){
		"ceiling": func(q *Quote) { q.Ceiling++ },
		"price":   func(q *Quote) { q.PerGfuel++ },
		"both": func(q *Quote) {
			q.PerGfuel *= 20
			q.Ceiling *= 20
		},
		"fee": func(q *Quote) {
			q.Fee = 100 * ledger.Credit
			q.Ceiling += q.Fee
		},
	} {
		t.Run(name, func(t *testing.T) {
			buyer, sellers, wire := capped(t, 2)
			keys := map[addr.Addr]identity.Signer{}
			for _, s := range sellers {
				keys[s.node.Addr()] = s.key
			}
			wire.alter = func(to addr.Addr, scope string, _, reply []byte) []byte {
				var a askAnswer
				if scope != askMethod.Scope || cbor.Unmarshal(reply, &a) != nil || a.Quote == nil {
					return reply
				}
				q, err := readQuote(a.Quote.Body)
				if err != nil {
					t.Error(err)
				}
				edit(&q)
				st, err := q.Sign(keys[to])
				if err != nil {
					t.Error(err)
				}
				out, err := cbor.Marshal(askAnswer{Quote: &st})
				if err != nil {
					t.Error(err)
				}
				return out
			}
			s := primes(buyer, "1")
			s.MaxCredit, s.MaxPrice = 4*ledger.Credit, ledger.Credit
			j := buyer.run(s)
			if j.State != Failed || j.Reason != BadStatement || j.Order != (identity.Hash{}) {
				t.Errorf("%s, %s (%s), order %s", j.State, j.Reason, j.Error, j.Order)
			}
			wire.mu.Lock()
			orders := wire.calls[orderMethod.Scope]
			wire.mu.Unlock()
			if orders != 0 || spent(buyer, sellers) != 0 || len(buyer.ledger.Holds()) != 0 {
				t.Errorf("%d orders, %s credits promised, %d holds", orders, spent(buyer, sellers), len(buyer.ledger.Holds()))
			}
		})
	}
}
