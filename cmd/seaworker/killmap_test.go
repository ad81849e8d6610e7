package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/plugins/market"
)

// errSeen ends a stream of events at its first.
var errSeen = errors.New("seen")

// TestKillMap kills the buyer of a map with SIGKILL at each of its own steps, and
// as its results come: it goes on each time, every item is bought once, all results come in order, and both ledgers agree.
func TestKillMap(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("kills a daemon eight times: set SEA_TEST_FULL=1")
	}
	buyerDir, sellerDir := t.TempDir(), t.TempDir()
	seller := startProcess(t, sellerDir, "", "--listen", "127.0.0.1:0", "--sell")
	url := seller.status.Listening[0]
	startBuyer := func(point string) *process { return startProcess(t, buyerDir, point, "--bootstrap", url) }
	buyer := startBuyer("")
	if err := seller.api.do(t.Context(), http.MethodPut, "/credit/"+buyer.status.Entity.String()+"/limit", creditAmount{Micro: 1e9}, nil); err != nil {
		t.Fatal(err)
	}
	const items = 60
	spec := market.MapSpec{
		Spec: market.Spec{Name: "primes", Args: []string{"primes", market.Hole + "0000"}},
		Each: market.EachNumber, First: 1, Last: items, Parallel: 4,
	}
	var err error
	if spec.Module, err = upload(t.Context(), buyer.api, bytes.NewReader(examples.Primes)); err != nil {
		t.Fatal(err)
	}
	buyer.stop(t)
	buyer = startBuyer("market:map-persisted")
	_ = buyer.api.do(t.Context(), http.MethodPost, "/maps", mapRequest{MapSpec: spec}, nil) // it dies before it answers
	buyer.died(t)
	for _, point := range []string{"market:map-item", "market:job-persisted", "market:order-sent", "market:map-item-ended"} {
		t.Logf("killing the buyer at %s", point)
		cmd := exec.Command(binary(t), "up", "--dir", buyerDir, "--bootstrap", url) // by itself, by going on
		cmd.Env = append(withoutSea(os.Environ()), "SEA_FAILPOINT="+point, "SEA_LAN=false", "SEA_PORTMAP=false")
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("at %s it ended with %v\n%s", point, err, out)
		}
	}
	buyer = startBuyer("")
	var in submittedMap
	if err := buyer.api.do(t.Context(), http.MethodPost, "/maps", mapRequest{MapSpec: spec}, &in); err != nil || !in.Resumed {
		t.Fatalf("typed again it is %+v, %v", in, err)
	}
	for seen := range 3 { // a few results more, and the power goes
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := buyer.api.events(ctx, fmt.Sprintf("/maps/%s/events", in.Map), func(data []byte) error {
			var u market.MapUpdate
			if err := json.Unmarshal(data, &u); err != nil {
				return err
			}
			if u.Next > 10*seen || u.Final {
				return errSeen
			}
			return nil
		})
		cancel()
		if err != errSeen {
			t.Fatal(err)
		}
		buyer.kill()
		buyer = startBuyer("")
	}
	var out bytes.Buffer
	view := &itemsView{jobView: &jobView{cli: &cli{stderr: new(bytes.Buffer)}, stdout: &out, stderr: new(bytes.Buffer)}}
	final, err := watchMap(t.Context(), buyer.api, in.Map, view)
	if err != nil {
		t.Fatal(err)
	}
	if final.State != market.MapDone || final.Done != items {
		t.Fatalf("got %+v", final)
	}
	want := []string{"1229", "2262", "3245", "4203"}
	if got := strings.Fields(out.String()); len(got) != items || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the results are %v", got)
	}
	checkTrades(t, buyer, seller, items)
	if e := seller.settled(t); e.Amount != final.Cost {
		t.Errorf("the seller was paid %d micro-credits, the map says %d", e.Amount, final.Cost)
	}
	buyer.stop(t)
	seller.stop(t)
}
