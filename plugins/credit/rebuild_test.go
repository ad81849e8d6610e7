package credit_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
)

// TestRebuild puts an old copy back at one node and nothing at another, has both
// ask a third for what they lost, and demands that all goes on.
func TestRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nodetest.New(t, 3)
		all := runAll(t, s)
		peer := all[2]
		old := filepath.Join(t.TempDir(), "old.db")
		var sum ledger.Amount
		for i := range ledger.Amount(4) {
			for _, l := range all[:2] {
				if _, err := l.Pay(t.Context(), peer.Entity(), 1+i, ledger.NewRef()); err != nil {
					t.Fatal(err)
				}
			}
			if sum += 1 + i; i == 1 {
				synctest.Wait()
				if err := all[0].Snapshot(old); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Minute) // checkpoints too
		synctest.Wait()
		for i, path := range []string{old, filepath.Join(t.TempDir(), "new.db")} {
			all[i].end()
			a := run(t, s, i, path)
			time.Sleep(time.Minute) // they meet
			if err := a.plugin.Deliver(t.Context(), peer.Entity()); err == nil && a.Line(peer.Entity()).Known() {
				t.Fatal("the line is not fenced")
			}
			if err := a.plugin.Rebuild(t.Context(), peer.Entity()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			agree(t, a, peer, -sum)
			if err := a.plugin.Rebuild(t.Context(), peer.Entity()); !errors.Is(err, ledger.ErrLine) {
				t.Errorf("again: got %v", err)
			}
			if _, err := a.Pay(t.Context(), peer.Entity(), 9, ledger.NewRef()); err != nil {
				t.Fatal(err)
			}
			if err := a.plugin.Deliver(t.Context(), peer.Entity()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			agree(t, a, peer, -sum-9)
			if x, y := a.Line(peer.Entity()).Agreed, peer.Line(a.Entity()).Agreed; x.N < 2 || x.Hash != y.Hash || x.Mine.Cum != sum+9 {
				t.Errorf("checkpoints: got %+v and %+v", x, y)
			}
		}
	})
}
