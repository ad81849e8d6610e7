package compute

import "sync"

// Control steers one job: it holds it, lets it go on, and gives it a share of a
// core. Fuel and result do not change by it, to the unit. The zero value works,
// its methods may be called at once, before, while and after the job runs.
type Control struct {
	mu      sync.Mutex // guards what follows
	reasons map[string]bool
	percent int // 0 is 100
}

// Pause holds the job: its process is stopped when the first reason comes, and
// goes on when the last one is taken back. Each reason counts once.
func (c *Control) Pause(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = make(map[string]bool)
	}
	c.reasons[why] = true
}

// Resume takes a reason of Pause back; one that is not there is none.
func (c *Control) Resume(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reasons, why)
}

// SetShare gives the job 1 to 100 percent of one core; 100 at first. What is out
// of this range is taken as the nearest of both.
func (c *Control) SetShare(percent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.percent = max(1, min(percent, 100))
}
