package guest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/storage"
)

// Bounds of a guest and of one call.
const (
	maxFunctions = 64
	maxCalls     = 4       // of one guest at once
	maxOfOne     = 2       // of them for one entity
	maxAnswer    = 1 << 20 // bytes, with what it writes to stderr
	callWall     = 15 * time.Second
)

// View is a guest as its operator sees it.
type View struct {
	Name   string        `json:"name"`
	Module identity.Hash `json:"module"`
	Powers []string      `json:"powers"`
	Scopes []string      `json:"scopes"` // served now
	Terms  Terms         `json:"terms"`
	Stored int64         `json:"stored_bytes"`
	On     bool          `json:"on"`
	Since  int64         `json:"since_ms"`
	// Trouble is why it is not served though it is on.
	Trouble string `json:"trouble,omitempty"`

	// Since the node started: calls that were answered, that failed, that were refused
	// because the guest was busy, and the fuel of all.
	Calls  uint64 `json:"calls"`
	Failed uint64 `json:"failed"`
	Busy   uint64 `json:"busy"`
	Fuel   uint64 `json:"fuel"`
}

// guest is one that is known, and served between open and close.
type guest struct {
	record
	all     *Guests
	store   *store
	voices  voices
	trouble string

	ctx       context.Context // of its calls
	cancel    context.CancelFunc
	functions []string // that are served, sorted
	shared    bool     // its module is, with anyone
	pinned    bool     // its module is; guarded by Guests.mu

	mu      sync.Mutex // guards what follows
	scopes  []string
	undo    []func()
	closed  bool
	callers map[identity.Entity]int // calls under way, maxCalls together
	under   int
	calls   uint64
	failed  uint64
	busy    uint64
	fuel    uint64
	running sync.WaitGroup // Add only under mu while not closed
}

func newGuest(all *Guests, r record, used int64) *guest {
	g := &guest{
		record: r, all: all, callers: map[identity.Entity]int{},
		store: &store{store: all.store, table: all.values, name: r.Name, quota: r.Terms.StoreBytes, used: used},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// open serves the functions.
func (g *guest) open(functions []string) {
	g.shared = g.Terms.sold()
	if g.shared { // buyers run it again
		g.all.blobs.Share(storage.Anyone, g.Module)
	}
	g.functions = functions
	for _, f := range functions {
		scope := g.Name + ":" + f
		g.scopes = append(g.scopes, scope)
		g.undo = append(g.undo, g.all.host.Node.Handle(scope, func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			return g.call(ctx, from, f, body)
		}))
	}
}

// close stops serving and returns when no call is under way any more.
func (g *guest) close() {
	g.mu.Lock()
	undo := g.undo
	g.undo, g.scopes, g.closed = nil, nil, true
	g.mu.Unlock()
	for _, f := range undo {
		f()
	}
	if g.shared {
		g.all.blobs.Unshare(storage.Anyone, g.Module)
	}
	g.cancel()
	g.running.Wait()
	g.store.end() // calls that were sold may go on
	g.voices.close()
}

// unpin lets the module go. It is called with Guests.mu held.
func (g *guest) unpin() {
	if g.pinned {
		g.all.blobs.Unpin(g.Module)
	}
	g.pinned = false
}

func (g *guest) view() View {
	g.mu.Lock()
	defer g.mu.Unlock()
	return View{
		Name: g.Name, Module: g.Module, Powers: append([]string{}, g.Powers...), Scopes: append([]string{}, g.scopes...), Terms: g.Terms,
		Stored: g.store.bytes(), On: g.On, Since: g.Since, Trouble: g.trouble,
		Calls: g.calls, Failed: g.failed, Busy: g.busy, Fuel: g.fuel,
	}
}

// enter counts a call in, or refuses it.
func (g *guest) enter(from identity.Entity) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return rpc.ErrNoHandler
	case g.under >= maxCalls, g.callers[from] >= maxOfOne:
		g.busy++
		return rpc.Errorf(rpc.Busy, "%s has %d calls under way, %d of them yours; ask again", g.Name, g.under, g.callers[from])
	}
	g.under++
	g.callers[from]++
	g.running.Add(1)
	return nil
}

// leave counts it out.
func (g *guest) leave(from identity.Entity, fuel uint64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under--
	if g.callers[from]--; g.callers[from] == 0 {
		delete(g.callers, from)
	}
	g.fuel += fuel
	if err == nil {
		g.calls++
	} else {
		g.failed++
	}
	g.running.Done()
}

// call runs one function for a caller.
func (g *guest) call(ctx context.Context, from rpc.Peer, function string, body []byte) (answer []byte, err error) {
	if g.Terms.sold() && from.Entity != g.all.host.Node.Key() {
		return nil, rpc.Errorf(rpc.Refused, "a call costs %s credits and %s a Gfuel: buy it (seaworker call --max-credit)", g.Terms.Fee, g.Terms.PerGfuel)
	}
	if err := g.enter(from.Entity); err != nil {
		return nil, err
	}
	var r compute.Result
	defer func() { g.leave(from.Entity, r.Fuel, err) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()

	job := g.job(function, body)
	live := compute.Live{Tenant: g.tenant()}
	if len(g.Powers) > 0 {
		if _, err := rand.Read(job.Seed[:]); err != nil {
			return nil, err
		}
		job.Start = time.Now().UnixNano()
		live.Powers = g.powers(from)
	}
	r, err = g.all.engine.Run(ctx, job, blobs{g, body}, live)
	if err == nil {
		answer, err = answerOf(r, ctx)
	}
	if err != nil && !errors.As(err, new(*rpc.Error)) && ctx.Err() == nil {
		g.all.host.Log.Warn("a guest's call failed", "guest", g.Name, "function", function, "err", err)
	}
	return answer, err
}

// tenant is in whose name its workers run.
func (g *guest) tenant() string { return "guest " + g.Name }

// answerOf makes a call's answer, or its error, of how the guest ended.
func answerOf(r compute.Result, ctx context.Context) ([]byte, error) {
	said := lastLine(r.Stderr)
	switch {
	case r.End == compute.Exit && r.Code == 0:
		return r.Stdout, nil
	case r.End == compute.Exit && said != "":
		return nil, rpc.Errorf(rpc.BadRequest, "%s", said) // the guest's own refusal
	case r.End == compute.Exit:
		return nil, rpc.Errorf(rpc.BadRequest, "the guest refused it with code %d", r.Code)
	case r.End == compute.OutOfFuel:
		return nil, rpc.Errorf(rpc.TooLarge, "the guest used up the %d fuel that a call may have", r.Fuel)
	case r.End == compute.OutputLimit:
		return nil, rpc.Errorf(rpc.TooLarge, "the guest's answer has more than %d bytes", maxAnswer)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.End == compute.Interrupted:
		return nil, rpc.Errorf(rpc.Timeout, "the guest took longer than %v", callWall)
	}
	return nil, rpc.Errorf(rpc.Internal, "the guest ended by a trap: %s", r.Trap)
}

// lastLine is the last line of text that a guest wrote, if any.
func lastLine(b []byte) string {
	b = bytes.TrimRight(b, "\r\n")
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// blobs are a call's: its module, on the disk, and its body.
type blobs struct {
	g    *guest
	body []byte
}

func (b blobs) Open(h identity.Hash) (io.ReadCloser, error) {
	if h == b.g.Module {
		return b.g.all.blobs.Open(h)
	}
	return io.NopCloser(bytes.NewReader(b.body)), nil
}
