package plugins

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

// Node is what a plugin sees of the node it runs on. *node.Node is one.
type Node interface {
	// Addr is where this node is to be found.
	Addr() addr.Addr

	// Key is the key by which this node signs.
	Key() identity.Entity

	// Call asks another node and waits for its answer; see node.Node.Call for
	// sizes, times and errors.
	Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error)

	// Handle claims a scope. Seen through a Host the claim ends with the
	// plugin; remove ends it sooner.
	Handle(scope string, h rpc.Handler) (remove func())

	// Connect makes a direct, proven link to another node, or finds the one
	// that is there. The caller closes the Conn.
	Connect(ctx context.Context, to addr.Addr) (*node.Conn, error)

	// Join makes the node a member of a channel; see node.Node.Join. The caller
	// closes the Channel.
	Join(ctx context.Context, channel string) (*node.Channel, error)

	// Links lists the proven links of this moment.
	Links() []node.Link

	// Nearest asks the sea who is nearest to target.
	Nearest(ctx context.Context, target addr.Addr) (node.Contact, error)

	// Events yields what happens to the node until ctx ends.
	Events(ctx context.Context) iter.Seq[node.Event]
}

var _ Node = (*node.Node)(nil)

// A Host is what one plugin is given. It belongs to one plugin of one Set.
type Host struct {
	// Node is the node, with a Handle that is undone when the plugin ends.
	Node Node

	// Log has the plugin's name attached. It is never nil.
	Log *slog.Logger

	// Dir is a folder of the plugin's own, made with mode 0700 and empty the
	// first time.
	Dir string

	ctx    context.Context // of the handlers; ended by takeBack
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	closed  bool       // no scope is claimed and no handler begins any more
	claims  []func()
	undone  bool
	undo    []func()
	running sync.WaitGroup // handlers under way; Add only under mu while not closed
}

func newHost(n Node, log *slog.Logger, dir string) *Host {
	h := &Host{Log: log, Dir: dir}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.Node = &lent{Node: n, host: h}
	return h
}

// Undo has f called once the plugin has ended: its scopes gone, its Run
// returned; the last f first. It is how Init gives back what it opened. After
// the end f is called at once.
func (h *Host) Undo(f func()) {
	h.mu.Lock()
	undone := h.undone
	if !undone {
		h.undo = append(h.undo, f)
	}
	h.mu.Unlock()
	if undone {
		f()
	}
}

// takeBack ends the plugin's claims on scopes, last first, and waits for its
// handlers to return. Calling it again does nothing.
func (h *Host) takeBack() {
	h.mu.Lock()
	claims := h.claims
	h.claims, h.closed = nil, true
	h.mu.Unlock()

	for _, remove := range slices.Backward(claims) {
		remove()
	}
	h.cancel() // long polls end now
	h.running.Wait()
}

// end takes everything back; Run has returned or was never called.
func (h *Host) end() {
	h.takeBack()
	h.mu.Lock()
	undo := h.undo
	h.undo, h.undone = nil, true
	h.mu.Unlock()

	for _, f := range slices.Backward(undo) {
		f()
	}
}

// claim remembers how to give a scope back. After takeBack it does so at once.
func (h *Host) claim(remove func()) {
	h.mu.Lock()
	closed := h.closed
	if !closed {
		h.claims = append(h.claims, remove)
	}
	h.mu.Unlock()
	if closed {
		remove()
	}
}

// enter counts a handler in, unless the plugin is ending.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

// lent is the node as a plugin sees it: claims are undone with the plugin.
type lent struct {
	Node
	host *Host
}

func (l *lent) Handle(scope string, handler rpc.Handler) (remove func()) {
	guarded := func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
		if !l.host.enter() {
			return nil, rpc.ErrNoHandler
		}
		defer l.host.running.Done()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(l.host.ctx, cancel)()
		return handler(ctx, from, body)
	}
	remove = sync.OnceFunc(l.Node.Handle(scope, guarded))
	l.host.claim(remove)
	return remove
}
