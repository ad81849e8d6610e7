package node

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/rpc"
)

// Members of a channel find each other at its meeting places: the nodes nearest
// to three addresses made from its id. A member tells the nearest node of each
// that it is there, and is told of others; that node tells three of its
// neighbours, so that four know when one goes away.

const scopeMembers = "sea:members"

// The bounds of meeting.
const (
	// placeWait is how long one place may take.
	placeWait = 15 * time.Second

	// maxCopies is how many neighbours a node tells of an announcement,
	// copyWait how long each may take, maxCopying how many are being told.
	maxCopies  = 3
	copyWait   = 5 * time.Second
	maxCopying = 64
)

// membersRequest is what sea:members takes: where the channel is looked for, whether
// this is a neighbour's copy, and the member's record, or none to only ask.
type membersRequest struct {
	_       struct{} `cbor:",toarray"`
	Channel addr.Addr
	Place   addr.Addr
	Copy    bool
	Record  *identity.Statement
}

// membersAnswer is what it returns: how many members there seem to be, and the
// records of at most gossip.MaxAnswer of them.
type membersAnswer struct {
	_       struct{} `cbor:",toarray"`
	Count   uint64
	Records []identity.Statement
}

// A lobby is what a session keeps for channels that are looked for near it.
type lobby struct {
	copying chan struct{} // a token for each copy on its way

	mu     sync.Mutex // guards what follows
	places *gossip.Places
}

func (l *lobby) init(self addr.Addr) {
	l.copying = make(chan struct{}, maxCopying)
	l.places = gossip.NewPlaces(self, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
}

// lookUp asks a channel's meeting places for members. It announces this node, too,
// if every says how often it does. It always returns something.
func (s *session) lookUp(ctx context.Context, id string, every *time.Duration) gossip.Found {
	ctx, stop := s.bound(ctx, placeWait)
	defer stop()
	in := membersRequest{Channel: addr.OfChannel(id)}
	if every != nil {
		record, err := gossip.Record{
			Network: s.n.cfg.Network, Channel: in.Channel, Issued: time.Now(), Every: (*every).Round(time.Second),
		}.Sign(s.n.self)
		if err != nil {
			s.n.log.Error("membership cannot be signed", "err", err)
			return gossip.Found{}
		}
		in.Record = &record
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var found gossip.Found
	var counts []int
	note := func(a membersAnswer) {
		mu.Lock()
		defer mu.Unlock()
		if a.Count > 0 {
			counts = append(counts, int(min(a.Count, 1<<40)))
		}
		for _, r := range a.Records {
			if _, err := s.readRecord(r, in.Channel); err == nil && r.By != s.n.self.Entity() {
				found.Members = append(found.Members, addr.OfNode(r.By))
			}
		}
	}
	for _, place := range addr.MeetingPlaces(id) {
		in := in
		in.Place = place
		wg.Go(func() {
			err := s.askAt(ctx, in, note)
			if err != nil && ctx.Err() == nil {
				s.n.log.Debug("meeting place not reached", "at", place.Short(), "err", err)
			}
		})
	}
	wg.Wait()
	slices.SortFunc(found.Members, func(a, b addr.Addr) int { return cmp.Compare(string(a[:]), string(b[:])) })
	found.Members = slices.Compact(found.Members)
	if len(counts) > 0 {
		// The middle one, of two the smaller: neither a node that saw few nor
		// one that lies.
		slices.Sort(counts)
		found.Count = counts[(len(counts)-1)/2]
	}
	return found
}

// askAt asks the node nearest to a place. This node is the nearest itself when
// it finds none that is nearer; then others come here.
func (s *session) askAt(ctx context.Context, in membersRequest, note func(membersAnswer)) error {
	there, err := s.nearestOther(ctx, in.Place, addr.Addr{})
	if err != nil || addr.Closer(in.Place, s.n.addr, there.Peer.Addr) {
		a, err := s.attend(rpc.Peer{Addr: s.n.addr, Node: s.n.self.Entity(), Direct: true}, in)
		if err != nil {
			return err
		}
		note(a)
	}
	if err != nil {
		return err
	}
	body, err := cbor.Marshal(in)
	if err != nil {
		return err
	}
	reply, err := s.n.Call(ctx, there.Peer.Addr, scopeMembers, body)
	if err != nil {
		return err
	}
	var a membersAnswer
	if err := cbor.Unmarshal(reply, &a); err != nil {
		return rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scopeMembers, err)
	}
	if len(a.Records) > gossip.MaxAnswer {
		return rpc.Errorf(rpc.BadRequest, "%s: %d records, above %d", scopeMembers, len(a.Records), gossip.MaxAnswer)
	}
	note(a)
	return nil
}

// readRecord verifies a member's record.
func (s *session) readRecord(st identity.Statement, channel addr.Addr) (gossip.Record, error) {
	refuse := func(format string, args ...any) (gossip.Record, error) {
		return gossip.Record{}, rpc.Errorf(rpc.BadRequest, format, args...)
	}
	if work := identity.Work(st.By); work < s.n.cfg.Work {
		return refuse("the member's key has %d bits of work, this network asks for %d", work, s.n.cfg.Work)
	}
	r, err := gossip.OpenRecord(st)
	if err == nil {
		err = r.ValidAt(time.Now())
	}
	if err != nil {
		return refuse("%v", err)
	}
	if r.Network != s.n.cfg.Network || r.Channel != channel {
		return refuse("the record is of another channel")
	}
	return r, nil
}

// serveMembers answers a member, or one that asks.
func (n *Node) serveMembers(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	// A routed request has been counted by the router.
	if l := s.link(from.Addr); from.Direct && l != nil && !l.allow(time.Now()) {
		return nil, rpc.Errorf(rpc.Busy, "too many requests")
	}
	var in membersRequest
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	a, err := s.attend(from, in)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(a)
}

// attend notes a member and tells it of others.
func (s *session) attend(from rpc.Peer, in membersRequest) (membersAnswer, error) {
	var out membersAnswer
	if in.Record != nil {
		if in.Copy && !from.Direct || !in.Copy && in.Record.By != from.Node {
			return out, rpc.Errorf(rpc.Refused, "the record is another node's")
		}
		record, err := s.readRecord(*in.Record, in.Channel)
		if err != nil {
			return out, err
		}
		s.lobby.mu.Lock()
		s.lobby.places.Announce(time.Now(), in.Place, record, *in.Record)
		s.lobby.mu.Unlock()
		if !in.Copy {
			s.copyMember(from.Addr, in)
		}
	}
	if in.Copy {
		return out, nil
	}
	s.lobby.mu.Lock()
	records, count := s.lobby.places.Members(time.Now(), in.Channel, gossip.MaxAnswer, from.Node)
	s.lobby.mu.Unlock()
	out.Count, out.Records = uint64(count), records
	return out, nil
}

// copyMember tells the neighbours nearest to the place, but for the member itself.
func (s *session) copyMember(from addr.Addr, in membersRequest) {
	in.Copy = true
	body, err := cbor.Marshal(in)
	if err != nil {
		return // it came as CBOR
	}
	links := slices.DeleteFunc(s.all(), func(l *link) bool { return l.peer.Addr == from })
	slices.SortFunc(links, func(a, b *link) int { return addr.Compare(in.Place, a.peer.Addr, b.peer.Addr) })
	for _, l := range links[:min(maxCopies, len(links))] {
		select {
		case s.lobby.copying <- struct{}{}:
		default:
			return
		}
		tell := func() {
			defer func() { <-s.lobby.copying }()
			ctx, stop := s.bound(context.WithoutCancel(s.ctx), copyWait)
			defer stop()
			if _, err := l.call(ctx, scopeMembers, body); err != nil {
				s.n.log.Debug("meeting not copied", "peer", l.peer.Node, "err", err)
			}
		}
		if !s.spawn(tell) {
			<-s.lobby.copying
		}
	}
}
