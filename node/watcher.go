package node

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/upkeep"
)

// A watcher pings the peer of a link when it is silent, and gives the link up when it
// stays so, or when the wire takes nothing. A timer wakes it, so it has no goroutine.
type watcher struct {
	l     *link
	timer *time.Timer
	anew  atomic.Bool // again was called since it began to look

	mu            sync.Mutex    // guards what follows, and is held while it looks
	on            bool          // between begin and end
	asked, pinged time.Duration // since the link's since: the first and the last Ping since the peer was heard
}

func (w *watcher) init(l *link) {
	w.l = l
	w.timer = time.AfterFunc(math.MaxInt64, w.look)
	w.timer.Stop() // the link may never begin
}

// begin pings the peer for the first time, and watches it from now on.
func (w *watcher) begin() {
	w.l.ping(nil)
	idle, _ := w.l.patience()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = true
	w.timer.Reset(idle)
}

// again has it look at once, for how closely the link is watched has changed.
func (w *watcher) again() {
	w.anew.Store(true)
	w.timer.Reset(0)
}

// end returns when it does not look any more.
func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = false
	w.timer.Stop()
}

// look does what is due, and sets the timer for what is next.
func (w *watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.l
	if !w.on || l.alive.Err() != nil {
		return
	}
	w.anew.Store(false)
	idle, dead := l.patience()
	now := time.Since(l.since)
	heard := time.Duration(l.heard.Load())
	silent := now - heard
	if w.asked < heard {
		w.asked = 0
	}
	switch {
	// The link may have been watched less closely until now.
	case silent >= dead && w.asked > 0 && now-w.asked >= dead-idle:
		l.s.keeper.step(upkeep.Silent{Addr: l.peer.Addr})
		l.end(frame.ReasonSilent, nil)
	case l.stuck(now):
		l.end(frame.ReasonSilent, errors.New("the wire takes nothing"))
	case silent < idle:
		w.timer.Reset(idle - silent)
	case w.asked > 0 && now-w.pinged < idle:
		w.timer.Reset(min(idle-(now-w.pinged), max(dead-silent, w.asked+dead-idle-now)))
	default:
		w.pinged = now
		if w.asked == 0 {
			w.asked = now
		}
		l.idle()
		w.timer.Reset(min(idle, max(dead-silent, w.asked+dead-idle-now)))
	}
	if w.anew.Load() {
		w.timer.Reset(0)
	}
}

// stuck reports whether the wire has not taken a message for deadWait.
func (l *link) stuck(now time.Duration) bool {
	for _, la := range l.lanes {
		if at := time.Duration(la.sending.Load()); at != 0 && now-at >= deadWait {
			return true
		}
	}
	return false
}
