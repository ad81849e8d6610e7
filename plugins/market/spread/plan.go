// Package spread plans a map: one program bought for each of many inputs. A Plan
// says which of them is bought next and for how much at most, so that all
// together never cost more than one cap. It does no I/O and knows no sellers.
package spread

import (
	"container/heap"
	"slices"
	"time"

	"github.com/peersea/sea/ledger"
)

const (
	// generous is how many times the most that an item has cost the next one may
	// cost; raised is by how much more one may that came to its cap.
	generous = 8
	raised   = 8

	// slowest is how many times the median an item takes before it is bought
	// again elsewhere, once nothing else is left to do, and slowLeast how long at
	// least. enough is how many must have ended before there is a median.
	slowest   = 3
	slowLeast = 2 * time.Second
	enough    = 3

	// What an item costs is learned from the first ones: for learning, or until
	// one is done, only learners run, so that each may cost much of the cap.
	learning = 2 * time.Second
	learners = 2

	// refusals is how many tries in a row nobody takes before nothing more is
	// begun: one may have come at a bad moment.
	refusals = 3

	// remembered is of how many of the last items the median is.
	remembered = 65
)

// End is how a try ended.
type End int

// The ends of a try.
const (
	// Done is an answer: the program ended, well or not.
	Done End = iota
	// Failed is none, and another try would be none either.
	Failed
	// Short is one that came to its own cap.
	Short
	// Refused is one that nobody would take. After three in a row, those that were a
	// second one of their item not counted, nothing more is begun: others would
	// fare the same.
	Refused
	// Stopped is one that was cancelled.
	Stopped
)

// A Start is what is to be bought now.
type Start struct {
	// Try names it to Ended; Item is which input, from 0.
	Try, Item int
	// Cap is the most that it may cost, above 0.
	Cap ledger.Amount
	// Again is that another try of the item runs: this one is to be elsewhere.
	Again bool
}

// A Plan is safe for one goroutine.
type Plan struct {
	most int // tries at once

	cap, spent ledger.Amount
	held       ledger.Amount // the caps of the tries that run
	largest    ledger.Amount // the most that an item cost that is done

	next, total int
	open        lowest                // items below next that are to be tried again
	short       map[int]ledger.Amount // of items that came to their cap, that cap
	tries       map[int]*try          // that run
	running     map[int]int           // how many tries each item has that runs
	doubled     map[int]bool          // the items among them that have had a second one for being slow
	tried       int                   // how many there were
	ended       []bool
	left        int // how many have not ended

	began    time.Time       // the first try
	took     []time.Duration // of the last that were done
	refused  int             // tries in a row that nobody took
	halted   bool
	exceeded bool // for want of credit
}

type try struct {
	item  int
	cap   ledger.Amount
	since time.Time
}

// New plans total items of which most may be tried at once, for at most cap
// together. most is above 0.
func New(total, most int, cap ledger.Amount) *Plan {
	return &Plan{
		most: most, cap: cap, total: total, left: total, ended: make([]bool, total),
		short: map[int]ledger.Amount{}, tries: map[int]*try{}, running: map[int]int{}, doubled: map[int]bool{},
	}
}

// Restore takes in what is known of an item from before: what its tries cost so
// far, and whether it ended. It is called before the first Next.
func (p *Plan) Restore(item int, cost ledger.Amount, ended bool) {
	p.spent += cost
	if ended && !p.ended[item] {
		p.ended[item] = true
		p.left--
		p.largest = max(p.largest, cost)
	}
}

// Resume takes in a try that runs since before, and names it.
func (p *Plan) Resume(item int, cap ledger.Amount, now time.Time) int {
	return p.begin(item, cap, now)
}

func (p *Plan) begin(item int, cap ledger.Amount, now time.Time) int {
	if p.tried++; p.began.IsZero() {
		p.began = now
	}
	p.tries[p.tried] = &try{item, cap, now}
	p.running[item]++
	p.held += cap
	return p.tried
}

// Next says what is to be bought now; ok is false when there is nothing to do
// before a try ends, or before Look.
func (p *Plan) Next(now time.Time) (s Start, ok bool) {
	if p.halted || len(p.tries) >= p.room(now) {
		return Start{}, false
	}
	item, ok := p.first()
	if !ok {
		return p.double(now)
	}
	free := p.cap - p.spent - p.held
	cap := p.share(item, free, now)
	if cap > free && len(p.tries) > 0 {
		return Start{}, false // when one ends there is more
	}
	if cap = min(cap, free); cap <= p.short[item] {
		if len(p.tries) == 0 {
			p.halted, p.exceeded = true, true
		}
		return Start{}, false
	}
	p.take(item)
	return Start{Try: p.begin(item, cap, now), Item: item, Cap: cap}, true
}

// room is how many tries may run now.
func (p *Plan) room(now time.Time) int {
	if len(p.took) == 0 && (p.began.IsZero() || now.Before(p.began.Add(learning))) {
		return min(p.most, learners)
	}
	return p.most
}

// first is the first item that has neither ended nor runs.
func (p *Plan) first() (int, bool) {
	if len(p.open) > 0 {
		return p.open[0], true
	}
	for p.next < p.total && (p.ended[p.next] || p.running[p.next] > 0) {
		p.next++
	}
	return p.next, p.next < p.total
}

func (p *Plan) take(item int) {
	if len(p.open) > 0 && p.open[0] == item {
		heap.Pop(&p.open)
		return
	}
	p.next = item + 1
}

// share is the cap that an item should have, of what is free.
func (p *Plan) share(item int, free ledger.Amount, now time.Time) ledger.Amount {
	if short := p.short[item]; short > 0 {
		return times(short, raised, p.cap)
	}
	if p.largest == 0 { // nobody knows: each that may run at once alike
		room := p.room(now)
		if room < p.most { // half of it is for those that begin when nothing was learned
			room *= 2
		}
		return max(1, free/ledger.Amount(room-len(p.tries)))
	}
	return times(p.largest, generous, p.cap)
}

// times is a product, at most most.
func times(a, factor, most ledger.Amount) ledger.Amount {
	if a > most/factor {
		return most
	}
	return a * factor
}

// double is a second try of the item that runs longest, if that is too long.
func (p *Plan) double(now time.Time) (Start, bool) {
	t, at := p.straggler()
	if t == nil || now.Before(at) || !p.affords(t) {
		return Start{}, false
	}
	p.doubled[t.item] = true
	cap := p.secondCap(t)
	return Start{Try: p.begin(t.item, cap, now), Item: t.item, Cap: cap, Again: true}, true
}

// secondCap is what a second try beside t may cost.
func (p *Plan) secondCap(t *try) ledger.Amount {
	if p.largest == 0 {
		return t.cap
	}
	return times(p.largest, generous, t.cap)
}

func (p *Plan) affords(t *try) bool { return p.secondCap(t) <= p.cap-p.spent-p.held }

// straggler is the try that runs longest of those whose item has had no second
// one, and when it has taken too long.
func (p *Plan) straggler() (slow *try, at time.Time) {
	if len(p.took) < enough {
		return nil, time.Time{}
	}
	for _, t := range p.tries {
		if !p.doubled[t.item] && !p.ended[t.item] && (slow == nil || t.since.Before(slow.since)) {
			slow = t
		}
	}
	if slow == nil {
		return nil, time.Time{}
	}
	sorted := slices.Sorted(slices.Values(p.took))
	return slow, slow.since.Add(max(slowLeast, slowest*sorted[len(sorted)/2]))
}

// Look is when, after now, Next is worth asking again though no try has ended; ok
// is false when that is never.
func (p *Plan) Look(now time.Time) (at time.Time, ok bool) {
	_, more := p.first()
	switch {
	case p.halted || len(p.tries) >= p.most:
		return time.Time{}, false
	case more:
		at = p.began.Add(learning)
		return at, len(p.tries) >= p.room(now) && at.After(now)
	}
	slow, at := p.straggler()
	return at, slow != nil && p.affords(slow) && at.After(now)
}

// Ended takes in how a try ended and what it cost, at most its cap. settles says
// that the item has come to its end by it; others are the tries of the same item
// that run on for nothing.
func (p *Plan) Ended(id int, cost ledger.Amount, end End, now time.Time) (settles bool, others []int) {
	t := p.tries[id]
	delete(p.tries, id)
	if p.running[t.item]--; p.running[t.item] == 0 {
		delete(p.running, t.item)
		delete(p.doubled, t.item)
	}
	p.held -= t.cap
	p.spent += cost
	if p.ended[t.item] {
		return false, nil
	}
	alone := p.running[t.item] == 0
	switch {
	case end == Refused && alone: // there may be nobody for a second one
		p.refused++
		p.halted = p.halted || p.refused >= refusals
	case end == Done:
		p.refused = 0
	}
	switch {
	case end == Done, end == Failed && alone:
		p.ended[t.item] = true
		p.left--
		delete(p.short, t.item)
	case end == Short:
		p.short[t.item] = max(p.short[t.item], t.cap)
		p.reopen(t.item)
	default:
		p.reopen(t.item)
	}
	if !p.ended[t.item] {
		return false, nil
	}
	if end == Done {
		p.largest = max(p.largest, cost)
		if p.took = append(p.took, now.Sub(t.since)); len(p.took) > remembered {
			p.took = p.took[1:]
		}
	}
	for other, o := range p.tries {
		if o.item == t.item {
			others = append(others, other)
		}
	}
	slices.Sort(others)
	return true, others
}

// reopen has an item tried again, unless it runs.
func (p *Plan) reopen(item int) {
	if p.running[item] == 0 && item < p.next {
		heap.Push(&p.open, item)
	}
}

// Halt begins nothing more.
func (p *Plan) Halt() { p.halted = true }

// Idle says that no try runs and none is to come.
func (p *Plan) Idle() bool { return len(p.tries) == 0 && (p.halted || p.left == 0) }

// Left is how many items have not come to their end.
func (p *Plan) Left() int { return p.left }

// Spent is what all tries that have ended cost together.
func (p *Plan) Spent() ledger.Amount { return p.spent }

// Exceeded says that it halted because the cap does not cover the next item.
func (p *Plan) Exceeded() bool { return p.exceeded }

// lowest is a heap of items, the lowest first.
type lowest []int

func (l lowest) Len() int           { return len(l) }
func (l lowest) Less(i, j int) bool { return l[i] < l[j] }
func (l lowest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lowest) Push(x any)        { *l = append(*l, x.(int)) }
func (l *lowest) Pop() any {
	old := *l
	x := old[len(old)-1]
	*l = old[:len(old)-1]
	return x
}
