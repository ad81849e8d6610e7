package credit_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/credit"
)

// TestLimitsGrow has a peer repay: its limit grows at the creditor that lets
// limits grow, which is the default, and not at the other.
func TestLimitsGrow(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  credit.Config
		want ledger.Amount
	}{
		"default": {credit.Config{}, 110 * ledger.Credit},
		"off":     {credit.Config{NoGrowth: true}, 100 * ledger.Credit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := nodetest.New(t, 2)
				lender := runWith(t, s, 0, filepath.Join(t.TempDir(), "ledger.db"), test.cfg)
				peer := run(t, s, 1, filepath.Join(t.TempDir(), "ledger.db"))
				if err := lender.Grant(peer.Entity(), 100*ledger.Credit, time.Time{}); err != nil {
					t.Fatal(err)
				}
				ticks := func() {
					for range 3 {
						time.Sleep(10 * time.Second)
						synctest.Wait()
					}
				}
				ticks()
				for _, pair := range [][2]*trader{{peer, lender}, {lender, peer}} {
					if _, err := pair[0].Pay(t.Context(), pair[1].Entity(), 100*ledger.Credit, ledger.NewRef()); err != nil {
						t.Fatal(err)
					}
				}
				ticks()
				if got := lender.Line(peer.Entity()).TheyMayOwe; got != test.want {
					t.Errorf("they may owe %v, want %v", got, test.want)
				}
				if got := peer.Line(lender.Entity()).IMayOwe; got != test.want {
					t.Errorf("the peer knows of %v, want %v", got, test.want)
				}
			})
		})
	}
}
