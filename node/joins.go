package node

import (
	"net/netip"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
)

// How fast links may begin: so many a second from one host on the internet, by the wires
// that the node listens on, and so many offers of one identity; some more at once, for a
// household that comes back.
const (
	joinRate  = 2
	joinBurst = 16

	// maxJoiners is how many hosts', and how many identities', rates are kept. Beyond
	// it any is forgotten, which has its burst again: the bounds of links hold anyway.
	maxJoiners = 4096
)

// joins are the rates of those that join. Its zero value is ready.
type joins struct {
	hosts  rates[netip.Prefix]
	offers rates[identity.Entity]
}

// A rates keeps how fast each of many does something. Its zero value is ready.
type rates[K comparable] struct {
	mu    sync.Mutex // guards what follows
	used  map[K]tokens
	swept time.Time
}

// tokens are how many were used at a time; joinRate a second come back.
type tokens struct {
	n  float64
	at time.Time
}

func (t tokens) left(now time.Time) float64 {
	return max(0, t.n-joinRate*max(0, now.Sub(t.at).Seconds()))
}

// allow takes a token of k's rate and reports whether there was one.
func (r *rates[K]) allow(now time.Time, k K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, known := r.used[k]
	if !known && len(r.used) >= maxJoiners {
		r.forget(now)
	}
	t.n, t.at = t.left(now)+1, now
	if t.n > joinBurst {
		return false
	}
	if r.used == nil {
		r.used = make(map[K]tokens)
	}
	r.used[k] = t
	return true
}

// forget makes room: those that have all their tokens go, once a second, or any one.
func (r *rates[K]) forget(now time.Time) {
	if now.Sub(r.swept) >= time.Second {
		r.swept = now
		for k, t := range r.used {
			if t.left(now) == 0 {
				delete(r.used, k)
			}
		}
	}
	for k := range r.used {
		if len(r.used) >= maxJoiners {
			delete(r.used, k)
		}
		return
	}
}
