package node

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/rpc"
)

// The times of routed calls.
const (
	// routedWait is when a routed call is given up, the look-up of the key it
	// is sealed to included; retryWait is when a request is sent again through
	// another neighbour.
	routedWait = 10 * time.Second
	retryWait  = 3 * time.Second
)

// A routedCall is a call to a node that we have no link to, until it is over.
type routedCall struct {
	s     *session
	to    addr.Addr
	via   addr.Addr // the neighbour to begin at; zero is any
	until time.Time
	avoid []addr.Addr // neighbours that were slow for it
}

// callRouted asks a node that we have no link to. What is asked and what comes
// back is sealed to the node's key: the one we know from its contact record, else
// the node is asked for it first. A node that has started anew has another key,
// and says so; then it is asked for that one.
func (s *session) callRouted(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	return s.callVia(ctx, to, addr.Addr{}, scope, body)
}

// callVia is callRouted that begins at the neighbour via, if there is one.
func (s *session) callVia(ctx context.Context, to, via addr.Addr, scope string, body []byte) ([]byte, error) {
	if len(body) > frame.MaxRouted {
		return nil, rpc.Errorf(rpc.TooLarge, "a body of %d bytes, a routed one at most %d", len(body), frame.MaxRouted)
	}
	now := time.Now()
	c := &routedCall{s: s, to: to, via: via, until: now.Add(routedWait)}
	key, known := s.directory.find(now, to)
	if !known {
		var err error
		if key, err = c.key(ctx); err != nil {
			return nil, err
		}
	}
	call := sealed.Call{Scope: scope, Body: body, Certificate: s.n.cfg.Certificate}
	out, stale, err := c.ask(ctx, key, call)
	if stale && known {
		fresh, lookup := c.key(ctx)
		if lookup != nil {
			return nil, lookup
		}
		if fresh != key {
			out, _, err = c.ask(ctx, fresh, call)
		}
	}
	return out, err
}

// key asks the node for its contact record and returns the key in it.
func (c *routedCall) key(ctx context.Context) (key [sealed.KeySize]byte, err error) {
	reply, err := c.askRouted(ctx, c.s.request(c.to, scopeContact))
	if err != nil {
		return key, err
	}
	if _, err := c.s.readContact(scopeContact, reply); err != nil {
		return key, err
	}
	key, known := c.s.directory.find(time.Now(), c.to)
	if !known {
		return key, rpc.Errorf(rpc.Unavailable, "the contact record of %s has ended", c.to.Short())
	}
	return key, nil
}

// ask seals a call and opens what comes back. stale tells that the node could
// not open the call, or would not because of its time.
func (c *routedCall) ask(ctx context.Context, key [sealed.KeySize]byte, call sealed.Call) (body []byte, stale bool, err error) {
	req := c.s.request(c.to, route.SealedScope)
	closed, answers, err := sealed.Seal(key, req.Binding(), call)
	if err != nil {
		return nil, false, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	req.Body = closed
	reply, err := c.askRouted(ctx, req)
	switch {
	case err != nil:
		return nil, false, err
	case reply.Code != rpc.OK:
		return nil, reply.Code == rpc.Expired, rpc.FromWire(reply.Code, reply.Text)
	}
	out, err := answers.Open(req.Hash(), reply.Body)
	if err != nil {
		return nil, false, rpc.Errorf(rpc.BadRequest, "the answer of %s: %v", c.to.Short(), err)
	}
	return out.Body, false, rpc.FromWire(out.Code, out.Text)
}

// request returns a request to the node at to, which lacks its body if it is to
// be sealed, and the signature.
func (s *session) request(to addr.Addr, scope string) *route.Request {
	now := time.Now()
	req := &route.Request{
		Source: s.n.self.Entity(), Network: s.n.cfg.Network, To: to,
		Issued: now, Expires: now.Add(route.MaxLife), Scope: scope,
	}
	rand.Read(req.ID[:])
	return req
}

// askRouted signs a request, sends it on its way and waits for the signed reply:
// at once through one neighbour, after 3 s and 6 s, or when an attempt fails,
// through others, and until the call's time is over.
func (c *routedCall) askRouted(ctx context.Context, req *route.Request) (*route.Reply, error) {
	s := c.s
	if err := req.Sign(s.n.self); err != nil {
		return nil, err
	}
	a := &asking{reply: make(chan replied, 1), failed: make(chan rpc.Code, frame.MaxAttempt+1)}
	r := s.router
	r.mu.Lock()
	r.waiting[req.ID] = a
	r.mu.Unlock()
	defer r.forget(req)

	end := time.NewTimer(time.Until(c.until))
	defer end.Stop()
	retry := time.NewTimer(retryWait)
	defer retry.Stop()
	attempt, flying := uint64(0), 0
	begin := func() {
		r.mu.Lock()
		avoid := slices.Clone(c.avoid)
		for _, h := range a.first {
			avoid = append(avoid, h.to)
		}
		r.mu.Unlock()
		flying++
		begin := route.Begin{Req: req, Attempt: attempt, Avoid: avoid}
		if attempt == 0 {
			begin.First = c.via
		}
		r.step(begin)
		retry.Reset(retryWait)
	}
	begin()
	for {
		again := false
		select {
		case got := <-a.reply:
			c.avoid = append(c.avoid, got.slow...)
			return got.reply, nil
		case code := <-a.failed:
			flying--
			if attempt == frame.MaxAttempt && flying == 0 {
				return nil, rpc.Errorf(code, "no way to %s from %d links", c.to.Short(), len(s.all()))
			}
			again = flying == 0
		case <-retry.C:
			again = true
		case <-end.C:
			return nil, rpc.Errorf(rpc.Timeout, "%s did not answer in %s", c.to.Short(), routedWait)
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
