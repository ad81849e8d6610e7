package node

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/rpc"
)

// Whether others can reach a node only others can tell: it asks two neighbours,
// who dial the URL that it claims. They dial the address that its own link comes
// from and no other, so nobody can have them knock at a third one's door.

// scopeBack is what a node asks to be dialled back.
const scopeBack = "sea:back"

// The bounds of dialling back.
const (
	backWait  = 8 * time.Second // for one, the proof included
	backEvery = 5 * time.Second // for one neighbour
	maxBacks  = 4               // under way at once, for all
	maxClaim  = 512             // bytes of a URL
	backAsked = 2               // neighbours whose word is wanted
	backTried = 4               // that are asked for it
)

// claimBody is what sea:back takes: a URL, whose host may be left out (ws://:4160);
// then it is the address that the link comes from.
type claimBody struct {
	_   struct{} `cbor:",toarray"`
	URL string
}

// A Reach is what a neighbour says of reaching this node.
type Reach struct {
	// By is who has tried.
	By rpc.Peer

	// URL is what it dialled, without the host when that was the address that it
	// sees this node at.
	URL string

	// Err is why it did not come through; nil says that it did.
	Err error
}

// Reachable asks two neighbours whether they can dial this node: at its first
// public URL, else where it listens. It returns what they say, which is nothing
// when the node listens nowhere or no neighbour tries; and ErrOffline.
func (n *Node) Reachable(ctx context.Context) ([]Reach, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	claim := n.claim()
	if claim == "" {
		return nil, nil
	}
	body, err := cbor.Marshal(claimBody{URL: claim})
	if err != nil {
		return nil, err
	}
	var said []Reach
	for _, l := range s.witnesses() {
		wait, cancel := context.WithTimeout(ctx, backWait+time.Second)
		_, err := l.call(wait, scopeBack, body)
		cancel()
		if err == nil || errors.Is(err, rpc.ErrNotFound) {
			said = append(said, Reach{By: l.who(), URL: claim, Err: err})
		} else {
			n.log.Debug("not dialled back", "peer", l.peer.Node, "err", err)
		}
		if len(said) == backAsked || ctx.Err() != nil {
			break
		}
	}
	return said, nil
}

// claim is the URL at which this node should be reachable; empty is none.
func (n *Node) claim() string {
	if urls := n.publicURLs(); len(urls) > 0 {
		return urls[0]
	}
	for _, text := range n.Listening() {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		u.Host = ":" + cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
		return u.String()
	}
	return ""
}

// witnesses are the neighbours to ask, at most backTried: those on the internet
// before those on a network of one's own.
func (s *session) witnesses() []*link {
	links := slices.DeleteFunc(s.all(), (*link).isRelayed)
	far := func(l *link) int {
		if linkHost(l).IsValid() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(links, func(a, b *link) int { return far(a) - far(b) })
	return links[:min(len(links), backTried)]
}

// serveBack dials a neighbour back. Code 8 says that nobody proved there to be it;
// why not is not said, so that it tells nothing about other ports.
func (n *Node) serveBack(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil || n.cfg.Back == nil {
		return nil, rpc.Errorf(rpc.Unavailable, "this node dials nobody back")
	}
	l := s.link(from.Addr)
	if !from.Direct || l == nil || l.isRelayed() {
		return nil, rpc.Errorf(rpc.Refused, "only a neighbour is dialled back")
	}
	var in claimBody
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	_, remote := describe(l.conn)
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return nil, rpc.Errorf(rpc.Refused, "the link comes from no address")
	}
	only := at.Addr().Unmap()
	to, err := readClaim(in.URL, only)
	if err != nil {
		return nil, rpc.Errorf(rpc.Refused, "%v", err)
	}
	d, err := pick(n.cfg.Back(only), to)
	if err != nil {
		return nil, rpc.Errorf(rpc.Refused, "%v", err)
	}
	now := int64(time.Since(l.since))
	if last := l.dialled.Load(); last != 0 && now-last < int64(n.backEvery) || !l.dialled.CompareAndSwap(last, now) {
		return nil, rpc.Errorf(rpc.Busy, "once in %v", n.backEvery)
	}
	select {
	case s.backs <- struct{}{}:
		defer func() { <-s.backs }()
	default:
		return nil, rpc.Errorf(rpc.Busy, "others are being dialled back")
	}
	ctx, cancel := context.WithTimeout(ctx, backWait)
	defer cancel()
	conn, err := d.Dial(ctx, to)
	if err != nil {
		return nil, rpc.Errorf(rpc.NotFound, "nobody answers there as this node")
	}
	defer conn.Close()
	// The other side says first who it is: that is enough, and it does not hear
	// who asked.
	proven := false
	_, err = s.party.Load().Initiate(ctx, conn, func(p hello.Proof) error {
		proven = p.Addr() == from.Addr
		return &hello.Refusal{Reason: frame.ReasonUnwanted, Text: "dialled back", Ours: true}
	})
	if !proven {
		n.log.Debug("dialled back in vain", "peer", from.Node, "err", err)
		return nil, rpc.Errorf(rpc.NotFound, "nobody answers there as this node")
	}
	return nil, nil
}

// readClaim returns the URL to dial for a claim by whom only is the address. A
// host that is a name is for the dialler to look up and to hold against only.
func readClaim(text string, only netip.Addr) (string, error) {
	if len(text) > maxClaim {
		return "", errors.New("a URL of more than 512 bytes")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" {
		return "", errors.New("this is no URL to dial")
	}
	host := u.Hostname()
	if host == "" {
		u.Host = net.JoinHostPort(only.WithZone("").String(), u.Port())
	} else if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap() != only {
		return "", errors.New("the link does not come from that address")
	}
	return u.String(), nil
}
