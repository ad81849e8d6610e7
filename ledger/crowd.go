package ledger

import (
	"runtime"
	"sync"

	"github.com/peersea/sea/identity"
)

// crowd verifies the signatures that callers bring one by one. Those that wait
// while others are being verified are verified together next, which costs each a
// part of what it costs alone; a lone caller waits for nobody. One verifies while
// the others go about their business, a second one beside it only once so many
// wait that both have enough.
type crowd struct {
	by *identity.Verifier

	mu      sync.Mutex // guards what follows
	busy    int        // how many are verifying, at most one for each processor
	waiting []*brought // one for each caller
}

// enough is how many have to wait before another one verifies beside those who do,
// and maxCrowd how many are verified together at most.
const (
	enough   = 16
	maxCrowd = 256
)

// brought is a signature whose caller waits.
type brought struct {
	signed identity.Signed
	leads  bool      // its caller verifies, or is about to; guarded by crowd.mu
	turn   chan bool // true: verify all that wait; false: err is final. Has room for both
	err    error
}

// verify returns nil when s is good. Errors are identity's.
func (c *crowd) verify(s identity.Signed) error {
	b := &brought{signed: s, turn: make(chan bool, 2)}
	c.mu.Lock()
	c.waiting = append(c.waiting, b)
	if c.busy == 0 || len(c.waiting) >= enough && c.busy < runtime.GOMAXPROCS(0) {
		c.busy++
		b.leads = true
	}
	lead := b.leads
	c.mu.Unlock()
	for lead || <-b.turn {
		if c.round(b) {
			break
		}
		lead = false
	}
	return b.err
}

// round verifies those who wait, and has one of the others go on. It says whether
// own was among them; somebody else may have taken it.
func (c *crowd) round(own *brought) (done bool) {
	runtime.Gosched() // whoever is about to bring one may come along
	c.mu.Lock()
	n := min(len(c.waiting), maxCrowd)
	some := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	c.mu.Unlock()
	all := make([]identity.Signed, n)
	for i, b := range some {
		all[i] = b.signed
	}
	errs := c.by.Verify(all)
	for i, b := range some {
		if errs != nil {
			b.err = errs[i]
		}
		if b == own {
			done = true
		} else {
			b.turn <- false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.waiting {
		if !b.leads {
			b.leads = true
			b.turn <- true
			return done
		}
	}
	c.busy--
	return done
}
