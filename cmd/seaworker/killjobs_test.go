package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/plugins/market"
)

// TestKillHundred submits twenty jobs and kills a daemon with SIGKILL as soon as
// the last of them is acknowledged, five times: the buyer, the seller, and in the
// end both. All hundred jobs end well, each is charged once, and both ledgers
// agree.
func TestKillHundred(t *testing.T) {
	buyerDir, sellerDir := t.TempDir(), t.TempDir()
	seller := startProcess(t, sellerDir, "", "--listen", "127.0.0.1:0", "--sell")
	url := seller.status.Listening[0]
	startSeller := func() *process {
		return startProcess(t, sellerDir, "", "--listen", strings.TrimPrefix(url, "ws://"), "--sell")
	}
	startBuyer := func() *process { return startProcess(t, buyerDir, "", "--bootstrap", url) }
	buyer := startBuyer()
	if err := seller.api.do(t.Context(), http.MethodPut, "/credit/"+buyer.status.Entity.String()+"/limit", creditAmount{Micro: 1e9}, nil); err != nil {
		t.Fatal(err)
	}
	rounds, each := []string{"buyer", "seller", "both"}, 4
	if os.Getenv("SEA_TEST_FULL") != "" {
		rounds, each = []string{"buyer", "seller", "buyer", "seller", "both"}, 20
	}
	ids := map[market.ID]bool{}
	for round, killed := range rounds {
		for i := range each {
			spec, module, stdin := market.Spec{Name: "primes", Args: []string{"primes", fmt.Sprint(1000*round + i)}}, examples.Primes, []byte(nil)
			switch i % 4 {
			case 1:
				spec, module, stdin = market.Spec{Name: "wordfreq", Args: []string{"wordfreq", "3"}}, examples.WordFreq, examples.Loomings
			case 2:
				spec, module = market.Spec{Name: "mandelbrot", Args: []string{"mandelbrot", "40", "30"}}, examples.Mandelbrot
			case 3:
				spec.Args[1] = "3000000" // it runs when the kill comes
			}
			id, err := buyer.submit(t, module, stdin, spec)
			if err != nil {
				t.Fatal(err)
			}
			ids[id] = true
		}
		t.Logf("%d jobs are acknowledged: killing %s", len(ids), killed)
		if killed != "buyer" {
			seller.kill()
		}
		if killed != "seller" {
			buyer.kill()
		}
		if killed != "buyer" {
			seller = startSeller()
		}
		if killed != "seller" {
			buyer = startBuyer()
		}
		buyer.linked(t)
	}
	checkTrades(t, buyer, seller, len(rounds)*each)
	var jobs []market.Job
	buyer.get(t, "/jobs", &jobs)
	for _, j := range jobs {
		if !ids[j.ID] {
			t.Errorf("job %s was never acknowledged", j.ID)
		}
	}
	buyer.stop(t)
	seller.stop(t)
}
