package credit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
)

// The scopes.
const (
	ScopeSync       = "credit:sync"
	ScopePush       = "credit:push"
	ScopeCheckpoint = "credit:checkpoint"
	ScopePropose    = "credit:propose"
)

const (
	// maxPeers is how many peers are being delivered to, or waited for, at one
	// time; the others have their turn at the next look at the outbox.
	maxPeers = 1000

	// maxCalls is how many calls are under way at one time, beside those for
	// checkpoints.
	maxCalls = 16

	callTime = 20 * time.Second // for one call
	lookTime = time.Minute      // between two looks at the whole outbox
	minPause = time.Second      // after the first failure; then twice as long
	maxPause = 5 * time.Minute
)

// Credit is the plugin. Make it with New, and let a plugins.Set run it. The
// ledger stays the caller's, who closes it after the Set has ended.
type Credit struct {
	ledger *ledger.Ledger
	cfg    Config
	limits limits

	node plugins.Node
	log  *slog.Logger

	calls chan struct{} // holds a token for each call under way
	work  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	peers   map[identity.Entity]*peer // maxPeers
	waiters map[*waiter]struct{}      // one for each Deliver
	stale   map[identity.Entity]int   // see checkpoint.go: maxPeers
	asked   map[identity.Entity]int   // calls to ScopeCheckpoint and ScopeCredentials in this tick: 2 * maxPeers
	shown   credentials

	agreeing int  // goroutines of the round of checkpoints: maxAgreeing
	sealing  bool // there is a goroutine that seals

	met map[identity.Entity]time.Time // since when the link on which both are in step is up: maxPeers
}

var _ plugins.Plugin = (*Credit)(nil)

// peer is somebody that a goroutine is delivering to.
type peer struct {
	wake chan struct{} // holds a token when there is news
	meet bool          // exchange positions first
}

// waiter is one Deliver.
type waiter struct {
	peer identity.Entity
	news chan error // holds the outcome of the last attempt
}

// Config is wishes; its zero value is good.
type Config struct {
	// NoGrowth leaves limits as they were granted; else each grows with what its
	// peer repays, see ledger.Grow.
	NoGrowth bool
}

// New makes the plugin for a ledger that is open.
func New(l *ledger.Ledger, cfg Config) *Credit {
	return &Credit{
		cfg:     cfg,
		ledger:  l,
		calls:   make(chan struct{}, maxCalls),
		peers:   map[identity.Entity]*peer{},
		waiters: map[*waiter]struct{}{},
		stale:   map[identity.Entity]int{},
		asked:   map[identity.Entity]int{},
		met:     map[identity.Entity]time.Time{},
	}
}

// Init claims the scopes.
func (c *Credit) Init(h *plugins.Host) error {
	if h.Node.Key() != c.ledger.Entity() {
		return errors.New("the ledger is not that of the node's key")
	}
	c.node, c.log = h.Node, h.Log
	h.Node.Handle(ScopeSync, c.sync)
	h.Node.Handle(ScopePush, c.push)
	h.Node.Handle(ScopeCheckpoint, c.checkpoint)
	h.Node.Handle(ScopePropose, c.proposal)
	h.Node.Handle(ScopeRecover, c.recall)
	h.Node.Handle(ScopeCredentials, c.credentials)
	return nil
}

// Run delivers until ctx ends.
func (c *Credit) Run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	c.mu.Unlock()
	events := c.node.Events(ctx) // before the first look, so that nothing is missed
	stop := c.ledger.Watch(func(change ledger.Change) {
		c.limits.changed(change.Peer)
		if change.Outgoing {
			c.call(change.Peer, false)
		}
		if change.Delivered {
			c.tell(change.Peer, nil)
		}
		if change.Delivered || change.Incoming {
			c.changed(change.Peer)
		}
	})
	defer func() {
		stop()
		c.mu.Lock()
		c.ctx = nil // nothing begins any more
		c.mu.Unlock()
		c.work.Wait()
	}()
	c.work.Go(func() {
		for e := range events {
			switch e.Kind {
			case node.LinkUp:
				if c.knows(e.Peer) {
					c.call(e.Peer.Node, true)
					c.changed(e.Peer.Node)
				}
			case node.Lagged:
				c.look()
			}
		}
	})
	for _, link := range c.node.Links() { // those that came up before
		if c.knows(link.Peer) {
			c.call(link.Peer.Node, true)
			c.changed(link.Peer.Node)
		}
	}
	look, tick := time.NewTicker(lookTime), time.NewTicker(tickTime)
	defer look.Stop()
	defer tick.Stop()
	c.look()
	for {
		select {
		case <-look.C:
			c.look()
		case <-tick.C:
			c.mindLimits(ctx) // first: what grows is then in the checkpoint
			c.agreeAll(ctx)
			c.seal(ctx)
			c.showAll(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Deliver returns nil when the peer has acknowledged all that had been signed
// for it when Deliver was called. It tries at once, again when a link comes up
// and otherwise as ever, until ctx ends; then its error is ctx's with that of
// the last attempt. A refusal by the peer, and a line that is fenced, end it at
// once. Delivery goes on after it.
func (c *Credit) Deliver(ctx context.Context, to identity.Entity) error {
	w := &waiter{peer: to, news: make(chan error, 1)}
	c.mu.Lock()
	c.waiters[w] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiters, w)
	}()
	want := c.ledger.Line(to).Signed
	c.call(to, false)
	var last error
	for {
		line := c.ledger.Line(to)
		switch {
		case line.State == ledger.StateFenced || line.State == ledger.StateDamaged:
			return &ledger.StateError{Peer: to, State: line.State, Why: line.Reason}
		case line.Acked.Reaches(want):
			return nil
		case final(last):
			return last
		}
		select {
		case err := <-w.news:
			if err != nil {
				last = err
			}
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		}
	}
}

// final says that trying again soon will not help.
func final(err error) bool {
	return errors.Is(err, rpc.ErrRefused) || errors.Is(err, rpc.ErrBadRequest) || errors.Is(err, rpc.ErrNoHandler)
}

// look begins with whatever the outbox holds.
func (c *Credit) look() {
	all, err := c.ledger.Pending(maxPeers)
	if err != nil {
		c.log.Error("the outbox cannot be read", "err", err)
		return
	}
	for _, to := range all {
		c.begin(to, false, false)
	}
}

// call has the outbox for a peer delivered now; meet has positions exchanged
// first.
func (c *Credit) call(to identity.Entity, meet bool) { c.begin(to, meet, true) }

// begin starts a goroutine for the peer unless there is one; wake tells that one
// not to wait any longer.
func (c *Credit) begin(to identity.Entity, meet, wake bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
		return
	}
	p := c.peers[to]
	if p == nil {
		if len(c.peers) >= maxPeers {
			return
		}
		p = &peer{wake: make(chan struct{}, 1), meet: meet}
		c.peers[to] = p
		ctx := c.ctx
		c.work.Go(func() { c.deliver(ctx, to, p) })
		return
	}
	p.meet = p.meet || meet
	if wake {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}
