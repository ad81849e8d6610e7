package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/transport"
)

// dialer returns the wire for url.
func (n *Node) dialer(url string) (transport.Dialer, error) {
	return pick(n.cfg.Dialers, url)
}

// stranger returns the wire for a url that another node named.
func (n *Node) stranger(url string) (transport.Dialer, error) {
	if n.cfg.Strangers != nil {
		return pick(n.cfg.Strangers, url)
	}
	return pick(n.cfg.Dialers, url)
}

func pick(dialers map[string]transport.Dialer, url string) (transport.Dialer, error) {
	scheme, _, ok := strings.Cut(url, "://")
	if !ok {
		return nil, fmt.Errorf("%.80q is not a URL such as wss://host:port/path", url)
	}
	d := dialers[scheme]
	if d == nil {
		return nil, fmt.Errorf("no way to dial %.16q URLs", scheme)
	}
	return d, nil
}

// Dial links to whoever listens at url and returns the link, or the one that
// there is already to that node. It is not dialled again when it ends.
func (n *Node) Dial(ctx context.Context, url string) (Link, error) {
	s, err := n.current()
	if err != nil {
		return Link{}, err
	}
	l, err := s.dial(ctx, url, addr.Addr{})
	if err != nil {
		return Link{}, doing("dial "+url, err)
	}
	l.hold(true)
	return l.info(), nil
}

// Enter joins the sea by a node that was met before: it dials url once, as Online dials
// a bootstrap, and looks this node up through it. met says that the URL was another
// node's word, not the operator's: then Config.Strangers dials it. Nobody holds the
// link. Errors are ErrOffline and those of the dial.
func (n *Node) Enter(ctx context.Context, url string, met bool) (Link, error) {
	s, err := n.current()
	if err != nil {
		return Link{}, err
	}
	pick := n.dialer
	if met {
		pick = n.stranger
	}
	d, err := pick(url)
	if err != nil {
		return Link{}, err
	}
	l, err := s.dialBy(ctx, d, url, addr.Addr{})
	if err != nil {
		return Link{}, doing("dial "+url, err)
	}
	s.keeper.step(upkeep.Entry{Addr: l.peer.Addr})
	return l.info(), nil
}

// dial makes a link by URL to the node at want, or to anyone when want is zero.
func (s *session) dial(ctx context.Context, url string, want addr.Addr) (*link, error) {
	d, err := s.n.dialer(url)
	if err != nil {
		return nil, err
	}
	return s.dialBy(ctx, d, url, want)
}

func (s *session) dialBy(ctx context.Context, d transport.Dialer, url string, want addr.Addr) (*link, error) {
	ctx, stop := s.bound(ctx, dialWait)
	defer stop()
	conn, err := d.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	return s.greet(ctx, conn, want, url)
}

// bound returns a context that also ends with the session and after most.
func (s *session) bound(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, most)
	undo := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { undo(); cancel() }
}

// keep holds a link to the bootstrap at url, dialling again with pauses that grow
// while it cannot be reached. The first attempt's outcome goes to first.
func (s *session) keep(url string, first chan<- error) {
	pause := redialFirst
	for {
		l, err := s.dial(s.ctx, url, addr.Addr{})
		if others := otherDoors(nil, err); others != "" && s.goElsewhere(others) {
			err = nil // this one is full, another let us in
		}
		if first != nil {
			if err != nil {
				first <- doing(url, err)
			} else {
				first <- nil
			}
			first = nil
		}
		if errors.Is(err, errSelf) {
			s.n.log.Info("bootstrap is this node itself", "url", url)
			return
		}
		if err != nil {
			if s.ctx.Err() != nil {
				return
			}
			s.n.log.Info("bootstrap not reached", "url", url, "err", err, "again", pause)
		} else if l == nil {
			s.n.log.Info("bootstrap is full, joined by another that it named", "url", url)
			if !s.wantEntry() {
				return
			}
			continue
		} else {
			if !s.enterBy(l) {
				return
			}
			// However short the link was: a bootstrap that restarts a few times
			// is back each time. Only two nodes with one key, who take each
			// other's place, must not do so ever on.
			if l.reason != frame.ReasonReplaced {
				pause = redialFirst
			}
			if l.reason == frame.ReasonUnwanted || l.reason == frame.ReasonFull {
				// One of the two has enough others.
				s.n.log.Debug("bootstrap given up", "url", url)
				if len(s.all()) == 0 {
					s.goElsewhere(otherDoors(l, nil))
				}
				if !s.wantEntry() {
					return
				}
				continue
			}
			s.n.log.Info("bootstrap lost", "url", url, "err", l.why(), "again", pause)
		}
		if !s.pause(pause + rand.N(pause/4)) {
			return
		}
		pause = min(2*pause, redialLast)
	}
}

// enterBy joins through the bootstrap at the other end of l, and again when that
// is wanted, until the link has ended. false means that the session ends.
func (s *session) enterBy(l *link) bool {
	for {
		again := s.entry()
		s.keeper.step(upkeep.Entry{Addr: l.peer.Addr})
		select {
		case <-l.done:
			return true
		case <-again:
		case <-s.ctx.Done():
			return false
		}
	}
}

// wantEntry waits until bootstraps are wanted; false means that the session
// ends.
func (s *session) wantEntry() bool {
	select {
	case <-s.entry():
		return true
	case <-s.ctx.Done():
		return false
	}
}
