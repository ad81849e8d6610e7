package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
)

// echoes is what sellers' guests do in tests of maps: a guest writes its first
// argument and uses fuel for a thousandth of a credit. What hold says is done
// before.
type echoes struct {
	hold func(ctx context.Context, seller int, arg string) compute.Result

	mu   sync.Mutex // guards what follows
	runs map[string]int
	of   map[int]int // by seller
}

// mapMarket is a buyer and n sellers whose guests echo.
func mapMarket(t *testing.T, n int) (buyer *trader, sellers []*trader, e *echoes) {
	t.Helper()
	e = &echoes{runs: map[string]int{}, of: map[int]int{}}
	sea := nodetest.New(t, n+1)
	buyer = newTrader(t, sea, 0, &tricky{}, nil)
	for i := range n {
		s := newTrader(t, sea, i+1, &tricky{}, nil)
		scripted(s, func(ctx context.Context, job compute.Job, live compute.Live) compute.Result {
			arg := job.Args[1]
			e.mu.Lock()
			e.runs[arg]++
			e.of[i]++
			e.mu.Unlock()
			if e.hold != nil {
				if r := e.hold(ctx, i, arg); r.End != "" {
					return r
				}
			}
			if job.Limits.Fuel < Gfuel/1000 {
				return compute.Result{End: compute.OutOfFuel, Fuel: job.Limits.Fuel}
			}
			return compute.Result{End: compute.Exit, Stdout: []byte(arg + "\n"), Fuel: Gfuel / 1000}
		})
		s.sell(func(p *Policy) { p.Price, p.Slots = Price{PerGfuel: ledger.Credit}, 2 })
		sellers = append(sellers, s)
	}
	return buyer, sellers, e
}

// numbers is a map over 1 to n.
func numbers(tr *trader, n int64) MapSpec {
	return MapSpec{
		Spec: Spec{Name: "echo", Module: tr.put(examples.Primes), Args: []string{"echo", Hole}},
		Each: EachNumber, First: 1, Last: n, Parallel: 4,
	}
}

func (tr *trader) submitMap(s MapSpec) ID {
	tr.t.Helper()
	id, _, err := tr.SubmitMap(tr.t.Context(), s, false)
	if err != nil {
		tr.t.Fatal(err)
	}
	return id
}

// watchMap waits for a map's end and returns its items as they came.
func (tr *trader) watchMap(id ID) (Map, []MapItem) {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), 2*time.Minute)
	defer cancel()
	var items []MapItem
	for u, err := range tr.WatchMap(ctx, id, 0) {
		if err != nil {
			tr.t.Fatalf("watch: %v; it stands at %+v", err, u.Map)
		}
		items = append(items, u.Items...)
		if u.Final {
			return u.Map, items
		}
	}
	tr.t.Fatal("the map has no end")
	return Map{}, nil
}

// owed is what a buyer owes these sellers.
func owed(buyer *trader, sellers []*trader) (sum ledger.Amount) {
	for _, s := range sellers {
		sum -= buyer.ledger.Line(s.key.Entity()).Balance
	}
	return sum
}

func texts(items []MapItem) (all []string) {
	for _, i := range items {
		all = append(all, strings.TrimSpace(string(i.Out)))
	}
	return all
}

func upTo(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i+1))
	}
	return all
}

// TestMap buys a job for each of forty numbers from three sellers.
func TestMap(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 3)
	v, items := buyer.watchMap(buyer.submitMap(numbers(buyer, 40)))
	if v.State != MapDone || v.Items != 40 || v.Done != 40 || v.Failed != 0 || v.Fuel != 40*Gfuel/1000 {
		t.Fatalf("got %+v", v)
	}
	if got := texts(items); !slices.Equal(got, upTo(40)) {
		t.Errorf("the items are %v", got)
	}
	for _, n := range upTo(40) { // on a machine that stands still one may seem slow
		if e.runs[n] < 1 || e.runs[n] > 1+v.Again {
			t.Errorf("item %s ran %d times", n, e.runs[n])
		}
	}
	if len(v.Sellers) != len(e.of) {
		t.Errorf("the sellers ran %v, the summary is %v", e.of, v.Sellers)
	}
	if got, want := owed(buyer, sellers), 40*ledger.Credit/1000; got != v.Cost || got != want && v.Again == 0 {
		t.Errorf("%s are owed, the map says %s, want %s", got, v.Cost, want)
	}
	if again, late := buyer.watchMap(v.ID); again.Cost != v.Cost || len(late) != 40 {
		t.Errorf("seen again it has %d items and cost %s", len(late), again.Cost)
	}
}

// TestMapCap shows that all items together cost no more than the cap, and that a
// map that came to it goes on with a higher one and buys nothing twice.
func TestMapCap(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 2)
	s := numbers(buyer, 20)
	s.MaxCredit = 5500 // micro-credits, for five items and a half
	v, items := buyer.watchMap(buyer.submitMap(s))
	if v.State != MapStopped || v.Reason != RefusedPrice && v.Reason != OutOfFuel || v.Error == "" {
		t.Fatalf("got %+v", v)
	}
	if got := owed(buyer, sellers); got > s.MaxCredit || got != v.Cost || v.Done != len(items) || v.Done == 0 {
		t.Fatalf("%s are owed, the cap is %s, the map says %s for %d items", got, s.MaxCredit, v.Cost, v.Done)
	}
	before := v.Done
	s.MaxCredit = ledger.Credit
	id, resumed, err := buyer.SubmitMap(t.Context(), s, false) // typed again with a higher cap
	if err != nil || !resumed || id != v.ID {
		t.Fatalf("it is map %v, resumed %v, %v", id, resumed, err)
	}
	v, items = buyer.watchMap(id)
	if v.State != MapDone || v.Done != 20 || !slices.Equal(texts(items), upTo(20)) {
		t.Fatalf("got %+v and %v", v, texts(items))
	}
	runs := 0
	for _, n := range e.runs {
		runs += n
	}
	if got := owed(buyer, sellers); got != v.Cost || runs > 20+20-before {
		t.Errorf("%s are owed, the map says %s; %d runs", got, v.Cost, runs)
	}
}

// TestMapRestart shows that a map goes on after its node has ended in the middle,
// and that no item is paid twice.
func TestMapRestart(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 2)
	gate, reached := make(chan struct{}), make(chan struct{}, 100)
	e.hold = func(ctx context.Context, _ int, arg string) compute.Result {
		if arg == "5" || arg == "6" {
			reached <- struct{}{}
			select {
			case <-gate:
			case <-ctx.Done():
			}
		}
		return compute.Result{}
	}
	id := buyer.submitMap(numbers(buyer, 12))
	<-reached
	<-reached
	buyer.halt()
	close(gate)
	buyer.start()
	v, items := buyer.watchMap(id)
	if v.State != MapDone || v.Done != 12 || !slices.Equal(texts(items), upTo(12)) {
		t.Fatalf("got %+v and %v", v, texts(items))
	}
	if got := owed(buyer, sellers); got != 12*ledger.Credit/1000 && v.Again == 0 || v.Cost != got {
		t.Errorf("%s are owed, the map says %s", got, v.Cost)
	}
}

// TestMapStraggler shows that an item that takes far longer than the others is
// asked again elsewhere, and that the first answer wins.
func TestMapStraggler(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 2)
	var once sync.Once
	slow := -1
	e.hold = func(ctx context.Context, seller int, arg string) (r compute.Result) {
		if arg == "3" {
			once.Do(func() { slow = seller })
			if seller == slow {
				<-ctx.Done()
				return compute.Result{End: compute.Interrupted, Fuel: Gfuel / 10_000}
			}
		}
		return r
	}
	v, items := buyer.watchMap(buyer.submitMap(numbers(buyer, 8)))
	if v.State != MapDone || v.Done != 8 || v.Again < 1 || !slices.Equal(texts(items), upTo(8)) {
		t.Fatalf("got %+v and %v", v, texts(items))
	}
	if items[2].Seller != sellers[1-slow].key.Entity() || items[2].Tries != 2 {
		t.Errorf("the slow item is %+v", items[2])
	}
	if got, want := owed(buyer, sellers), 8*ledger.Credit/1000+ledger.Credit/10_000; got != v.Cost || got != want && v.Again == 1 {
		t.Errorf("%s are owed, the map says %s, want %s", got, v.Cost, want)
	}
}

// TestMapStop stops a map, whose jobs are cancelled, and lets it go on.
func TestMapStop(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 1)
	gate, reached := make(chan struct{}), make(chan struct{}, 100)
	e.hold = func(ctx context.Context, _ int, arg string) (r compute.Result) {
		select {
		case <-gate:
			return r
		default:
		}
		if arg == "1" {
			return r
		}
		reached <- struct{}{}
		<-ctx.Done()
		return compute.Result{End: compute.Interrupted, Fuel: Gfuel / 10_000}
	}
	id := buyer.submitMap(numbers(buyer, 6))
	<-reached
	if err := buyer.StopMap(t.Context(), id.Short()); err != nil {
		t.Fatal(err)
	}
	v, _ := buyer.watchMap(id)
	if v.State != MapStopped || v.Reason != Cancelled || v.Running != 0 {
		t.Fatalf("got %+v", v)
	}
	if err := buyer.StopMap(t.Context(), id.Short()); !errors.Is(err, ErrFinal) {
		t.Errorf("stopped again: %v", err)
	}
	close(gate)
	if _, err := buyer.ResumeMap(t.Context(), id.Short(), MapChange{Parallel: 2}); err != nil {
		t.Fatal(err)
	}
	v, items := buyer.watchMap(id)
	if v.State != MapDone || v.Done != 6 || !slices.Equal(texts(items), upTo(6)) || v.Spec.Parallel != 2 {
		t.Fatalf("got %+v and %v", v, texts(items))
	}
	if got := owed(buyer, sellers); got != v.Cost {
		t.Errorf("%s are owed, the map says %s", got, v.Cost)
	}
}

// TestMapFails shows that an item whose program fails is one that failed, that
// the others go on, and that it can be tried again; and that nobody to buy from
// stops the map with its items open.
func TestMapFails(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 1)
	broken := true
	e.hold = func(_ context.Context, _ int, arg string) (r compute.Result) {
		switch {
		case broken && arg == "2":
			return compute.Result{End: compute.Exit, Code: 3, Stderr: []byte("oh"), Fuel: 1000}
		case broken && arg == "4":
			return compute.Result{End: compute.Trap, Trap: compute.TrapUnreachable, Fuel: 1000}
		}
		return r
	}
	v, items := buyer.watchMap(buyer.submitMap(numbers(buyer, 5)))
	if v.State != MapDone || v.Done != 3 || v.Failed != 2 {
		t.Fatalf("got %+v", v)
	}
	if two := items[1]; two.OK() || two.State != Done || *two.Exit != 3 || string(two.Err) != "oh" {
		t.Errorf("the second item is %+v", two)
	}
	if four := items[3]; four.OK() || four.State != Failed || four.Reason != Trapped {
		t.Errorf("the fourth item is %+v", four)
	}
	broken = false
	sellers[0].sell(func(p *Policy) { p.Selling = false })
	buyer.sellers.Forget(sellers[0].node.Addr())
	if _, err := buyer.ResumeMap(t.Context(), v.ID.Short(), MapChange{Failed: true}); err != nil {
		t.Fatal(err)
	}
	v, _ = buyer.watchMap(v.ID)
	if v.State != MapStopped || v.Reason == "" || v.Done != 3 || v.Failed != 0 {
		t.Fatalf("with nobody to buy from: %+v", v)
	}
	sellers[0].sell(nil)
	buyer.sellers.Forgive()
	if _, err := buyer.ResumeMap(t.Context(), v.ID.Short(), MapChange{}); err != nil {
		t.Fatal(err)
	}
	if v, items = buyer.watchMap(v.ID); v.State != MapDone || v.Done != 5 || !slices.Equal(texts(items), upTo(5)) {
		t.Errorf("got %+v and %v", v, texts(items))
	}
	if got := owed(buyer, sellers); got != v.Cost {
		t.Errorf("%s are owed, the map says %s", got, v.Cost)
	}
}

// TestMapInputs shows what an item's job is given.
func TestMapInputs(t *testing.T) {
	put := func(b []byte) (compute.Blob, error) {
		return compute.Blob{Hash: identity.HashOf(b), Size: uint64(len(b))}, nil
	}
	blob, _ := put([]byte("b\n"))
	file := compute.File{Path: "d/x.txt", Hash: blob.Hash, Size: blob.Size}
	other := compute.File{Path: "z", Hash: blob.Hash, Size: blob.Size}
	list := fmt.Sprintf("{\"path\":\"d/x.txt\",\"hash\":%q,\"size\":2}\n", blob.Hash)
	for name, c := range map[string]struct {
		spec MapSpec
		list string
		want Spec
	}{
		"line":           {MapSpec{Each: EachLine}, "a\nb\n", Spec{Stdin: blob}},
		"no line's end":  {MapSpec{Each: EachLine}, "a\nb", Spec{Stdin: blob}},
		"line as text":   {MapSpec{Each: EachLine, Spec: Spec{Args: []string{"p", "-x={},{}"}}}, "a\nb\n", Spec{Args: []string{"p", "-x=b,b"}}},
		"number":         {MapSpec{Each: EachNumber, First: -1, Last: 0, Spec: Spec{Args: []string{"p", "{}"}}}, "", Spec{Args: []string{"p", "0"}}},
		"file":           {MapSpec{Each: EachFile}, list, Spec{Stdin: blob}},
		"file by name":   {MapSpec{Each: EachFile, Spec: Spec{Args: []string{"p", "{}"}, Files: []compute.File{other}}}, list, Spec{Args: []string{"p", "d/x.txt"}, Files: []compute.File{file, other}}},
		"a shared input": {MapSpec{Each: EachNumber, First: 7, Last: 7, Spec: Spec{Args: []string{"{}"}, Stdin: blob}}, "", Spec{Args: []string{"7"}, Stdin: blob}},
	} {
		all, err := c.spec.readInputs(strings.NewReader(c.list))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := c.spec.job(all[len(all)-1], 5, put)
		c.want.MaxCredit = 5
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		spec MapSpec
		list string
	}{
		"nothing":        {MapSpec{Each: EachLine}, ""},
		"a long line":    {MapSpec{Each: EachLine}, strings.Repeat("x", MaxLine+1)},
		"too many":       {MapSpec{Each: EachLine}, strings.Repeat("\n", MaxItems+1)},
		"no list":        {MapSpec{Each: EachFile}, "a"},
		"the same file":  {MapSpec{Each: EachFile}, list + list},
		"a path outside": {MapSpec{Each: EachFile}, strings.Replace(list, "d/x", "../x", 1)},
	} {
		if _, err := c.spec.readInputs(strings.NewReader(c.list)); reasonOf(err) != BadJob {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]MapSpec{
		"backwards":       {Each: EachNumber, First: 2, Last: 1},
		"the whole range": {Each: EachNumber, First: -1 << 63, Last: 1<<63 - 1},
		"one too many":    {Each: EachNumber, First: 1, Last: MaxItems + 1},
		"no kind":         {},
		"too parallel":    {Each: EachNumber, Parallel: MaxParallel + 1},
		"two inputs":      {Each: EachNumber, Spec: Spec{Stdin: blob}},
	} {
		s.Module = compute.Blob{Size: 8}
		s.Args = []string{"p"}
		if no := s.withDefaults().check(); no == nil || no.Reason != BadJob {
			t.Errorf("%s: %v", name, no)
		}
	}
}

// FuzzInputs reads lists of items as any program may upload them.
func FuzzInputs(f *testing.F) {
	f.Add(false, "a\nb\n")
	f.Add(true, `{"path":"a/b","hash":"`+identity.HashOf(nil).String()+`","size":0}`)
	f.Fuzz(func(t *testing.T, files bool, list string) {
		s := MapSpec{Each: EachLine}
		if files {
			s.Each = EachFile
		}
		all, err := s.readInputs(strings.NewReader(list))
		if err != nil {
			return
		}
		if len(all) == 0 || len(all) > MaxItems {
			t.Errorf("%d items", len(all))
		}
		for _, in := range all {
			if files && compute.CheckPath(in.file.Path) != nil || len(in.text) > MaxLine && !files || !files && len(in.name()) > maxItemName {
				t.Errorf("an item is %+v", in)
			}
		}
		if !files {
			var b strings.Builder
			for _, in := range all {
				b.WriteString(in.text + "\n")
			}
			if b.String() != list && b.String() != list+"\n" {
				t.Errorf("%q became %q", list, b.String())
			}
		}
	})
}

// TestMapSpread shows that the items of a map go to all sellers of one price: the
// first at each of them is held until each has one, or until all others are done.
func TestMapSpread(t *testing.T) {
	buyer, sellers, e := mapMarket(t, 3)
	const items = 30
	var mu sync.Mutex
	begun, done := map[int]bool{}, 0
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	e.hold = func(_ context.Context, seller int, _ string) (r compute.Result) {
		mu.Lock()
		first := !begun[seller]
		begun[seller] = true
		if !first {
			done++
		}
		if len(begun) == len(sellers) || done >= items-len(sellers) {
			open()
		}
		mu.Unlock()
		if first {
			<-gate
		}
		return r
	}
	s := numbers(buyer, items)
	s.Parallel, s.Limits.Fuel = 12, Gfuel/500
	v, _ := buyer.watchMap(buyer.submitMap(s))
	if v.State != MapDone || len(v.Sellers) != len(sellers) {
		t.Errorf("got %+v", v)
	}
}
