package ledger

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// Peers without a grant share one budget, in two pools: newcomers, who have
// repaid nothing yet, may owe half of it, the others all that newcomers leave.
// So a hundred new keys get no more than one, and lock out nobody who has repaid
// before. What nobody repays does not count for ever: each day a tenth of the
// budget comes back. That is what strangers can cost: the budget at once, and a
// tenth of it a day.
const (
	newcomersShare = 2  // newcomers have this part of the budget
	refillShare    = 10 // this part of the budget comes back each day, half of it to each pool

	// repaidEnough is what a peer has repaid that is no newcomer any more. It is
	// value that this ledger's owner has signed for, so it cannot be made up.
	repaidEnough = Credit / 10
)

// pool says which part of the budget a stranger has.
type pool int

const (
	newcomers pool = iota
	regulars
	pools
)

// limit is the most that p's members may owe of a budget.
func (p pool) limit(budget Amount) Amount {
	if p == newcomers {
		return budget / newcomersShare
	}
	return budget
}

// budget is what comes back: of what each pool's members owe, lost counts no
// more. It is a record of the file, so that a restart refills nothing.
type budget struct {
	day  uint64 // since 1970, UTC, up to which lost is right
	lost [pools]Amount
}

func dayOf(t time.Time) uint64 { return tickOf(t) * tickLength / (24 * 60 * 60) }

// at is b on a day at which the pools owe so much of a limit: it depends on
// nothing else, so it need not be written before what is owed changes.
func (b budget) at(owes [pools]Amount, limit Amount, today uint64) budget {
	for p := range pools {
		counts := max(owes[p]-b.lost[p], 0)
		if today > b.day {
			days := Amount(min(today-b.day, 2*refillShare)) // by then all has come back
			counts = max(min(counts, p.limit(limit))-days*limit/(2*refillShare), 0)
		}
		b.lost[p] = owes[p] - counts
	}
	b.day = max(b.day, today)
	return b
}

func (b budget) encode() []byte {
	out := append(make([]byte, 0, 1+3*8+sumSize), version)
	out = binary.BigEndian.AppendUint64(out, b.day)
	for _, lost := range b.lost {
		out = binary.BigEndian.AppendUint64(out, uint64(lost))
	}
	return out
}

func decodeBudget(b []byte) (budget, error) {
	r := reader{b: b, what: "strangers' budget"}
	r.version()
	out := budget{day: r.u64()}
	for p := range pools {
		lost := r.u64()
		if lost > maxAmount {
			r.fail(ErrFormat, "what no longer counts is 2^62 or more")
		}
		out.lost[p] = Amount(lost)
	}
	return out, r.end()
}

// budgetKey is the budget's in the bucket meta.
var budgetKey = []byte("strangers")

// readBudget takes the budget from the file; without one it begins today.
func (l *Ledger) readBudget(k book) error {
	b, found, err := read(k, bMeta, budgetKey, decodeBudget)
	if l.budget, l.keptBudget = b, b; !found {
		l.budget.day = dayOf(l.cfg.Now())
	}
	return err
}

// refill takes in what has come back until now, before a transaction changes
// what is owed. Only the committer calls it.
func (l *Ledger) refill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = l.budget.at(l.owes, l.strangers, dayOf(l.cfg.Now()))
}

// keepBudget writes the budget with what else is written, if it has changed.
func (b *batch) keepBudget() error {
	b.l.mu.Lock()
	now := b.l.budget // refill made it; only the committer changes it
	b.l.mu.Unlock()
	if now == b.l.keptBudget {
		return nil
	}
	b.budget = &now
	if err := b.put(bMeta, budgetKey, now.encode()); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

// pool is the one the line counts in.
func (s standing) pool() pool {
	if s.repaid < repaidEnough {
		return newcomers
	}
	return regulars
}

// Strangers is how the budget of all peers without a grant stands.
type Strangers struct {
	// Budget is what they may owe together, and Used what of it they owe or have
	// held.
	Budget Amount `json:"budget_micro"`
	Used   Amount `json:"used_micro"`
	// Newcomers is the part that is for those who have repaid nothing before, and
	// NewcomersUsed what of it they use.
	Newcomers     Amount `json:"newcomers_micro"`
	NewcomersUsed Amount `json:"newcomers_used_micro"`
	// Daily comes back each day at 0:00 UTC. Lost is what they owe and what
	// counts no more because of that.
	Daily Amount `json:"daily_micro"`
	Lost  Amount `json:"lost_micro"`
}

// Room is how much more a newcomer may come to owe: zero or more.
func (s Strangers) Room() Amount {
	return max(min(s.Newcomers-s.NewcomersUsed, s.Budget-s.Used), 0)
}

// Strangers returns the budget at this moment.
func (l *Ledger) Strangers() Strangers {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := l.shared(newcomers)
	all := l.shared(regulars)
	lost := l.budget.at(l.owes, l.strangers, dayOf(l.cfg.Now())).lost
	return Strangers{
		Budget: all.Limit, Used: all.Owes + all.Held, // each below 2^62
		Newcomers: fresh.Limit, NewcomersUsed: fresh.Owes + fresh.Held,
		Daily: l.strangers / refillShare, Lost: lost[newcomers] + lost[regulars],
	}
}

// shared says how much of a pool is used. What newcomers use beyond theirs, by
// promises that nobody asked for, takes nothing from the others. l.mu is held.
func (l *Ledger) shared(p pool) *LimitError {
	e := &LimitError{Shared: true, Newcomers: p == newcomers, Limit: p.limit(l.strangers)}
	now := l.budget.at(l.owes, l.strangers, dayOf(l.cfg.Now()))
	fresh := min(l.owes[newcomers]-now.lost[newcomers], newcomers.limit(l.strangers))
	held := l.heldByPool()
	if p == newcomers {
		e.Owes, e.Held = fresh, held[newcomers]
		return e
	}
	e.Owes = fresh + min(l.owes[regulars]-now.lost[regulars], l.strangers)
	e.Held = min(held[regulars]+min(held[newcomers], newcomers.limit(l.strangers)-fresh), maxAmount)
	return e
}

// heldByPool sums what strangers have held. l.mu is held.
func (l *Ledger) heldByPool() (sums [pools]Amount) {
	for h := range l.holds {
		s := l.standing[h.peer]
		if !h.debtor && !s.granted {
			sums[s.pool()] = min(sums[s.pool()]+h.most, maxAmount) // each is at most that, so no sum wraps
		}
	}
	return sums
}

// strangersRoom is the room that a stranger has: that of its pool or, for a
// newcomer, what is left of the whole, whichever is less. l.mu is held.
func (l *Ledger) strangersRoom(peer identity.Entity, s standing) *LimitError {
	e := l.shared(regulars)
	if s.pool() == newcomers {
		if fresh := l.shared(newcomers); fresh.left() <= e.left() {
			e = fresh
		}
	}
	e.Peer = peer
	return e
}

// left is how much more fits; less than zero when there is too much already.
func (e *LimitError) left() Amount { return e.Limit - e.Owes - e.Held }
