package node

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/rpc"
)

// The times and bounds of routed calls.
const (
	// routedWait is when a routed call is given up, retryWait when it is sent
	// again through another neighbour.
	routedWait = 10 * time.Second
	retryWait  = 3 * time.Second

	// maxServing is how many routed requests handlers may work on at once,
	// those held until their time included.
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
	reply  chan *route.Reply // has room for one
	failed chan rpc.Code     // has room for each attempt
	first  []addr.Addr       // neighbours that attempts began through
}

func newRouter(s *session) *router {
	return &router{
		s:       s,
		wake:    make(chan struct{}, 1),
		serving: make(chan struct{}, maxServing),
		core:    route.New(s.n.addr),
		guard:   route.NewGuard(s.n.cfg.Network, time.Now()),
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
			select {
			case a.reply <- e.Reply:
			default: // another attempt's reply was first
			}
		}
	case route.Failed:
		if a := r.waiting[e.Key.ID]; a != nil {
			a.failed <- e.Code
		}
	case route.Handed:
		if a := r.waiting[e.Key.ID]; a != nil {
			a.first = append(a.first, e.To)
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
	case now.After(req.Expires):
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
	r.step(route.Answered{From: l.peer.Addr, Attempt: f.Attempt, Reply: reply})
}

// deliver carries a request out that ends here.
func (r *router) deliver(d route.Deliver) {
	select {
	case r.serving <- struct{}{}:
	default:
		r.finish(d.Key, d.Req, nil, rpc.Errorf(rpc.Busy, "too many routed requests"), false)
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
	for {
		r.mu.Lock()
		v := r.guard.Admit(time.Now(), req, key.Attempt)
		r.mu.Unlock()
		switch {
		case v.Wait > 0:
			if !r.s.pause(v.Wait) {
				return
			}
		case v.Err != nil:
			r.finish(key, req, nil, v.Err, false)
			return
		case v.Reply != nil:
			r.step(route.Answered{From: r.s.n.addr, Attempt: key.Attempt, Reply: v.Reply})
			return
		case v.Running:
			return
		default:
			body, err := r.handle(d)
			r.finish(key, req, body, err, true)
			return
		}
	}
}

// handle runs the handler for a routed request.
func (r *router) handle(d route.Deliver) ([]byte, error) {
	req := d.Req
	from := rpc.Peer{Addr: addr.OfNode(req.Source), Node: req.Source}
	from.Entity, _ = r.s.n.actsFor(req.Source, req.Certificate, time.Now()) // logged there
	ctx, cancel := context.WithTimeout(r.s.ctx, routedWait)
	defer cancel()
	if req.Scope == scopeRTC {
		// Which candidates may be tried depends on the way the offer came.
		return r.s.takeOffer(ctx, from, d.From, req.Body)
	}
	return r.s.n.serve(ctx, from, req.Scope, req.Body)
}

// finish signs the reply to a request and sends it on its way. kept tells that
// the guard let the request in and keeps the reply for retries.
func (r *router) finish(key route.Key, req *route.Request, body []byte, err error, kept bool) {
	if err == nil && len(body) > frame.MaxRouted {
		err = rpc.Errorf(rpc.TooLarge, "the answer has %d bytes, a routed one at most %d", len(body), frame.MaxRouted)
	}
	reply := &route.Reply{To: req.Source, Network: req.Network, ID: req.ID, Request: req.Hash(), Body: body}
	if err != nil {
		reply.Body = nil
		reply.Code, reply.Text = rpc.Outcome(err)
	}
	if err := reply.Sign(r.s.n.self); err != nil {
		r.s.n.log.Error("reply cannot be signed", "scope", req.Scope, "err", err)
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

// callRouted asks a node that we have no link to.
func (s *session) callRouted(ctx context.Context, to, not addr.Addr, scope string, body []byte) ([]byte, error) {
	reply, err := s.askRouted(ctx, to, not, scope, body)
	if err != nil {
		return nil, err
	}
	return reply.Body, rpc.FromWire(reply.Code, reply.Text)
}

// askRouted sends a signed request on its way and waits for the signed reply:
// at once through one neighbour, after 3 s and 6 s, or when an attempt fails,
// through others, and until 10 s have passed.
func (s *session) askRouted(ctx context.Context, to, not addr.Addr, scope string, body []byte) (*route.Reply, error) {
	if len(body) > frame.MaxRouted {
		return nil, rpc.Errorf(rpc.TooLarge, "a body of %d bytes, a routed one at most %d", len(body), frame.MaxRouted)
	}
	now := time.Now()
	req := &route.Request{
		Network: s.n.cfg.Network, To: to, Not: not, Issued: now, Expires: now.Add(route.MaxLife),
		Scope: scope, Body: body, Certificate: s.n.cfg.Certificate,
	}
	rand.Read(req.ID[:])
	if err := req.Sign(s.n.self); err != nil {
		return nil, err
	}
	a := &asking{reply: make(chan *route.Reply, 1), failed: make(chan rpc.Code, frame.MaxAttempt+1)}
	r := s.router
	r.mu.Lock()
	r.waiting[req.ID] = a
	r.mu.Unlock()
	defer r.forget(req)

	end := time.NewTimer(routedWait)
	defer end.Stop()
	retry := time.NewTimer(retryWait)
	defer retry.Stop()
	attempt, flying := uint64(0), 0
	begin := func() {
		r.mu.Lock()
		avoid := append([]addr.Addr(nil), a.first...)
		r.mu.Unlock()
		flying++
		r.step(route.Begin{Req: req, Attempt: attempt, Avoid: avoid})
		retry.Reset(retryWait)
	}
	begin()
	for {
		again := false
		select {
		case reply := <-a.reply:
			return reply, nil
		case code := <-a.failed:
			flying--
			if attempt == frame.MaxAttempt && flying == 0 {
				return nil, rpc.Errorf(code, "no way to %s from %d links", to.Short(), len(s.all()))
			}
			again = flying == 0
		case <-retry.C:
			again = true
		case <-end.C:
			return nil, rpc.Errorf(rpc.Timeout, "%s did not answer in %s", to.Short(), routedWait)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, ErrOffline
		}
		if again && attempt < frame.MaxAttempt {
			attempt++
			begin()
		}
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
