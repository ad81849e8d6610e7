package main

import (
	"math/rand/v2"
	"net/http"
	"os"
	"testing"

	"github.com/peersea/sea/ledger"
)

// TestKillPaying kills a daemon with SIGKILL 100 times, at any moment while it
// pays or is paid, and demands that no payment that was answered is ever missing,
// that none is there which nobody made, and that both files verify.
func TestKillPaying(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes a minute or two: set SEA_TEST_FULL=1")
	}
	const rounds, most = 100, 12
	r := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	peer := startProcess(t, t.TempDir(), "", "--listen", "127.0.0.1:0")
	var answered, asked [2]uint64 // by the one that is killed, by the other
	for round := range rounds {
		p := startProcess(t, dir, "", "--bootstrap", peer.status.Listening[0])
		ours, theirs := agreed(t, p, peer)
		for i, seq := range []uint64{ours.Mine.Seq, theirs.Mine.Seq} {
			if seq < answered[i] || seq > asked[i] {
				t.Fatalf("round %d: side %d has %d payments, %d were answered and %d asked for", round, i, seq, answered[i], asked[i])
			}
			answered[i], asked[i] = seq, seq
		}
		who := round % 2
		from, to := p, peer
		if who == 1 {
			from, to = peer, p
		}
		kill := r.IntN(most)
		for n := range most {
			if n == kill { // the next payment and the signal race
				go p.kill()
			}
			asked[who]++
			err := from.api.do(t.Context(), http.MethodPost, "/credit/"+to.status.Entity.String()+"/pay", creditAmount{Micro: 1}, new(ledger.Line))
			if err == nil {
				answered[who]++
			}
			if n >= kill && (err != nil || who == 1) {
				break
			}
		}
		p.kill() // and waits
	}
	p := startProcess(t, dir, "", "--bootstrap", peer.status.Listening[0])
	ours, theirs := agreed(t, p, peer)
	if ours.Balance != -theirs.Balance || ours.Mine != theirs.Theirs || ours.Theirs != theirs.Mine || ours.State != ledger.StateOpen {
		t.Errorf("the ledgers disagree: %+v and %+v", ours, theirs)
	}
	p.checked(t)
	peer.checked(t)
	t.Logf("%d kills, %d and %d payments", rounds, ours.Mine.Seq, theirs.Mine.Seq)
}
