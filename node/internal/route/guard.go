package route

import (
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/rpc"
)

// The bounds of a Guard.
const (
	// MaxGuarded is how many requests a Guard remembers at once, each until it would be
	// refused for its time. A source may have one for each guardShare places that are
	// free, so that a few sources leave room for others.
	MaxGuarded = 65536
	guardShare = 4

	// MaxKept is how many bytes of replies a Guard keeps for retries.
	MaxKept = 4 << 20
)

// Slack is by how much the clocks of two nodes may differ for requests between them, or
// by way of them: each may be wrong by a minute.
const Slack = 120 * time.Second

// A Guard keeps a destination from carrying a request out twice. It does not know what
// an earlier run of the node has carried out: that was sealed to another key, and what is
// not sealed changes nothing. It is not safe for concurrent use.
type Guard struct {
	network string
	known   map[name]*known
	sources map[identity.Entity]int // how many of known are whose
	kept    int
	swept   time.Time
	order   []name // of those with a reply kept, oldest first
}

// A name is a request whatever the attempt.
type name struct {
	source identity.Entity
	id     [16]byte
}

type known struct {
	hash    identity.Hash
	until   time.Time // when it would be refused for its time
	reply   *Reply
	done    bool
	waiting []uint64 // attempts that want the reply beside the first
}

// NewGuard returns a Guard that knows of no request.
func NewGuard(network string) *Guard {
	return &Guard{network: network, known: make(map[name]*known), sources: make(map[identity.Entity]int)}
}

// A Verdict is what to do with a request: answer it with Reply, refuse it with Err, let
// it be when Running, or, when all are zero, carry it out and tell Finish.
type Verdict struct {
	Reply   *Reply
	Err     error
	Running bool
}

// Admit judges an attempt at r.
func (g *Guard) Admit(now time.Time, r *Request, attempt uint64) Verdict {
	refuse := func(code rpc.Code, text string, args ...any) Verdict {
		return Verdict{Err: rpc.Errorf(code, text, args...)}
	}
	switch {
	case r.Network != g.network:
		return refuse(rpc.Refused, "the request is for another network")
	case r.Over(now):
		return refuse(rpc.Expired, "the request expired %s ago; compare the clocks", now.Sub(r.Expires).Round(time.Millisecond))
	case r.Issued.Sub(now) > Slack:
		return refuse(rpc.Expired, "the request is dated %s ahead; compare the clocks", r.Issued.Sub(now).Round(time.Millisecond))
	}
	n := name{r.Source, r.ID}
	if k := g.known[n]; k != nil && !now.After(k.until) {
		switch {
		case k.hash != r.Hash():
			return refuse(rpc.Replayed, "another request had this id")
		case !k.done:
			k.waiting = append(k.waiting, attempt)
			return Verdict{Running: true}
		case k.reply != nil:
			return Verdict{Reply: k.reply}
		}
		return refuse(rpc.Replayed, "the request was carried out before")
	}
	g.sweep(now)
	if g.known[n] != nil {
		g.drop(n) // its time is over
	}
	if free := MaxGuarded - len(g.known); free <= 0 || g.sources[r.Source] > free/guardShare {
		return refuse(rpc.Busy, "too many requests")
	}
	g.known[n] = &known{hash: r.Hash(), until: r.Expires.Add(Slack)}
	g.sources[r.Source]++
	return Verdict{}
}

// Finish keeps the reply to r for retries and returns the other attempts that
// wait for it.
func (g *Guard) Finish(r *Request, reply *Reply) (attempts []uint64) {
	n := name{r.Source, r.ID}
	k := g.known[n]
	if k == nil {
		return nil
	}
	attempts, k.waiting = k.waiting, nil
	k.done, k.reply = true, reply
	g.kept += len(reply.Encoded)
	g.order = append(g.order, n)
	for g.kept > MaxKept {
		g.forget(g.order[0])
		g.order = g.order[1:]
	}
	return attempts
}

// drop forgets a request.
func (g *Guard) drop(n name) {
	g.forget(n)
	delete(g.known, n)
	if g.sources[n.source]--; g.sources[n.source] == 0 {
		delete(g.sources, n.source)
	}
}

// forget drops the reply kept under n.
func (g *Guard) forget(n name) {
	if k := g.known[n]; k != nil && k.reply != nil {
		g.kept -= len(k.reply.Encoded)
		k.reply = nil
	}
}

// sweep forgets requests that would be refused as expired.
func (g *Guard) sweep(now time.Time) {
	if now.Sub(g.swept).Abs() < 5*time.Second {
		return
	}
	g.swept = now
	for n, k := range g.known {
		if now.After(k.until) {
			g.drop(n)
		}
	}
	order := g.order[:0]
	for _, n := range g.order {
		if k := g.known[n]; k != nil && k.reply != nil {
			order = append(order, n)
		}
	}
	g.order = order
}

// String shows how full the guard is.
func (g *Guard) String() string {
	return fmt.Sprintf("%d requests, %d bytes of replies", len(g.known), g.kept)
}
