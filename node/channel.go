package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/rpc"
)

// The bounds of channels.
const (
	// MaxPublished is the largest message of a channel, in bytes.
	MaxPublished = frame.MaxPublished

	// MaxPast is how many past messages can be asked for.
	MaxPast = frame.MaxPast

	// MaxChannels is how many channels a node is a member of at once.
	MaxChannels = 64

	// MaxChannelID is how long a channel's id may be, in bytes.
	MaxChannelID = 256

	// maxHeard and maxHeardBytes bound the messages that wait for one Channel.
	maxHeard      = 256
	maxHeardBytes = 1 << 20

	// joinWait is how long Join waits for a first partner.
	joinWait = 10 * time.Second
)

var (
	// ErrNoPeers is returned by Send when no other member is linked.
	ErrNoPeers = errors.New("nobody else is in the channel")

	// ErrBackpressure is returned by Send when the message is above what an
	// author may say, or no link has room for it. Try again a little later.
	ErrBackpressure = errors.New("the channel takes no more at the moment")
)

// A Published is a message of a channel.
type Published struct {
	// Author is the node that signed it, and At where that node is.
	Author identity.Entity
	At     addr.Addr

	// Issued is when, by its author's clock.
	Issued time.Time

	Scope string
	Body  []byte

	// Past tells that it answers Recall.
	Past bool

	// Missed is how many messages were lost before this one because they were
	// not taken in time: the reader lagged.
	Missed int
}

// A Channel is a membership in a channel: what any member says, all hear. All
// who know its id may join, speak and listen, and the nodes on the way see it.
// Several Channels of one node and id share the membership, and hear each
// other. All methods may be called at once.
type Channel struct {
	m    *membership
	done chan struct{} // closed by Close, or when the node goes offline

	mu     sync.Mutex // guards what follows
	heard  []Published
	bytes  int
	missed int
	past   bool          // the past was asked for
	more   chan struct{} // closed and replaced when there is more
	closed bool          // by Close
	over   bool          // the node went offline
}

// Join makes the node a member of the channel called channel, which exists while
// it has members. It returns when another member is linked, when nobody else is
// found, or after 10 s; then, and after losing all others, the node goes on
// looking. The id has 1 to 256 bytes of UTF-8. Errors are rpc.ErrBadRequest for
// an id that is none, rpc.ErrBusy for too many channels, ErrOffline and ctx's.
// The caller closes the Channel.
func (n *Node) Join(ctx context.Context, channel string) (*Channel, error) {
	if len(channel) < 1 || len(channel) > MaxChannelID || !utf8.ValidString(channel) {
		return nil, rpc.Errorf(rpc.BadRequest, "a channel's id has 1 to %d bytes of UTF-8", MaxChannelID)
	}
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	ch := &Channel{done: make(chan struct{}), more: make(chan struct{})}
	if err := s.channels.join(s, channel, ch); err != nil {
		return nil, err
	}
	wait := time.NewTimer(joinWait)
	defer wait.Stop()
	for {
		settled, changed := ch.m.settled()
		if settled {
			return ch, nil
		}
		select {
		case <-changed:
		case <-wait.C:
			return ch, nil
		case <-ch.done:
			return nil, ErrOffline
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), ch.Close())
		}
	}
}

// ID returns the channel's id.
func (c *Channel) ID() string { return c.m.id }

// Addr returns the channel's address.
func (c *Channel) Addr() addr.Addr { return c.m.at }

// Done is closed when the Channel is closed or the node goes offline.
func (c *Channel) Done() <-chan struct{} { return c.done }

// Partners returns the members that this one is linked to for the channel, seven
// at most. While there are none it is alone, or cut off.
func (c *Channel) Partners() []addr.Addr {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.m.core.PartnersAt()
}

// Members asks the channel's meeting places how many members there are, this one
// included. It is an estimate beyond some 60, and nobody vouches for it.
func (c *Channel) Members(ctx context.Context) int {
	found := c.m.s.lookUp(ctx, c.m.id, nil)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return max(found.Count, c.m.core.Partners()+1)
}

// Stats are counters of a membership. All Channels of one id share them.
type Stats struct {
	// Delivered are the messages heard, Copies how often one came again.
	Delivered, Copies uint64

	// Excess are messages above their author's rate or the link's, Stale those
	// dated more than two minutes off, Bad those that nobody signed.
	Excess, Stale, Bad uint64

	// Dropped are messages of others that were not passed on because a link
	// was too slow.
	Dropped uint64
}

// Stats returns the counters.
func (c *Channel) Stats() Stats {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	s := c.m.core.Stats()
	return Stats{
		Delivered: s.Delivered, Copies: s.Copies, Excess: s.Excess, Stale: s.Stale, Bad: s.Bad,
		Dropped: c.m.dropped.Load(),
	}
}

// Recall brings the last n messages, 16 at most, through Recv with Past set:
// those that this node has, and if they are fewer what another member has.
func (c *Channel) Recall(n int) {
	n = min(n, MaxPast)
	c.mu.Lock()
	c.past = true
	c.mu.Unlock()
	if c.m.recall(c, n) < n {
		c.m.step(gossip.Recall{Want: n})
	}
}

// Send says body, at most 64 KiB, to all members. It returns nil when the message
// has left for at least one of them, not when all have it. A node may say 20
// messages and 64 KiB a second in a channel. Errors are ErrNoPeers,
// ErrBackpressure, rpc.ErrTooLarge, rpc.ErrBadRequest for a scope that
// rpc.CheckScope refuses, net.ErrClosed, and ctx's: then the message may still
// leave.
func (c *Channel) Send(ctx context.Context, scope string, body []byte) error {
	if err := rpc.CheckScope(scope); err != nil {
		return rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if len(body) > MaxPublished {
		return rpc.Errorf(rpc.TooLarge, "a message of %d bytes, above %d", len(body), MaxPublished)
	}
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	return c.m.say(ctx, c, scope, body)
}

// Recv returns the next message. It blocks until one comes, ctx ends, or, which
// is net.ErrClosed, the Channel is closed or the node offline. Of messages that
// nobody takes 256 wait, or 1 MiB; then the oldest go, and the next says how many.
func (c *Channel) Recv(ctx context.Context) (Published, error) {
	for {
		c.mu.Lock()
		switch {
		case c.closed, c.over && len(c.heard) == 0:
			c.mu.Unlock()
			return Published{}, net.ErrClosed
		case len(c.heard) > 0:
			p := c.heard[0]
			c.heard[0] = Published{}
			c.heard = c.heard[1:]
			c.free(len(p.Body))
			p.Missed, c.missed = c.missed, 0
			c.mu.Unlock()
			return p, nil
		}
		more := c.more
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return Published{}, ctx.Err()
		}
	}
}

// Messages is Recv until it fails.
func (c *Channel) Messages(ctx context.Context) iter.Seq[Published] {
	return func(yield func(Published) bool) {
		for {
			p, err := c.Recv(ctx)
			if err != nil || !yield(p) {
				return
			}
		}
	}
}

// Close ends this Channel, and with the last of its id the membership. What was
// sent before still leaves. Closing again does nothing.
func (c *Channel) Close() error {
	c.end(true)
	c.m.s.channels.leave(c)
	return nil
}

// end closes the Channel, by Close or because the node went offline.
func (c *Channel) end(closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.over && !closed {
		return
	}
	if !c.over {
		close(c.done)
	}
	c.over = true
	if closed {
		c.closed, c.heard = true, nil
		c.free(c.bytes)
	}
	c.wake()
}

// hear queues a message.
func (c *Channel) hear(p Published) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || p.Past && !c.past {
		return
	}
	if !c.m.s.memory.take(len(p.Body)) {
		c.missed++
		return
	}
	c.heard = append(c.heard, p)
	c.bytes += len(p.Body)
	for len(c.heard) > maxHeard || c.bytes > maxHeardBytes {
		c.free(len(c.heard[0].Body))
		c.heard[0] = Published{}
		c.heard = c.heard[1:]
		c.missed++
	}
	c.wake()
}

// free counts n bytes that wait no more. c.mu is held.
func (c *Channel) free(n int) {
	c.bytes -= n
	c.m.s.memory.give(n)
}

// wake tells whoever waits in Recv. c.mu is held.
func (c *Channel) wake() {
	close(c.more)
	c.more = make(chan struct{})
}

// String names the channel.
func (c *Channel) String() string { return fmt.Sprintf("channel %q", c.m.id) }
