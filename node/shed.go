package node

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
)

// A node at its bound of links, as a bootstrap may be for long, makes room for whoever
// comes: it gives up the link that it needs least, and names other nodes that can be
// dialled, both to whom it gives up and to whom it cannot take in.

// shed ends the link that the node needs least and returns it; nil when there is none.
func (s *session) shed() *link {
	l := s.keeper.least()
	if l == nil {
		return nil
	}
	if others := s.elsewhere(); others != "" {
		_ = l.fast.urgent(&frame.Elsewhere{URLs: others}) // fails only when the link ends
	}
	l.end(frame.ReasonFull, nil)
	return l
}

// subnetShare is the part of a node's links, 1 in so many, that nodes of one IPv4 /24 or
// IPv6 /48 may have to it: a twentieth, or what one host may have if that is more.
const subnetShare = 20

// crowded reports whether the subnet of a host on the internet has its share of inbound
// links, with those that are being welcomed. s.mu is held.
func (s *session) crowded(host netip.Addr) bool {
	if s.n.cfg.MaxPerHost < 0 {
		return false
	}
	subnet, n := table.Subnet(host), 0
	for _, l := range s.links {
		if !l.hs.Initiator && householdOf(l).IsValid() && table.Subnet(linkHost(l)) == subnet {
			n++
		}
	}
	for _, c := range s.claims {
		if c.host.IsValid() && table.Subnet(c.host.Addr()) == subnet {
			n++
		}
	}
	return n >= max(s.n.cfg.MaxPerHost, s.n.cfg.MaxLinks/subnetShare)
}

// elsewhere are URLs of neighbours, one a line, as many as an Elsewhere holds.
func (s *session) elsewhere() string {
	links := s.all()
	rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	var b strings.Builder
	for _, l := range links {
		urls := l.proof.Record.URLs
		if len(urls) == 0 || b.Len()+1+len(urls[0]) > frame.MaxElsewhere { // the first is its best
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(urls[0])
	}
	return b.String()
}

// maxElsewhere is how many URLs that a full node names are tried, one after another.
const maxElsewhere = 4

// goElsewhere links to one of the nodes that a full one has named, with a stranger's
// rights, and joins by it.
func (s *session) goElsewhere(others string) bool {
	tried := 0
	for url := range strings.Lines(others) {
		if tried++; tried > maxElsewhere || s.ctx.Err() != nil {
			return false
		}
		l, err := s.dialStranger(strings.TrimSuffix(url, "\n"))
		if err == nil {
			s.keeper.step(upkeep.Entry{Addr: l.peer.Addr})
			return true
		}
		s.n.log.Debug("named by a full node, not reached", "err", err)
	}
	return false
}

func (s *session) dialStranger(url string) (*link, error) {
	d, err := s.n.stranger(url)
	if err != nil {
		return nil, err
	}
	return s.dialBy(s.ctx, d, url, addr.Addr{})
}

// otherDoors are the URLs that a node without room named, in refusing us or in giving
// the link up; none when it did not, or has room.
func otherDoors(l *link, err error) string {
	var refused *hello.Refusal
	switch {
	case errors.As(err, &refused) && refused.Reason == frame.ReasonFull:
		return refused.Elsewhere
	case l != nil && l.reason == frame.ReasonFull:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.others
	}
	return ""
}
