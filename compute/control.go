package compute

import (
	"context"
	"sync"
)

// Control holds or slows one job while it runs. Neither changes what comes of
// it: the result and the fuel are the same to the unit. The zero value holds
// nothing and gives the job a whole core. Its methods may be called at once, and
// before, while and after the job runs; one Control is for one job.
//
// A job that is held before its worker has it waits, and takes no worker. One
// that runs is stopped as a process (SIGSTOP) and continued (SIGCONT); cancelling
// it continues it first. The time it is held counts neither for its belt of real
// time nor for [Live].Slowest. A guest in the caller's own process, and one on a
// system without these signals (Windows), can be held before it begins and not
// afterwards: it then runs on, with all of a core.
type Control struct {
	mu      sync.Mutex
	reasons map[string]bool // why the job is held; as many as the caller has
	share   int             // percent of one core; 0 is 100
	changed chan struct{}   // closed with the next change; nil when nobody waits
}

// Pause holds the job from the first reason until the last is taken back. Each
// reason counts once.
func (c *Control) Pause(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = make(map[string]bool)
	}
	c.reasons[why] = true
	c.tell()
}

// Resume takes a reason back. It does nothing when there is no such reason.
func (c *Control) Resume(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reasons, why)
	c.tell()
}

// SetShare bounds how much processor time the job's process gets, in percent of
// one core: 1 to 100, and the nearest of them for any other number. It is 100 at
// first, which sets no bound. The job's belt of real time runs on while the
// process waits for its next share.
func (c *Control) SetShare(percent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.share = min(max(percent, 1), 100)
	c.tell()
}

// tell is called with mu held.
func (c *Control) tell() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// state is what the job shall do, until the channel closes. A nil Control
// never changes.
func (c *Control) state() (held bool, share int, changed <-chan struct{}) {
	if c == nil {
		return false, 100, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	share = c.share
	if share == 0 {
		share = 100
	}
	return len(c.reasons) > 0, share, c.changed
}

// await returns when the job may begin, or with why it never will.
func (c *Control) await(ctx context.Context, engine <-chan struct{}) error {
	for {
		held, _, changed := c.state()
		if !held {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-engine:
			return ErrClosed
		}
	}
}
