package node

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/upkeep"
)

// The bounds of meeting on the local network.
const (
	maxNear   = 8                // links to nodes found there; the sea does the rest
	maxMeet   = 16               // nodes found that wait to be dialled; others are lost until they are heard again
	maxMet    = 256              // names that are kept
	meetWait  = 5 * time.Second  // for a link
	meetAgain = 60 * time.Second // after one came to nothing, or was not made
	maxVain   = 4                // nodes of one host that came to nothing, in meetAgain
)

// A Finder looks for nodes near this one that nobody has named. Package lan has
// one.
type Finder interface {
	// Find tells others that this node of the network listens at the given
	// URLs, and calls found for each node that it hears of, as often as it
	// does: name stays the same as long as that node runs, url can be dialled.
	// found does not block. Find returns when ctx ends, with its error, or
	// when there is nothing to be found.
	Find(ctx context.Context, network string, listening []string, found func(name, url string)) error
}

// near is a node that was found.
type near struct{ name, url string }

// meet links to nodes on the local network until the session ends.
func (s *session) meet() {
	heard := make(chan near, maxMeet)
	var finding sync.WaitGroup
	defer finding.Wait()
	finding.Go(func() {
		err := s.n.cfg.LAN.Find(s.ctx, s.n.cfg.Network, s.n.Listening(), func(name, url string) {
			select {
			case heard <- near{name, url}:
			default:
			}
		})
		if err != nil && s.ctx.Err() == nil {
			s.n.log.Warn("local network is not looked at", "err", err)
		}
	})
	met := make(map[string]*meeting)
	for {
		select {
		case h := <-heard:
			s.greetNear(met, h)
		case <-s.ctx.Done():
			return
		}
	}
}

// A meeting is what became of a node that was found.
type meeting struct {
	at   time.Time
	host string
	l    *link // nil when there is none
}

// lives reports whether the link that was made is still there.
func (m *meeting) lives() bool { return m.l != nil && m.l.alive.Err() == nil }

// hostOf is the host of a URL that a Finder gave.
func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// greetNear links to a node that was found, unless that was done or tried just
// now, or there are enough.
func (s *session) greetNear(met map[string]*meeting, h near) {
	now := time.Now()
	if m := met[h.name]; m != nil && (m.lives() || now.Sub(m.at) < meetAgain) {
		return
	}
	links, vain, host := 0, 0, hostOf(h.url)
	for name, m := range met {
		switch {
		case m.lives():
			links++
		case now.Sub(m.at) >= meetAgain:
			delete(met, name)
		case m.host == host:
			vain++
		}
	}
	if links >= maxNear || len(met) >= maxMet || vain >= maxVain {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, meetWait)
	defer cancel()
	l, err := s.dial(ctx, h.url, addr.Addr{})
	met[h.name] = &meeting{at: now, host: host, l: l}
	if err != nil {
		s.n.log.Debug("node on the local network not linked", "url", h.url, "err", err)
		return
	}
	s.n.log.Info("node on the local network linked", "url", h.url, "peer", l.peer.Node)
	l.hold(true)
	s.keeper.step(upkeep.Entry{Addr: l.peer.Addr})
}
