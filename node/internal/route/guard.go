package route

import (
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/rpc"
)

// The bounds of a Guard.
const (
	// MaxGuarded is how many requests a Guard remembers at once.
	MaxGuarded = 16384

	// MaxKept is how many bytes of replies a Guard keeps for retries.
	MaxKept = 4 << 20

	// MaxAhead is how far ahead of ours the source's clock may be: so long a
	// request is held until its time has come.
	MaxAhead = 2 * time.Second
)

// A Guard keeps a destination from carrying a request out twice, also over a
// restart: it never lets one in before its time of issue, and never one that
// was issued before it began, so what an earlier run let in it refuses. It is
// not safe for concurrent use.
type Guard struct {
	network string
	began   time.Time
	known   map[name]*known
	swept   time.Time
	kept    int
	order   []name // of those with a reply kept, oldest first
}

// A name is a request whatever the attempt.
type name struct {
	source identity.Entity
	id     [16]byte
}

type known struct {
	hash    identity.Hash
	expires time.Time
	reply   *Reply
	done    bool
	waiting []uint64 // attempts that want the reply beside the first
}

// NewGuard returns a Guard of a node that began at began.
func NewGuard(network string, began time.Time) *Guard {
	// A request bears milliseconds, cut off.
	return &Guard{network: network, began: began.Truncate(time.Millisecond), known: make(map[name]*known)}
}

// A Verdict is what to do with a request: hold it for Wait, answer it with
// Reply, refuse it with Err, let it be when Running, or, when all are zero,
// carry it out and tell Finish.
type Verdict struct {
	Wait    time.Duration
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
	case r.Issued.Before(g.began):
		return refuse(rpc.Expired, "the request was issued before this node started")
	case now.After(r.Expires):
		return refuse(rpc.Expired, "the request expired %s ago; compare the clocks", now.Sub(r.Expires).Round(time.Millisecond))
	case r.Issued.Sub(now) > MaxAhead:
		return refuse(rpc.Expired, "the request is dated %s ahead; compare the clocks", r.Issued.Sub(now).Round(time.Millisecond))
	case r.Issued.After(now):
		return Verdict{Wait: r.Issued.Sub(now)}
	}
	n := name{r.Source, r.ID}
	if k := g.known[n]; k != nil && !now.After(k.expires) {
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
	if len(g.known) >= MaxGuarded {
		return refuse(rpc.Busy, "too many requests")
	}
	g.known[n] = &known{hash: r.Hash(), expires: r.Expires}
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

// forget drops the reply kept under n.
func (g *Guard) forget(n name) {
	if k := g.known[n]; k != nil && k.reply != nil {
		g.kept -= len(k.reply.Encoded)
		k.reply = nil
	}
}

// sweep forgets requests that would be refused as expired.
func (g *Guard) sweep(now time.Time) {
	if now.Sub(g.swept) < time.Second {
		return
	}
	g.swept = now
	for n, k := range g.known {
		if now.After(k.expires) {
			g.forget(n)
			delete(g.known, n)
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
