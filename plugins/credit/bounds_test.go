package credit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
	"github.com/peersea/sea/node/rpc"
)

func stranger(n int) (e identity.Entity) {
	binary.BigEndian.PutUint32(e[:], uint32(n))
	e[31] = 1
	return e
}

// TestManyAsk has a thousand strangers ask about checkpoints in one tick: one
// more is put off, a peer with a grant is not.
func TestManyAsk(t *testing.T) {
	l, friend := ledgertest.New(t, ledger.Config{}), ledgertest.New(t, ledger.Config{}).Entity()
	if err := l.Grant(friend, 1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	c := New(l, Config{})
	for i := range maxPeers {
		if !c.mayAsk(stranger(i)) {
			t.Fatalf("stranger %d is put off", i)
		}
	}
	if c.mayAsk(stranger(maxPeers)) {
		t.Error("one stranger more is heard")
	}
	for i := range maxAsked + 1 {
		if got := c.mayAsk(friend); got != (i < maxAsked) {
			t.Errorf("message %d of a friend: %v", i+1, got)
		}
	}
}

// TestManyWarnings warns of more lines than are remembered: each is said once,
// while no other has taken its place.
func TestManyWarnings(t *testing.T) {
	var s limits
	s.changed(stranger(0)) // makes the maps
	for i := range 3 * maxPeers {
		if !s.fresh(stranger(i), "80 %") {
			t.Fatalf("warning %d is not said", i)
		}
		if s.fresh(stranger(i), "80 %") {
			t.Fatalf("warning %d is said again", i)
		}
	}
	if n := len(s.warnings); n != maxPeers {
		t.Errorf("%d are remembered, want %d", n, maxPeers)
	}
}

// TestRefusals shows that what a peer may send at will is no error of ours: it is
// told why, and it cannot fill the log with errors.
func TestRefusals(t *testing.T) {
	var out bytes.Buffer
	c := New(ledgertest.New(t, ledger.Config{}), Config{})
	c.log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	for err, want := range map[error]error{
		ledger.ErrLocks: rpc.ErrBusy, ledger.ErrLines: rpc.ErrBusy, ledger.ErrOutOfStep: rpc.ErrBusy,
		ledger.ErrVoucher: rpc.ErrRefused, ledger.ErrFork: rpc.ErrRefused, ledger.ErrGrant: rpc.ErrRefused,
	} {
		if got := c.refuse(rpc.Peer{}, err); !errors.Is(got, want) || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
}
