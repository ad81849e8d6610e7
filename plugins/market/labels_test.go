package market

import (
	"fmt"
	"strings"
	"testing"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
)

func TestLabelsCheck(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "a=b": true, "a=": true, "gpu=no region=eu": true, "a.b-c_1=X.y-Z_9": true, "a=" + strings.Repeat("b", maxLabel-2): true,
		"a": false, "=b": false, "A=b": false, "a=b,c": false, "a=b\x1b[2J": false, "ä=b": false, "a=ä": false, "a=\xff": false, "\xff=a": false,
		"b=1 a=1": false, "a=1 a=2": false, "a=" + strings.Repeat("b", maxLabel-1): false,
	} {
		if err := Labels(strings.Fields(text)).Check(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	var many Labels
	for i := range maxLabels + 1 {
		many = append(many, fmt.Sprintf("%c=", 'a'+i))
	}
	if many[1:].Check() != nil || many.Check() == nil {
		t.Errorf("the bound of %d labels does not hold", maxLabels)
	}
}

// TestLabels: only sellers that say all that a job wants are asked, and the job
// says what the others lack.
func TestLabels(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 3)
	e := testEngine(t)
	buyer := newTrader(t, sea, 0, e, nil)
	eu, plain := newTrader(t, sea, 1, e, nil), newTrader(t, sea, 2, e, nil)
	eu.sell(func(p *Policy) { p.Labels, p.PerGfuel = Labels{"gpu=no", "region=eu"}, 2*p.PerGfuel })
	plain.sell(nil)
	job := func(labels ...string) Job {
		s := primes(buyer, "10")
		s.Labels, s.To = labels, []addr.Addr{eu.node.Addr(), plain.node.Addr()}
		return buyer.run(s)
	}
	if j := job("region=eu"); j.State != Done || j.Seller != eu.key.Entity() {
		t.Errorf("%s (%s) by %s", j.State, j.Error, j.Seller.Short())
	}
	j := job("gpu=no", "region=us")
	if text := fmt.Sprint(j.History); j.State != Failed || j.Reason != Unlabelled || !strings.Contains(text, "not labelled region=us, but gpu=no,region=eu") || !strings.Contains(text, "not labelled gpu=no,region=us") {
		t.Errorf("%s, %s (%s): %s", j.State, j.Reason, j.Error, text)
	}
	s := primes(buyer, "10")
	s.Labels = Labels{"no label"}
	if _, err := buyer.Submit(t.Context(), s); err == nil {
		t.Error("a job with a bad label was taken")
	}
	p := eu.Policy()
	p.Labels = Labels{"b=", "a="}
	if err := eu.SetPolicy(p); err == nil {
		t.Error("a policy with bad labels was taken")
	}
}
