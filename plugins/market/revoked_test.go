package market

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// certified lets the buyer act for an entity in the seller's books, and returns
// what has the entity take that back, and give another certificate.
func certified(t *testing.T, buyer, seller *trader) (revoke, again func()) {
	t.Helper()
	entity := nodetest.Key(t)
	boss, err := ledger.Open(filepath.Join(t.TempDir(), "boss.db"), entity, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { boss.Close() })
	node := buyer.key.Entity()
	again = func() {
		said, err := boss.Issue(t.Context(), identity.Certificate{
			Node: node, Can: []string{ledger.CanPay}, Budget: uint64(100 * ledger.Credit),
			NotBefore: time.Now().Unix() - 60, NotAfter: time.Now().Unix() + 3600,
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(filepath.Join(t.TempDir(), "node.db"), buyer.key, ledger.Config{Certificate: &said})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		message, err := l.Credentials(t.Context())
		if err == nil {
			err = seller.ledger.TakeCredentials(t.Context(), node, message)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := seller.ledger.Grant(node, 100*ledger.Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	again()
	return func() {
		said, err := boss.Revoke(t.Context(), node, false)
		if err == nil {
			err = seller.ledger.TakeRevocation(t.Context(), said)
		}
		if err != nil {
			t.Fatal(err)
		}
	}, again
}

// TestMayNotSell asks a node to sell that its entity does not let.
func TestMayNotSell(t *testing.T) {
	t.Parallel()
	buyer, seller, _, sold := vouching(t)
	sold.mayNotSell.Store(true)
	s := longJob(buyer)
	s.To = []addr.Addr{seller.node.Addr()}
	if j := buyer.wait(buyer.submit(s)); j.State != Failed || j.Reason != NotSelling {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
	_, no := seller.quote(t.Context(), rpc.Peer{Node: buyer.key.Entity()}, Ask{}, compute.Job{}, identity.Hash{})
	if no == nil || no.Reason != NotSelling || !strings.Contains(no.Text, "certificate") {
		t.Errorf("got %v", no)
	}
}

// TestRevokedWhileItRuns has an entity take a buyer's certificate back while the
// buyer's job runs, one that is paid as it runs and one that is paid on delivery:
// the seller holds it, and ends it there unless the entity gives another.
func TestRevokedWhileItRuns(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"paid as it runs", "paid on delivery"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			begin := func() (buyer, seller *trader, id ID, again func()) {
				buyer, seller, _, sold := vouching(t)
				sold.noLocks.Store(kind == "paid on delivery")
				revoke, again := certified(t, buyer, seller)
				half, revoked := make(chan struct{}), make(chan struct{})
				pacedAt(seller, testLimit, func(fuel uint64) {
					if fuel == 2*testQuantum {
						close(half)
						<-revoked
					}
				})
				id = buyer.submit(longJob(buyer))
				<-half
				revoke()
				close(revoked)
				reach(t, buyer, id, func(u Update) bool {
					return slices.ContainsFunc(u.Events, func(e Event) bool { return e.Reason == Revoked })
				})
				return buyer, seller, id, again
			}
			buyer, seller, id, again := begin()
			again()
			if j := buyer.wait(id); j.State != Done || j.Cost != price(testLimit) {
				t.Errorf("with a new certificate: %s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
			}
			agreeLine(t, buyer, seller, price(testLimit), 0)

			buyer, seller, id, _ = begin()
			endPatience(seller, Revoked)
			j := buyer.wait(id)
			if j.State != Failed || j.Reason != Revoked || !j.Paid || j.Cost == 0 || j.Cost >= price(testLimit) || !strings.Contains(j.Hint, "certificate") {
				t.Errorf("%s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
			}
			agreeLine(t, buyer, seller, j.Cost, 0) // what ran is owed, and paid
			id = buyer.submit(longJob(buyer))
			if j := buyer.wait(id); j.State != Failed || j.Reason != RefusedCredit {
				t.Errorf("the next one: %s, %s (%s)", j.State, j.Reason, j.Error)
			}
		})
	}
}

// reach waits until an update of a job is as wanted.
func reach(t *testing.T, buyer *trader, id ID, wanted func(Update) bool) {
	t.Helper()
	for u, err := range buyer.Watch(t.Context(), id, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if wanted(u) {
			return
		}
		if u.Job != nil {
			t.Fatalf("it ended: %+v", u.Job)
		}
	}
}
