package credit_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/credit"
)

// TestFleet has two nodes of an entity pay a peer that has nothing to do with the
// entity itself. The peer learns for whom they act, and that one does no longer,
// by the other.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.Loose(t, 2) // the entity's machine and the peer, which never meet
		boss := run(t, s, 0, filepath.Join(t.TempDir(), "ledger.db"))
		peer := run(t, s, 1, filepath.Join(t.TempDir(), "ledger.db"))
		var fleet []*trader
		for i := range 2 {
			key := nodetest.Key(t)
			said, err := boss.Issue(t.Context(), identity.Certificate{
				Node: key.Entity(), Can: []string{ledger.CanPay}, Budget: uint64(5 * ledger.Credit),
				NotBefore: time.Now().Unix(), NotAfter: time.Now().Add(10 * time.Minute).Unix(),
			})
			if err != nil {
				t.Fatal(err)
			}
			s.AddKey(key, func(c *node.Config) { c.Certificate = &said })
			fleet = append(fleet, runLedger(t, s, 2+i, filepath.Join(t.TempDir(), "ledger.db"), credit.Config{}, ledger.Config{Certificate: &said}))
			s.Link(2+i, 0)
			s.Link(2+i, 1)
		}
		for i, n := range fleet {
			if _, err := n.Pay(t.Context(), peer.Entity(), ledger.Amount(i+1)*ledger.Credit, ledger.NewRef()); err != nil {
				t.Fatal(err)
			}
			if err := n.plugin.Deliver(t.Context(), peer.Entity()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for _, n := range fleet {
			if a := peer.Line(n.Entity()).Acting; a == nil || a.Entity != boss.Entity() || a.Standing != ledger.Holds || a.Balance != 3*ledger.Credit {
				t.Errorf("got %+v", a)
			}
			if a := n.Line(peer.Entity()).Acting; a != nil {
				t.Errorf("the peer acts for itself: got %+v", a)
			}
		}
		if _, err := fleet[0].Pay(t.Context(), boss.Entity(), 5*ledger.Credit, ledger.NewRef()); !errors.Is(err, ledger.ErrBudget) {
			t.Errorf("over the budget: got %v", err)
		}
		if _, err := boss.Revoke(t.Context(), fleet[0].Entity(), false); err != nil {
			t.Fatal(err)
		}
		boss.plugin.Show(t.Context())
		synctest.Wait()
		if line := peer.Line(fleet[0].Entity()); line.State != ledger.StateRevoked {
			t.Errorf("got %+v", line)
		}
		if a := fleet[0].Acting(); a.Standing != ledger.Revoked {
			t.Errorf("the node itself: got %+v", a)
		}
		if a := peer.Line(fleet[1].Entity()).Acting; a.Standing != ledger.Holds || a.Balance != 2*ledger.Credit {
			t.Errorf("the other node: got %+v", a)
		}
		time.Sleep(time.Minute)
		if _, err := fleet[1].Pay(t.Context(), peer.Entity(), 4*ledger.Credit, ledger.NewRef()); !errors.Is(err, ledger.ErrBudget) {
			t.Errorf("after a minute: got %v", err)
		}
		time.Sleep(10 * time.Minute)
		if a := peer.Line(fleet[1].Entity()).Acting; a.Standing != ledger.Ended {
			t.Errorf("when it has ended: got %+v", a)
		}
	})
}
