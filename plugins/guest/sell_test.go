package guest

import (
	"context"
	"errors"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market"
)

// TestService: what is sold at a guest's price, with its powers, is a call of it within
// its limits, and nothing else.
func TestService(t *testing.T) {
	sea := nodetest.New(t, 2)
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], nil)
	price := market.Price{Fee: 10, PerGfuel: 20}
	enable(t, gs, "puppet", puppet(t), all(), Terms{Price: price, Fuel: 1e8})
	enable(t, gs, "free", puppet(t), all(), Terms{})
	enable(t, gs, "pure", reactor(t), nil, Terms{Price: price})

	about, err := Ask(t.Context(), sea.Nodes[1], sea.Nodes[0].Addr(), "puppet")
	if err != nil || about.Price != price || about.Fuel != 1e8 || len(about.Functions) != 9 || len(about.Powers) != len(Grants) {
		t.Fatalf("about it: %+v, %v", about, err)
	}
	body := compute.BlobOf([]byte("a"))
	job := about.Job("puppet", "kv_get", body, 1e12)
	if s, ok := gs.Service(job); !ok || s.Price != price || len(s.Powers(rpc.Peer{})) != 8 || s.Tenant != "guest puppet" {
		t.Errorf("its call: %+v, %v", s, ok)
	}
	pure, err := Ask(t.Context(), sea.Nodes[1], sea.Nodes[0].Addr(), "pure")
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := gs.Service(pure.Job("pure", "echo", body, 1e6)); !ok || s.Powers != nil {
		t.Errorf("a pure one's call: %+v, %v", s, ok)
	}
	for name, change := range map[string]func(*compute.Job){
		"another name":              func(j *compute.Job) { j.Args = []string{"free"} },
		"no name":                   func(j *compute.Job) { j.Args = nil },
		"more arguments":            func(j *compute.Job) { j.Args = append(j.Args, "x") },
		"a command":                 func(j *compute.Job) { j.Entry = "" },
		"not served":                func(j *compute.Job) { j.Entry = "UPPER" },
		"an environment":            func(j *compute.Job) { j.Env = []string{"A=B"} },
		"files":                     func(j *compute.Job) { j.Files = []compute.File{{Path: "x"}} },
		"more fuel":                 func(j *compute.Job) { j.Limits.Fuel++ },
		"more memory":               func(j *compute.Job) { j.Limits.MemoryPages++ },
		"more output":               func(j *compute.Job) { j.Limits.OutputBytes++ },
		"more time":                 func(j *compute.Job) { j.Limits.WallMillis++ },
		"more depth":                func(j *compute.Job) { j.Limits.Depth++ },
		"another module":            func(j *compute.Job) { j.Module[0]++ },
		"the free one's":            func(j *compute.Job) { *j = about.Job("free", "kv_get", body, 1e6) },
		"the pure one's of another": func(j *compute.Job) { j.Module = pure.Module.Hash },
	} {
		j := job
		change(&j)
		if s, ok := gs.Service(j); ok {
			t.Errorf("%s is sold as %+v", name, s)
		}
	}

	if _, err := sea.Nodes[1].Call(t.Context(), sea.Nodes[0].Addr(), "puppet:kv_get", []byte("a")); !errors.Is(err, rpc.ErrRefused) {
		t.Errorf("called for nothing: %v", err)
	}
	sold, _ := gs.Service(job)
	powers := sold.Powers(rpc.Peer{})
	if err := gs.Disable("puppet"); err != nil {
		t.Fatal(err)
	}
	if _, ok := gs.Service(job); ok {
		t.Error("sold though it is disabled")
	}
	if _, code := powers["kv_put"](t.Context(), []byte("a\nb")); code != compute.PowerDenied {
		t.Errorf("what was sold before can store: %d", code)
	}
	if _, code := powers["publish"](t.Context(), []byte("news\ntide\nx")); code != compute.PowerFailed {
		t.Errorf("and publish: %d", code)
	}
}

// TestAbout: of what a seller says of its service nothing is taken that cannot be.
func TestAbout(t *testing.T) {
	sea := nodetest.New(t, 2)
	var said About
	defer aboutMethod.Handle(sea.Nodes[0], func(context.Context, rpc.Peer, aboutRequest) (About, error) { return said, nil })()
	good := About{Module: compute.Blob{Size: 8}, Fuel: 1, MemoryPages: 1, Powers: []string{}, Functions: []string{}}
	for name, change := range map[string]func(*About){
		"":                 func(*About) {},
		"no module":        func(a *About) { a.Module.Size = 0 },
		"a huge module":    func(a *About) { a.Module.Size = compute.MaxModuleBytes + 1 },
		"a negative price": func(a *About) { a.PerGfuel = -1 },
		"a huge fee":       func(a *About) { a.Fee = 1 << 62 },
		"too much fuel":    func(a *About) { a.Fuel = 1e12 },
		"too much memory":  func(a *About) { a.MemoryPages = 1 << 16 },
	} {
		said = good
		change(&said)
		if _, err := Ask(t.Context(), sea.Nodes[1], sea.Nodes[0].Addr(), "x"); (err == nil) != (name == "") || err != nil && !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
