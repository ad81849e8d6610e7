package route

import (
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/rpc"
)

func guarded(id byte, issued time.Time) *Request {
	r := &Request{Network: "sea", ID: [16]byte{id}, Issued: issued, Expires: issued.Add(MaxLife), Scope: "x"}
	r.Signed = identity.Statement{Body: []byte{id}}
	return r
}

func TestGuard(t *testing.T) {
	g := NewGuard("sea")
	now := noon.Add(time.Minute)
	r := guarded(1, now)
	if v := g.Admit(now, r, 0); v != (Verdict{}) {
		t.Fatalf("fresh: %+v", v)
	}
	if v := g.Admit(now, r, 1); !v.Running {
		t.Errorf("while it runs: %+v", v)
	}
	reply := &Reply{Encoded: []byte("reply")}
	if attempts := g.Finish(r, reply); len(attempts) != 1 || attempts[0] != 1 {
		t.Errorf("attempts %v", attempts)
	}
	if v := g.Admit(now, r, 2); v.Reply != reply {
		t.Errorf("a retry: %+v", v)
	}
	other := guarded(1, now)
	other.Signed.Body = []byte("other")
	if v := g.Admit(now, other, 0); !errors.Is(v.Err, rpc.ErrReplayed) {
		t.Errorf("another request with this id: %+v", v)
	}
	foreign := guarded(2, now)
	foreign.Network = "x"
	if v := g.Admit(now, foreign, 0); !errors.Is(v.Err, rpc.ErrRefused) {
		t.Errorf("another network: %+v", v)
	}
	if v := g.Admit(now.Add(MaxLife+Slack), r, 0); v.Reply != reply {
		t.Errorf("at its very end: %+v", v)
	}
	if v := g.Admit(now.Add(MaxLife+Slack+1), r, 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("late: %+v", v)
	}
	if v := g.Admit(now, guarded(3, now.Add(Slack)), 0); v != (Verdict{}) {
		t.Errorf("ahead: %+v", v)
	}
	if v := g.Admit(now, guarded(4, now.Add(Slack+1)), 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("too far ahead: %+v", v)
	}
	// One from a clock that is ahead is remembered until its time is over by ours.
	if v := g.Admit(now.Add(2*Slack+MaxLife), guarded(3, now.Add(Slack)), 1); !v.Running {
		t.Errorf("ahead, again: %+v", v)
	}
}

// A few sources that ask as much as they can leave places for others.
func TestGuardBounds(t *testing.T) {
	fill := func(g *Guard, sources int) (taken int) {
		for i := range 2 * MaxGuarded {
			r := guarded(0, noon)
			r.Source = identity.Entity{9, byte(i % sources), byte(i % sources >> 8)}
			r.ID[1], r.ID[2], r.ID[3] = byte(i), byte(i>>8), byte(i>>16)
			if v := g.Admit(noon, r, 0); v == (Verdict{}) {
				taken++
				g.Finish(r, &Reply{Encoded: make([]byte, 1000)})
			} else if !errors.Is(v.Err, rpc.ErrBusy) {
				t.Fatalf("request %d: %+v", i, v)
			}
		}
		return taken
	}
	for sources, least := range map[int]int{1: 4 * MaxGuarded / 5, 16: MaxGuarded / 6, 1000: 200} {
		g := NewGuard("sea")
		taken := fill(g, sources)
		if free := MaxGuarded - taken; free < least || taken > MaxGuarded {
			t.Errorf("%d sources leave %d places, want %d", sources, free, least)
		}
		if v := g.Admit(noon, guarded(1, noon), 0); v != (Verdict{}) {
			t.Errorf("another one beside %d: %+v", sources, v)
		}
		if g.kept > MaxKept {
			t.Errorf("%s", g)
		}
		// The first one's reply has made room, but it is not carried out again.
		first := guarded(0, noon)
		first.Source = identity.Entity{9}
		if v := g.Admit(noon, first, 1); !errors.Is(v.Err, rpc.ErrReplayed) {
			t.Errorf("reply forgotten: %+v", v)
		}
		later := noon.Add(MaxLife + Slack + time.Millisecond)
		if v := g.Admit(later, guarded(1, later), 0); v != (Verdict{}) {
			t.Errorf("after the others have expired: %+v", v)
		}
		if len(g.known) != 1 || len(g.sources) != 1 || g.kept != 0 || len(g.order) != 0 {
			t.Errorf("left: %s, order %d", g, len(g.order))
		}
	}
}

func TestBucket(t *testing.T) {
	var b Bucket
	n := 0
	for b.Take(noon) {
		n++
	}
	if n != Burst {
		t.Errorf("burst %d, want %d", n, Burst)
	}
	n = 0
	for b.Take(noon.Add(time.Second)) {
		n++
	}
	if n != Rate {
		t.Errorf("rate %d, want %d", n, Rate)
	}
	if b.Full(noon.Add(2*time.Second)) || !b.Full(noon.Add(6*time.Second)) {
		t.Error("when it is full again")
	}
	if b.Take(noon) {
		t.Error("a clock that goes back fills the bucket")
	}
}
