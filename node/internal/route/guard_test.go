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
	g := NewGuard("sea", noon)
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
	if v := g.Admit(now.Add(MaxLife+1), r, 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("late: %+v", v)
	}
	if v := g.Admit(now, guarded(3, noon.Add(-time.Millisecond)), 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("from before the start: %+v", v)
	}
}

// A request dated ahead waits for its time, so that after a restart it is from
// before the start.
func TestGuardAhead(t *testing.T) {
	now := noon.Add(time.Minute)
	g := NewGuard("sea", noon)
	r := guarded(1, now.Add(MaxAhead))
	if v := g.Admit(now, r, 0); v.Wait != MaxAhead {
		t.Errorf("ahead: %+v", v)
	}
	if v := g.Admit(now, guarded(2, now.Add(MaxAhead+time.Millisecond)), 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("too far ahead: %+v", v)
	}
	later := now.Add(MaxAhead)
	if v := g.Admit(later, r, 0); v != (Verdict{}) {
		t.Errorf("in its time: %+v", v)
	}
	again := NewGuard("sea", later.Add(time.Millisecond))
	if v := again.Admit(later.Add(time.Second), r, 0); !errors.Is(v.Err, rpc.ErrExpired) {
		t.Errorf("after a restart: %+v", v)
	}
}

func TestGuardBounds(t *testing.T) {
	g := NewGuard("sea", noon)
	for i := range MaxGuarded {
		r := guarded(0, noon)
		r.ID[1], r.ID[2] = byte(i), byte(i>>8)
		if v := g.Admit(noon, r, 0); v != (Verdict{}) {
			t.Fatalf("request %d: %+v", i, v)
		}
		g.Finish(r, &Reply{Encoded: make([]byte, 1000)})
	}
	if v := g.Admit(noon, guarded(1, noon), 0); !errors.Is(v.Err, rpc.ErrBusy) {
		t.Errorf("full: %+v", v)
	}
	if g.kept > MaxKept {
		t.Errorf("%s", g)
	}
	// The first one's reply has made room, but it is not carried out again.
	if v := g.Admit(noon, guarded(0, noon), 1); !errors.Is(v.Err, rpc.ErrReplayed) {
		t.Errorf("reply forgotten: %+v", v)
	}
	later := noon.Add(MaxLife + time.Millisecond)
	if v := g.Admit(later, guarded(1, later), 0); v != (Verdict{}) {
		t.Errorf("after the others have expired: %+v", v)
	}
	if len(g.known) != 1 || g.kept != 0 || len(g.order) != 0 {
		t.Errorf("left: %s, order %d", g, len(g.order))
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
