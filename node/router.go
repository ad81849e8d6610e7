package node

import (
	"context"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
)

// The bounds of routed calls.
const (
	// maxServing is how many routed requests handlers may work on at once.
	maxServing = 256

	// maxSources is how many sources' rates are kept.
	maxSources = 1024
)

// A router is the shell around route.Core: it verifies, signs, sends, and
// keeps the time.
type router struct {
	s       *session
	wake    chan struct{} // holds a token when the core's next time may be sooner
	serving chan struct{} // a token per request that handlers work on

	mu      sync.Mutex // guards what follows
	core    *route.Core
	guard   *route.Guard
	waiting map[[16]byte]*asking // our own requests
	sources map[identity.Entity]*route.Bucket
}

// An asking is a routed call of ours.
type asking struct {
	reply  chan replied  // has room for one
	failed chan rpc.Code // has room for each attempt
	first  []handed      // neighbours that attempts began through
}

// handed tells which neighbour took an attempt.
type handed struct {
	attempt uint64
	to      addr.Addr
}

// replied is the reply, and the neighbours that attempts before the answered one
// began through.
type replied struct {
	reply *route.Reply
	slow  []addr.Addr
}

func newRouter(s *session) *router {
	return &router{
		s:       s,
		wake:    make(chan struct{}, 1),
		serving: make(chan struct{}, maxServing),
		core:    route.New(s.n.addr),
		guard:   route.NewGuard(s.n.cfg.Network),
		waiting: make(map[[16]byte]*asking),
		sources: make(map[identity.Entity]*route.Bucket),
	}
}

// run lets time pass in the core.
func (r *router) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		next := r.core.Wake()
		r.mu.Unlock()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
			r.step(route.Tick{})
		case <-r.wake:
		case <-r.s.ctx.Done():
			return
		}
	}
}

// step gives the core an event and does what it says.
func (r *router) step(e route.Event) {
	r.mu.Lock()
	effects := r.core.Step(time.Now(), e)
	for _, effect := range effects {
		// What waits for an answer is told under the lock, so that it hears
		// of each attempt in order.
		r.tell(effect)
	}
	r.mu.Unlock()
	for _, effect := range effects {
		r.do(effect)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// tell passes on what concerns our own requests. r.mu is held.
func (r *router) tell(effect route.Effect) {
	switch e := effect.(type) {
	case route.Done:
		if a := r.waiting[e.Key.ID]; a != nil {
			var slow []addr.Addr
			for _, h := range a.first {
				if h.attempt < e.Key.Attempt {
					slow = append(slow, h.to)
				}
			}
			select {
			case a.reply <- replied{e.Reply, slow}:
			default: // another attempt's reply was first
			}
		}
	case route.Failed:
		if a := r.waiting[e.Key.ID]; a != nil {
			a.failed <- e.Code
		}
	case route.Handed:
		if a := r.waiting[e.Key.ID]; a != nil {
			a.first = append(a.first, handed{e.Key.Attempt, e.To})
		}
	}
}

func (r *router) do(effect route.Effect) {
	switch e := effect.(type) {
	case route.Send:
		if l := r.s.link(e.To); l != nil {
			l.carry(e.Frame)
		}
	case route.Deliver:
		r.deliver(e)
	case route.Suspect:
		if l := r.s.link(e.Who); l != nil {
			l.doubt(upkeep.DoubtFor)
		}
	case route.Blame:
		if l := r.s.link(e.Who); l != nil {
			l.strike(e.Err)
		}
	}
}

// carry sends a frame of routing. What does not fit the queue is dropped: the
// hop before notices.
func (l *link) carry(f frame.Frame) {
	switch f := f.(type) {
	case *frame.Routed:
		l.carryLarge(f, len(f.Statement))
	case *frame.Answer:
		l.carryLarge(f, len(f.Statement))
	default:
		_ = l.fast.urgent(f) // fails only when the link ends
	}
}

func (l *link) carryLarge(f frame.Frame, size int) {
	q := l.queueFor(size)
	if q.full() {
		return
	}
	_, _ = q.push(f) // fails only when the link ends
}

// routed takes a request from a neighbour.
func (r *router) routed(l *link, f *frame.Routed) {
	nak := func(code rpc.Code) {
		l.carry(&frame.Nak{Hop: f.Hop, Code: code, Budget: f.Budget})
	}
	req, err := route.ReadRequest(f.Statement)
	if err != nil {
		l.strike(err)
		nak(rpc.BadRequest)
		return
	}
	now := time.Now()
	switch {
	case req.Network != r.s.n.cfg.Network:
		nak(rpc.Refused)
		return
	case identity.Work(req.Source) < r.s.n.cfg.Work:
		l.strike(rpc.Errorf(rpc.Refused, "the source's key has too little work"))
		nak(rpc.Refused)
		return
	case !l.allow(now):
		nak(rpc.Busy)
		return
	case req.Over(now):
		nak(rpc.Expired)
		return
	}
	r.mu.Lock()
	seen := r.core.Seen(now, route.Key{Source: req.Source, ID: req.ID, Attempt: f.Attempt})
	r.mu.Unlock()
	if !seen {
		if err := req.Verify(); err != nil {
			l.strike(err)
			nak(rpc.BadRequest)
			return
		}
		// After the signature, so that nobody can use another's rate up.
		if !r.allow(now, req.Source) {
			nak(rpc.Busy)
			return
		}
	}
	r.step(route.Arrived{From: l.peer.Addr, Frame: f, Req: req})
}

// allow takes a token of the link's rate.
func (l *link) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket.Take(now)
}

// allow takes a token of the source's rate.
func (r *router) allow(now time.Time, source identity.Entity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.sources[source]
	if b == nil {
		for e, other := range r.sources {
			if len(r.sources) < maxSources {
				break
			}
			if other.Full(now) {
				delete(r.sources, e)
			}
		}
		if len(r.sources) >= maxSources {
			return false
		}
		b = new(route.Bucket)
		r.sources[source] = b
	}
	return b.Take(now)
}

// answer takes a reply from a neighbour.
func (r *router) answer(l *link, f *frame.Answer) {
	reply, err := route.ReadReply(f.Statement)
	if err != nil {
		l.strike(err)
		return
	}
	r.mu.Lock()
	awaited := r.core.Awaits(l.peer.Addr, route.Key{Source: reply.To, ID: reply.ID, Attempt: f.Attempt})
	r.mu.Unlock()
	if !awaited {
		return // too late, or nobody asked
	}
	if err := reply.Verify(); err != nil {
		l.strike(err)
		return
	}
	r.step(route.Answered{From: l.peer.Addr, Attempt: f.Attempt, Reply: reply})
}

// deliver carries a request out that ends here.
func (r *router) deliver(d route.Deliver) {
	select {
	case r.serving <- struct{}{}:
	default:
		r.finish(d.Key, d.Req, inOpen(nil, rpc.Errorf(rpc.Busy, "too many routed requests")), false)
		return
	}
	if !r.s.spawn(func() {
		defer func() { <-r.serving }()
		r.judge(d)
	}) {
		<-r.serving
	}
}

// judge asks the guard about a request and does what it says.
func (r *router) judge(d route.Deliver) {
	key, req := d.Key, d.Req
	r.mu.Lock()
	v := r.guard.Admit(time.Now(), req, key.Attempt)
	r.mu.Unlock()
	switch {
	case v.Err != nil:
		r.finish(key, req, inOpen(nil, v.Err), false)
	case v.Reply != nil:
		r.step(route.Answered{From: r.s.n.addr, Attempt: key.Attempt, Reply: v.Reply})
	case v.Running:
	default:
		r.finish(key, req, r.carryOut(d), true)
	}
}

// carryOut does what a request asks and returns what the reply says.
func (r *router) carryOut(d route.Deliver) route.Reply {
	req := d.Req
	if !req.Sealed() {
		return inOpen(r.s.n.serve(r.s.ctx, source(req), req.Scope, nil))
	}
	call, answers, err := r.s.sealing.Open(req.Binding(), req.Body)
	if answers == nil {
		r.s.n.log.Debug("sealed call does not open", "peer", req.Source, "err", err)
		return inOpen(nil, errStale)
	}
	var body []byte
	if err == nil {
		body, err = r.handle(d, call)
	} else {
		err = rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	return r.closed(req, answers, body, err)
}

// errStale answers a call that does not open. It is in the open: there is no key
// that both sides have.
var errStale = rpc.Errorf(rpc.Expired, "the call does not open: it was sealed to a key of an earlier run")

// source is who signed a request.
func source(req *route.Request) rpc.Peer {
	return rpc.Peer{Addr: addr.OfNode(req.Source), Node: req.Source, Entity: req.Source}
}

// handle runs the handler for a sealed call.
func (r *router) handle(d route.Deliver, call sealed.Call) ([]byte, error) {
	from := source(d.Req)
	from.Entity, _ = r.s.n.actsFor(from.Node, call.Certificate, time.Now()) // logged there
	ctx, cancel := context.WithTimeout(r.s.ctx, routedWait)
	defer cancel()
	if call.Scope == scopeRTC {
		// Which candidates may be tried depends on the way the offer came.
		return r.s.takeOffer(ctx, from, d.From, d.Req.Issued, call.Body)
	}
	return r.s.n.serve(ctx, from, call.Scope, call.Body)
}

// inOpen is a reply that everybody on the way can read.
func inOpen(body []byte, err error) route.Reply {
	if err != nil {
		code, text := rpc.Outcome(err)
		return route.Reply{Code: code, Text: text}
	}
	return route.Reply{Body: body}
}

// closed is a reply that only the source can read.
func (r *router) closed(req *route.Request, answers *sealed.Answers, body []byte, err error) route.Reply {
	if err == nil && len(body) > frame.MaxRouted {
		err = rpc.Errorf(rpc.TooLarge, "the answer has %d bytes, a routed one at most %d", len(body), frame.MaxRouted)
	}
	o := sealed.Outcome{Body: body}
	if err != nil {
		o.Body = nil
		o.Code, o.Text = rpc.Outcome(err)
	}
	b, err := answers.Seal(req.Hash(), o)
	if err != nil {
		r.s.n.log.Error("answer cannot be sealed", "peer", req.Source, "err", err)
		return inOpen(nil, rpc.ErrInternal)
	}
	return route.Reply{Body: b}
}

// finish signs the reply to a request and sends it on its way. kept tells that
// the guard let the request in and keeps the reply for retries.
func (r *router) finish(key route.Key, req *route.Request, says route.Reply, kept bool) {
	reply := &says
	reply.To, reply.Network, reply.ID, reply.Request = req.Source, req.Network, req.ID, req.Hash()
	if err := reply.Sign(r.s.n.self); err != nil {
		r.s.n.log.Error("reply cannot be signed", "peer", req.Source, "err", err)
		return
	}
	attempts := []uint64{key.Attempt}
	if kept {
		r.mu.Lock()
		attempts = append(attempts, r.guard.Finish(req, reply)...)
		r.mu.Unlock()
	}
	for _, attempt := range attempts {
		r.step(route.Answered{From: r.s.n.addr, Attempt: attempt, Reply: reply})
	}
}

// forget takes a call of ours out of everything that waits for it.
func (r *router) forget(req *route.Request) {
	r.mu.Lock()
	delete(r.waiting, req.ID)
	r.mu.Unlock()
	for attempt := range uint64(frame.MaxAttempt + 1) {
		r.step(route.GaveUp{Key: route.Key{Source: req.Source, ID: req.ID, Attempt: attempt}})
	}
}
