package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

func TestMain(m *testing.M) {
	if compute.IsWorker() {
		os.Exit(compute.Worker())
	}
	goleak.VerifyTestMain(m)
}

func module(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func puppet(t testing.TB) []byte  { return module(t, "testdata/puppet.wasm") }
func reactor(t testing.TB) []byte { return module(t, "../../compute/testdata/reactor.wasm") }

// all are the words of all powers.
func all() (words []string) {
	for _, g := range Grants {
		words = append(words, g.Word)
	}
	return words
}

// kept is a node's disk: its state and its plugins' folder.
type kept struct {
	dir string
	log bytes.Buffer
}

// serve starts guests on a node, until the test ends or stop is called.
func (k *kept) serve(t testing.TB, n *node.Node, e engine) (gs *Guests, stop func()) {
	t.Helper()
	if k.dir == "" {
		k.dir = t.TempDir()
	}
	st, err := state.Open(filepath.Join(k.dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	closeEngine := func() {}
	if e == nil {
		own := compute.New(compute.Config{InProcess: true, Workers: 2})
		e, closeEngine = own, func() {
			if err := own.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	blobs, err := storage.Open(filepath.Join(k.dir, "blobs"), storage.Config{})
	if err != nil {
		t.Fatal(err)
	}
	gs = New(nil, st, blobs, "market", "storage", "credit")
	gs.engine = e
	set, err := plugins.Start(n, k.dir, slog.New(slog.NewTextHandler(&k.log, nil)), plugins.Named{Name: "storage", Plugin: blobs}, plugins.Named{Name: "guest", Plugin: gs})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := set.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		closeEngine()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return gs, stop
}

// upload puts a module among the blobs.
func upload(t testing.TB, gs *Guests, module []byte) compute.Blob {
	t.Helper()
	blob, err := gs.blobs.PutBytes(module)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// enable is Enable of a guest that is fine.
func enable(t testing.TB, gs *Guests, name string, module []byte, powers []string, terms Terms) View {
	t.Helper()
	v, err := gs.Enable(name, upload(t, gs, module), powers, terms)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ask has the puppet on node to ask a power, and returns the number and the answer.
func ask(t testing.TB, from *node.Node, to addr.Addr, power, request string) (int32, string) {
	t.Helper()
	b, err := from.Call(t.Context(), to, "puppet:"+power, []byte(request))
	if err != nil || len(b) < 4 {
		t.Fatalf("%s: %x, %v", power, b, err)
	}
	return int32(binary.LittleEndian.Uint32(b)), string(b[4:])
}

func TestFunctions(t *testing.T) {
	sea := nodetest.New(t, 2)
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], nil)
	v := enable(t, gs, "puppet", puppet(t), all(), Terms{})
	want := "call caller greedy kv_delete kv_get kv_list kv_put log publish"
	if got := strings.ReplaceAll(strings.Join(v.Scopes, " "), "puppet:", ""); got != want {
		t.Errorf("serves %s, want %s", got, want)
	}
	if v.Terms != (Terms{Fuel: 1e9, MemoryPages: 1024, StoreBytes: 16 << 20}) || !v.On || v.Module != identity.HashOf(puppet(t)) {
		t.Errorf("enabled as %+v", v)
	}
}

// TestPure: without powers the same body gives the same answer for the same fuel on
// every node, and each way to end is an answer or an error that says what it was.
func TestPure(t *testing.T) {
	sea := nodetest.New(t, 3)
	var disks [2]kept
	var nodes [2]*Guests
	for i := range nodes {
		nodes[i], _ = disks[i].serve(t, sea.Nodes[i], nil)
		enable(t, nodes[i], "r", reactor(t), nil, Terms{Fuel: 5e6})
	}
	for _, tt := range []struct {
		function, body, answer, says string
		code                         error
	}{
		{"echo", "hello", "hello", "", nil},
		{"echo", "", "", "", nil},
		{"hi", "", "hi\nhi", "", nil},
		{"trap", "", "", "unreachable", rpc.ErrInternal},
		{"exit", "", "", "code 5", rpc.ErrBadRequest},
		{"loop", "", "", "5000000 fuel", rpc.ErrTooLarge},
		{"deep", "", "", "depth", rpc.ErrInternal},
		{"none", "", "", "", rpc.ErrNoHandler},
	} {
		for i := range nodes {
			got, err := sea.Nodes[2].Call(t.Context(), sea.Nodes[i].Addr(), "r:"+tt.function, []byte(tt.body))
			if string(got) != tt.answer || !errors.Is(err, tt.code) || tt.code != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s on node %d: %q, %v", tt.function, i, got, err)
			}
		}
	}
	a, b := nodes[0].List()[0], nodes[1].List()[0]
	if a.Fuel != b.Fuel || a.Fuel < 5e6 || a.Calls != 3 || a.Failed != 4 {
		t.Errorf("%d calls, %d failed, fuel %d; the other node %d", a.Calls, a.Failed, a.Fuel, b.Fuel)
	}
}

func TestEnableRefuses(t *testing.T) {
	sea := nodetest.New(t, 1)
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], nil)
	for name, tt := range map[string]struct {
		name   string
		module []byte
		powers []string
		terms  Terms
		says   string
	}{
		"no name":           {"", reactor(t), nil, Terms{}, "the name"},
		"a long name":       {strings.Repeat("a", 33), reactor(t), nil, Terms{}, "the name"},
		"a path":            {"../x", reactor(t), nil, Terms{}, "the name"},
		"the node's own":    {"sea", reactor(t), nil, Terms{}, "own"},
		"another plugin's":  {"credit", reactor(t), nil, Terms{}, "own"},
		"no module":         {"a", []byte("hello"), nil, Terms{}, "module"},
		"an unknown power":  {"a", reactor(t), []string{"root"}, Terms{}, `no power "root"`},
		"a power too few":   {"a", puppet(t), []string{"call", "caller", "log", "publish"}, Terms{}, `allow "store"`},
		"too much fuel":     {"a", reactor(t), nil, Terms{Fuel: 100e9 + 1}, "fuel"},
		"too much memory":   {"a", reactor(t), nil, Terms{MemoryPages: 16385}, "memory"},
		"too little memory": {"a", puppet(t), all(), Terms{MemoryPages: 7}, "512 KiB"},
		"too much store":    {"a", reactor(t), nil, Terms{StoreBytes: 1<<30 + 1}, "store"},
		"a command":         {"a", module(t, "../../examples/primes/primes.wasm"), nil, Terms{}, "no function"},
	} {
		if v, err := gs.Enable(tt.name, upload(t, gs, tt.module), tt.powers, tt.terms); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	for i := range maxGuests {
		enable(t, gs, fmt.Sprintf("g%d", i), reactor(t), nil, Terms{})
	}
	if _, err := gs.Enable("last", upload(t, gs, reactor(t)), nil, Terms{}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "32 guests") {
		t.Errorf("one too many: %v", err)
	}
	enable(t, gs, "g0", puppet(t), all(), Terms{}) // in the place of another
	for _, name := range []string{"", "last"} {
		if err := errors.Join(gs.Disable(name), gs.Forget(name)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestStore: keys and values of a guest's own, within its quota, over restarts.
func TestStore(t *testing.T) {
	sea := nodetest.New(t, 2)
	here, there := sea.Nodes[0], sea.Nodes[1].Addr()
	var disk kept
	gs, stop := disk.serve(t, sea.Nodes[1], nil)
	quota := Terms{StoreBytes: 1000}
	enable(t, gs, "puppet", puppet(t), all(), quota)
	other := enable(t, gs, "pup", puppet(t), all(), quota)
	if other.Stored != 0 {
		t.Errorf("another guest has %d bytes", other.Stored)
	}

	type step struct {
		power, request string
		code           int32
		answer         string
	}
	check := func(steps ...step) {
		t.Helper()
		for _, s := range steps {
			code, answer := ask(t, here, there, s.power, s.request)
			if code != s.code || answer != s.answer {
				t.Errorf("%s %q: %d, %q; want %d, %q", s.power, s.request, code, answer, s.code, s.answer)
			}
		}
	}
	long := strings.Repeat("k", maxKey)
	check(
		step{"kv_get", "a", compute.PowerAbsent, ""},
		step{"kv_put", "a\nfirst", 0, ""},
		step{"kv_put", "b\n", 0, ""},
		step{"kv_put", long + "\nline\nline", 0, ""},
		step{"kv_get", "a", 5, "first"},
		step{"kv_get", "b", 0, ""},
		step{"kv_get", long, 9, "line\nline"},
		step{"kv_list", "", int32(5 + maxKey), "a\nb\n" + long + "\n"},
		step{"kv_list", "k", int32(1 + maxKey), long + "\n"},
		step{"kv_list", "\na", int32(3 + maxKey), "b\n" + long + "\n"},
		step{"kv_list", "x", 0, ""},
		step{"kv_delete", "b", 0, ""},
		step{"kv_delete", "b", compute.PowerAbsent, ""},
		step{"kv_put", "no value", compute.PowerInvalid, ""},
		step{"kv_put", "\nno key", compute.PowerInvalid, ""},
		step{"kv_put", "a\x00b\nnul", compute.PowerInvalid, ""},
		step{"kv_put", long + "k\nlong", compute.PowerInvalid, ""},
		step{"kv_get", "", compute.PowerInvalid, ""},
		step{"kv_delete", "a\nb", compute.PowerInvalid, ""},
		step{"kv_list", long + "k", compute.PowerInvalid, ""},
		// 70 and 273 bytes are used: 657 are left.
		step{"kv_put", "c\n" + strings.Repeat("x", 657-65+1), compute.PowerDenied, ""},
		step{"kv_put", "c\n" + strings.Repeat("x", 657-65), 0, ""},
		step{"kv_put", "d\n", compute.PowerDenied, ""},
		step{"kv_put", "c\nsmall", 0, ""}, // what frees room may
		step{"kv_put", "d\n", 0, ""},
	)
	used := gs.List()[1].Stored
	if want := int64(70 + 273 + 70 + 65); used != want {
		t.Errorf("%d bytes are used, want %d", used, want)
	}
	if code, _ := ask(t, here, there, "greedy", "a"); code != -maxStored {
		t.Errorf("one call could ask %d times, want %d", -code, maxStored)
	}

	stop()
	gs, _ = disk.serve(t, sea.Nodes[1], nil)
	if got := gs.List()[1]; got.Stored != used || !got.On || len(got.Scopes) != 9 {
		t.Errorf("after a restart: %+v", got)
	}
	check(step{"kv_get", "a", 5, "first"}, step{"kv_put", "e\n" + strings.Repeat("x", 600), compute.PowerDenied, ""})

	if err := gs.Disable("puppet"); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Call(t.Context(), there, "puppet:kv_get", []byte("a")); !errors.Is(err, rpc.ErrNoHandler) {
		t.Errorf("disabled: %v", err)
	}
	enable(t, gs, "puppet", puppet(t), all(), quota)
	check(step{"kv_get", "a", 5, "first"})
	if err := gs.Forget("puppet"); err != nil {
		t.Fatal(err)
	}
	if f, err := gs.blobs.Open(other.Module); err != nil {
		t.Errorf("the module that another guest is was removed: %v", err)
	} else {
		f.Close()
	}
	v := enable(t, gs, "puppet", puppet(t), all(), quota)
	if v.Stored != 0 {
		t.Errorf("forgotten: %d bytes are used", v.Stored)
	}
	check(step{"kv_get", "a", compute.PowerAbsent, ""})
}

// TestListed: a list of more keys than fit is read in pieces.
func TestListed(t *testing.T) {
	st, err := state.Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	table, err := st.Table("guest/values", valuesVersion)
	if err != nil {
		t.Fatal(err)
	}
	var b state.Batch
	s := &store{store: st, table: table, name: "a"}
	for _, name := range []string{"a", "aa", "b"} { // none of which sees the others'
		for i := range 2*maxListed + 10 {
			b.Put(table, (&store{name: name}).key(fmt.Appendf(nil, "%05d", i)), []byte{1})
		}
	}
	if err := st.Commit(&b); err != nil {
		t.Fatal(err)
	}
	var after []byte
	var sizes []int
	for {
		keys, err := s.list(nil, after)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		list := bytes.Split(bytes.TrimSuffix(keys, []byte("\n")), []byte("\n"))
		sizes = append(sizes, len(list))
		after = list[len(list)-1]
	}
	if want := []int{maxListed, maxListed, 10}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("lists of %v, want %v", sizes, want)
	}
	used, err := usedBytes(table)
	if want := int64(2*maxListed+10) * (5 + keyCost); err != nil || used["aa"] != want {
		t.Errorf("%d bytes are used, want %d; %v", used["aa"], want, err)
	}
}

// holding is an engine in which each call waits to be let go, or for its end.
type holding struct {
	begun chan struct{}
	let   chan struct{}
}

func (h holding) Run(ctx context.Context, _ compute.Job, _ compute.Blobs, _ compute.Live) (compute.Result, error) {
	h.begun <- struct{}{}
	select {
	case <-h.let:
		return compute.Result{End: compute.Exit, Stdout: []byte("done")}, nil
	case <-ctx.Done():
		return compute.Result{End: compute.Interrupted}, nil
	}
}

// TestBusy: one caller has half of a guest's calls and all together have four; the
// others are told at once. A guest that is disabled ends those under way.
func TestBusy(t *testing.T) {
	sea := nodetest.New(t, 4)
	h := holding{make(chan struct{}), make(chan struct{})}
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], h)
	enable(t, gs, "r", reactor(t), nil, Terms{})
	outcome := make(chan error)
	call := func(i int) {
		_, err := sea.Nodes[i].Call(t.Context(), sea.Nodes[0].Addr(), "r:hi", nil)
		outcome <- err
	}
	for _, i := range []int{1, 1, 2} {
		go call(i)
		<-h.begun
	}
	refused := func(i int) {
		t.Helper()
		go call(i)
		if err := <-outcome; !errors.Is(err, rpc.ErrBusy) {
			t.Errorf("node %d: %v", i, err)
		}
	}
	refused(1)
	go call(3)
	<-h.begun
	refused(2)
	if g := gs.List()[0]; g.Busy != 2 || len(gs.guests["r"].callers) != 3 {
		t.Errorf("%d refused, %d callers", g.Busy, len(gs.guests["r"].callers))
	}
	h.let <- struct{}{}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
	go call(3)
	<-h.begun

	done := make(chan error)
	go func() { done <- gs.Disable("r") }()
	for range 4 {
		if err := <-outcome; !errors.Is(err, rpc.ErrCancelled) && !errors.Is(err, rpc.ErrNoHandler) {
			t.Errorf("under way: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDamaged: a module that was changed on the disk is not run; the node serves the
// rest, and the list says why.
func TestDamaged(t *testing.T) {
	sea := nodetest.New(t, 2)
	var disk kept
	gs, stop := disk.serve(t, sea.Nodes[0], nil)
	enable(t, gs, "puppet", puppet(t), all(), Terms{})
	v := enable(t, gs, "r", reactor(t), nil, Terms{})
	stop()
	bad := reactor(t)
	bad[len(bad)-1]++
	name := v.Module.String()
	if err := os.WriteFile(filepath.Join(disk.dir, "blobs", name[:2], name), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	gs, _ = disk.serve(t, sea.Nodes[0], nil)
	list := gs.List()
	if len(list) != 2 || list[0].Trouble != "" || len(list[1].Scopes) != 0 || !strings.Contains(list[1].Trouble, "changed on the disk") {
		t.Errorf("served: %+v", list)
	}
	if _, err := sea.Nodes[1].Call(t.Context(), sea.Nodes[0].Addr(), "r:hi", nil); !errors.Is(err, rpc.ErrNoHandler) {
		t.Error(err)
	}
	enable(t, gs, "r", reactor(t), nil, Terms{})
	if b, err := sea.Nodes[1].Call(t.Context(), sea.Nodes[0].Addr(), "r:hi", nil); err != nil || string(b) != "hi\nhi" {
		t.Errorf("enabled again: %q, %v", b, err)
	}
	if err := gs.Forget("puppet"); err != nil {
		t.Error(err)
	}
	if total, pinned := gs.blobs.Usage(); pinned != int64(len(reactor(t))) || total < pinned {
		t.Errorf("%d of %d bytes of blobs are pinned, want those of one module", pinned, total)
	}
}
