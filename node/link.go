package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// The times of a link.
const (
	// helloWait is how long a handshake may take.
	helloWait = 5 * time.Second

	// deadWait is how long a single message may block the wire. After how much
	// silence a link is pinged and given up depends on how much it is needed:
	// see upkeep.Pace.
	deadWait = 15 * time.Second

	// lastWait is how long the last frame of a link may take to leave.
	lastWait = 500 * time.Millisecond

	// lingerTime is how long a writer stays when there is nothing to send. To
	// start one costs as much as a call.
	lingerTime = 100 * time.Millisecond
)

// maxStrikes is how many bad signatures a link survives, and one more ends it.
const maxStrikes = 2

// A Link is what a node shows of a link. It is a copy: it does not change.
type Link struct {
	// Peer is who is at the other end.
	Peer rpc.Peer

	// Transport is the wire ("ws", "wss", "webrtc", "mem", or "relay": over a
	// neighbour, until there is a direct way), Remote the other end as the wire
	// sees it, or the relay's address in the sea.
	Transport, Remote string

	// Outbound tells that this side dialled, URL what, if it was a URL.
	Outbound bool
	URL      string

	// Since is when the link was proven.
	Since time.Time

	// RTT is the smoothed round trip; 0 until the first is measured.
	RTT time.Duration

	// Observed is our own address as the peer saw it, in its words; only an
	// outbound link has it.
	Observed string

	// Skew is how far ahead of ours the peer's clock seemed when the link
	// began, less what ours was put forward since.
	Skew time.Duration

	// Agent is the peer's program, in its words.
	Agent string

	// Sent and Received are the bytes that went over the link, sealed.
	Sent, Received uint64

	// Obstacle says why a relayed link has no direct way yet; it is empty on
	// others.
	Obstacle string
}

// Relayed reports whether the link goes over a neighbour at that moment.
func (l Link) Relayed() bool { return l.Transport == relayWire }

// A link is a proven connection to a neighbour. There is one per peer.
type link struct {
	s        *session
	conn     transport.Conn
	hs       *hello.Session
	proof    hello.Proof
	peer     rpc.Peer
	url      string // what we dialled; empty if we did not by URL
	since    time.Time
	observed string

	lanes []*lane
	fast  *queue // of the lane for what must not wait
	bulk  *queue // of the lane for what is large; fast when there is one lane

	ctx    context.Context // of what runs for the link
	cancel context.CancelFunc
	alive  context.Context // ends with end
	dead   context.CancelFunc
	ending <-chan struct{} // alive.Done()
	told   chan struct{}   // closed when the node knows of the link, which then runs
	done   chan struct{}   // closed when the link has ended and the node has forgotten it
	once   sync.Once
	reason frame.Reason // why it ended, set before alive ends
	cause  error

	heard   atomic.Int64  // ns since since, of the last frame
	dialled atomic.Int64  // ns since since, when the peer was last dialled back
	sent    atomic.Uint64 // sealed bytes
	got     atomic.Uint64
	carried atomic.Int32 // connections that go over it, of ours or of others
	strikes atomic.Int32
	need    atomic.Uint32 // of this node, a table.Need
	held    atomic.Bool   // an application or the user wants the link, at either end
	own     atomic.Bool   // at this one
	doubted atomic.Bool   // a probe that decides about the link is under way

	watcher watcher
	loops   sync.WaitGroup // writers, and the readers of all lanes but the first

	calls  calls
	jobs   jobs
	inbox  inbox
	flow   flow
	outlet outlet // for channels

	mu      sync.Mutex // guards what follows
	rtt     time.Duration
	pings   map[uint64]chan<- time.Duration // who waits for a Pong
	sentAt  map[uint64]time.Time
	pingNo  uint64
	opened  bool   // we have told the peer that an application talks
	greet   bool   // the peer has told us
	others  string // URLs of other nodes, which the peer named because it has no room
	bucket  route.Bucket
	streams map[uint64]*stream // that the peer relays for us
}

// A lane is one ordered stream of sealed messages of a link.
type lane struct {
	conn  transport.Conn
	seal  hello.Sealer
	open  hello.Opener
	queue *queue
	join  *frame.Joiner // nil where large frames may not come

	uncounted int           // bytes in join that the node's budget does not have
	sending   atomic.Int64  // ns since the link's since, of a Send under way; 0 is none
	drained   chan struct{} // closed when the writer has ended
}

func newLink(s *session, conn transport.Conn, hs *hello.Session, url string) *link {
	l := &link{
		s: s, conn: conn, hs: hs, proof: hs.Peer, url: url, since: time.Now(),
		peer: rpc.Peer{
			Addr: hs.Peer.Addr(), Node: hs.Peer.Node, Entity: hs.Peer.Entity, Direct: true,
		},
		told: make(chan struct{}), done: make(chan struct{}),
		pings: make(map[uint64]chan<- time.Duration), sentAt: make(map[uint64]time.Time),
	}
	// What runs for the link outlives the session by the last frame.
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(s.ctx))
	l.alive, l.dead = context.WithCancel(context.WithoutCancel(s.ctx))
	l.ending = l.alive.Done()
	l.need.Store(uint32(table.Only))
	l.calls.init()
	l.jobs.init()
	l.inbox.init()
	l.flow.init()
	l.outlet.l = l
	l.watcher.init(l)
	l.addLane(conn, false)
	l.fast, l.bulk = l.lanes[0].queue, l.lanes[0].queue
	if b, ok := conn.(transport.Bulk); ok {
		if second := b.Bulk(); second != nil {
			l.addLane(second, true)
			l.bulk = l.lanes[1].queue
			l.lanes[0].join = nil
		}
	}
	return l
}

func (l *link) addLane(conn transport.Conn, bulk bool) {
	la := &lane{conn: conn, queue: newQueue(), join: new(frame.Joiner), drained: make(chan struct{})}
	la.seal, la.open = l.hs.Lane(bulk)
	l.lanes = append(l.lanes, la)
}

// info returns what the link shows.
func (l *link) info() Link {
	l.mu.Lock()
	rtt := l.rtt
	l.mu.Unlock()
	wire, remote := describe(l.conn)
	obstacle := ""
	if h, ok := l.conn.(*handover); ok {
		obstacle = h.obstacle()
	}
	return Link{
		Peer: l.who(), Transport: wire, Remote: remote, Outbound: l.hs.Initiator, URL: l.url, Since: l.since,
		RTT: rtt, Observed: l.observed, Skew: l.skew(), Agent: l.proof.Agent,
		Sent: l.sent.Load(), Received: l.got.Load(), Obstacle: obstacle,
	}
}

func describe(conn transport.Conn) (wire, remote string) {
	if d, ok := conn.(transport.Described); ok {
		return d.Transport(), rpc.Clean(d.Remote())
	}
	return "unknown", ""
}

// end begins to end the link, telling the peer why if it can be told. Only the
// first call counts.
func (l *link) end(reason frame.Reason, cause error) {
	l.once.Do(func() {
		l.reason, l.cause = reason, cause
		text := ""
		if reason == frame.ReasonProtocol && cause != nil {
			text = rpc.Clean(cause.Error())
		}
		l.dead()
		l.lanes[0].queue.close(&frame.Close{Reason: reason, Text: text})
		for _, la := range l.lanes[1:] {
			la.queue.close(nil)
		}
	})
}

// why returns the cause of the end in words.
func (l *link) why() error {
	if l.cause != nil {
		return fmt.Errorf("%v: %w", l.reason, l.cause)
	}
	return errors.New(l.reason.String())
}

// run carries the link until it ends, and returns when nothing of it runs but
// handlers, whose contexts have ended. It reads the first lane itself: so a link that is
// idle has one goroutine beside its wire's.
func (l *link) run() {
	for _, la := range l.lanes {
		la.queue.begin(func() { l.loops.Go(func() { l.write(la) }) })
	}
	for _, la := range l.lanes[1:] {
		l.loops.Go(func() { l.read(la) })
	}
	l.watcher.begin()
	context.AfterFunc(l.alive, l.finish)
	l.read(l.lanes[0])
	<-l.ctx.Done() // finish has ended
	l.loops.Wait()
	for _, la := range l.lanes {
		if la.join != nil {
			l.s.memory.give(la.join.Held() - la.uncounted)
		}
	}
	l.inbox.close()
}

// finish closes the wire of a link that has ended, once the last frame has left.
func (l *link) finish() {
	defer l.cancel()
	l.watcher.end()
	l.calls.fail(rpc.Errorf(rpc.Unreachable, "the link ended: %v", l.why()))
	// The last frame says why; a wire that does not take it is not waited for.
	late := time.NewTimer(lastWait)
	defer late.Stop()
	select {
	case <-l.lanes[0].drained:
	case <-late.C:
	}
	l.conn.Close()
}

// A desk is what a writer needs of memory: for a piece, and for it sealed.
type desk struct{ piece, sealed []byte }

var desks = sync.Pool{New: func() any { return new(desk) }}

// write sends what la's queue gives. It runs until there has been nothing for a
// while, and a last time after the queue's close.
func (l *link) write(la *lane) {
	d := desks.Get().(*desk)
	defer desks.Put(d)
	linger := time.NewTimer(lingerTime)
	defer linger.Stop()
	for {
		// Ends by the queue's close, not by ctx, so that the last frame leaves.
		piece, done, closed := la.queue.take(&d.piece, false)
		if piece == nil && !closed {
			linger.Reset(lingerTime)
			select {
			case <-la.queue.wake:
				continue
			case <-linger.C:
			}
			if piece, done, closed = la.queue.take(&d.piece, true); piece == nil && !closed {
				return
			}
		}
		if piece == nil {
			break
		}
		var err error
		if d.sealed, err = la.seal.Seal(d.sealed[:0], piece); err != nil {
			l.end(frame.ReasonProtocol, err)
			break
		}
		la.sending.Store(max(1, int64(time.Since(l.since))))
		err = la.conn.Send(l.ctx, d.sealed)
		la.sending.Store(0)
		if err != nil {
			l.end(frame.ReasonNone, doing("send", err))
			break
		}
		l.sent.Add(uint64(len(d.sealed)))
		if done != nil {
			close(done.sent)
		}
	}
	close(la.drained) // the queue takes this one for running still
}

// read takes what comes on la until the link ends.
func (l *link) read(la *lane) {
	for {
		msg, err := la.conn.Recv(l.ctx)
		if err != nil {
			l.end(frame.ReasonNone, doing("receive", err))
			return
		}
		plain, err := la.open.Open(msg)
		if err != nil {
			l.end(frame.ReasonProtocol, err)
			return
		}
		l.heard.Store(int64(time.Since(l.since)))
		l.got.Add(uint64(len(msg)))
		f, err := frame.Decode(plain)
		if err != nil {
			l.end(frame.ReasonProtocol, err)
			return
		}
		if part, ok := f.(*frame.Part); ok {
			if f, err = l.joinPart(la, part); err != nil {
				l.end(frame.ReasonProtocol, err)
				return
			}
			transport.Recycle(msg) // the joiner has a copy
			if f == nil {
				continue
			}
		}
		if err := l.take(f); err != nil {
			return
		}
	}
}

// joinPart puts a part to the others of its frame, within the node's budget.
func (l *link) joinPart(la *lane, part *frame.Part) (frame.Frame, error) {
	if la.join == nil {
		return nil, errors.New("a part on the lane for small frames")
	}
	before := la.join.Held()
	f, err := la.join.Add(part)
	more := la.join.Held() - before
	if more <= 0 {
		l.s.memory.give(-more)
		return f, err
	}
	if !l.s.memory.take(more) {
		// What is not counted must not be freed: see run.
		la.uncounted = more
		return nil, errNoRoom
	}
	return f, err
}

// errEnded stops a reader whose link ends already.
var errEnded = errors.New("link ended")

// take acts on a frame. It never waits for anybody: a reader that waits would
// let a slow handler look like a dead peer.
func (l *link) take(f frame.Frame) error {
	var err error
	switch f := f.(type) {
	case *frame.Ping:
		err = l.fast.urgent(&frame.Pong{N: f.N})
	case *frame.Pong:
		l.pong(f.N)
	case *frame.Elsewhere:
		l.mu.Lock()
		l.others = f.URLs
		l.mu.Unlock()
	case *frame.Close:
		l.closedByPeer(f)
		return errEnded
	case *frame.Credit:
		err = l.flow.grant(f.N)
	case *frame.Open:
		l.greeted()
	case *frame.Message:
		l.greeted()
		err = l.inbox.put(f, &l.s.memory)
	case *frame.Request:
		err = l.jobs.start(l, f)
	case *frame.Reply:
		l.calls.reply(f)
	case *frame.Cancel:
		l.jobs.cancel(f.ID)
	case *frame.Relay:
		if f.Out == 0 {
			l.s.relays.pass(l, f)
		} else if c := l.stream(f.Stream); c != nil {
			c.take(f)
		}
	case *frame.RelayCredit:
		if f.Out == 0 {
			l.s.relays.credit(l, f)
		} else if c := l.stream(f.Stream); c != nil {
			c.grant(f.N)
		}
	case *frame.RelayEnd:
		if f.Out == 0 {
			l.s.relays.end(l, f.Stream)
		} else if c := l.stream(f.Stream); c != nil {
			c.end()
		}
	case *frame.Routed:
		l.s.router.routed(l, f)
	case *frame.Need:
		l.s.keeper.step(upkeep.Needs{From: l.peer.Addr, Need: table.Need(f.N)})
	case *frame.Ack:
		l.s.router.step(route.Acked{From: l.peer.Addr, Hop: f.Hop})
	case *frame.Nak:
		l.s.router.step(route.Naked{From: l.peer.Addr, Frame: f})
	case *frame.Answer:
		l.s.router.answer(l, f)
	default:
		if !l.s.channels.take(l, f) {
			err = fmt.Errorf("a %v has no place here", f.Tag())
		}
	}
	if err != nil {
		l.end(frame.ReasonProtocol, err)
		return errEnded
	}
	return nil
}

// closedByPeer ends the link for the reason that the peer gave.
func (l *link) closedByPeer(f *frame.Close) {
	cause := errors.New("the peer closed the link")
	if f.Text != "" {
		cause = fmt.Errorf("the peer closed the link: %s", rpc.Clean(f.Text))
	}
	l.end(f.Reason, cause)
}

// strike counts a bad signature or a reply that fits nothing.
func (l *link) strike(err error) {
	l.s.n.log.Debug("bad statement on link", "peer", l.peer.Node, "err", err)
	if l.strikes.Add(1) > maxStrikes {
		l.end(frame.ReasonProtocol, doing("too many bad statements", err))
	}
}

// ping asks for a Pong; the round trip goes to told, if that is not nil, which
// must have room for it.
func (l *link) ping(told chan<- time.Duration) uint64 {
	l.mu.Lock()
	l.pingNo++
	no := l.pingNo
	l.sentAt[no] = time.Now()
	delete(l.sentAt, no-16) // so many may be under way unanswered
	if told != nil {
		l.pings[no] = told
	}
	l.mu.Unlock()
	// Ends by itself when the link does.
	_ = l.fast.urgent(&frame.Ping{N: no})
	return no
}

func (l *link) pong(no uint64) {
	l.mu.Lock()
	at, ok := l.sentAt[no]
	delete(l.sentAt, no)
	told := l.pings[no]
	delete(l.pings, no)
	l.mu.Unlock()
	if !ok {
		return
	}
	rtt := time.Since(at)
	if told != nil {
		told <- max(rtt, time.Microsecond)
	}
	l.measured(rtt)
}

// measured takes a round trip into the link's estimate.
func (l *link) measured(rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	l.mu.Lock()
	if l.rtt == 0 {
		l.rtt = rtt
	} else {
		l.rtt += (rtt - l.rtt) / 8 // RFC 6298 §2
	}
	smooth := l.rtt
	l.mu.Unlock()
	l.s.router.step(route.LinkUp{Addr: l.peer.Addr, RTT: smooth})
}

// probe reports the round trip, or an error when no Pong comes before ctx or
// the link ends.
func (l *link) probe(ctx context.Context) (time.Duration, error) {
	told := make(chan time.Duration, 1)
	no := l.ping(told)
	defer func() {
		l.mu.Lock()
		delete(l.pings, no)
		l.mu.Unlock()
	}()
	select {
	case rtt := <-told:
		return rtt, nil
	case <-l.ending:
		return 0, rpc.Errorf(rpc.Unreachable, "the link ended: %v", l.why())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// greeted notes that the peer's application talks, and tells ours once.
func (l *link) greeted() {
	l.mu.Lock()
	first := !l.greet
	l.greet = true
	l.mu.Unlock()
	if first {
		l.hold(false)
		l.s.n.events.emit(Event{Kind: Connected, Peer: l.who()})
	}
}
