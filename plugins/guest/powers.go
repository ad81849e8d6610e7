package guest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
)

// Grant is a word by which an operator allows powers.
type Grant struct {
	Word    string
	Powers  []string // the functions of the module "sea" that it gives
	Meaning string   // for people: what a guest may do then
}

// Grants are all there are, sorted. They do not change.
var Grants = []Grant{
	{"call", []string{"call"}, "call scopes of other nodes in this node's name"},
	{"caller", []string{"caller"}, "know who calls it"},
	{"log", []string{"log"}, "write to this node's log"},
	{"publish", []string{"publish"}, "publish in channels in this node's name"},
	{"store", []string{"kv_get", "kv_put", "kv_delete", "kv_list"}, "keep keys and values on this node's disk"},
}

// powersOf gives the powers of some words, and the first that is none.
func powersOf(words []string) (powers []string, unknown string) {
	for _, word := range words {
		i := slices.IndexFunc(Grants, func(g Grant) bool { return g.Word == word })
		if i < 0 {
			return nil, word
		}
		powers = append(powers, Grants[i].Powers...)
	}
	return powers, ""
}

// wordOf is the word that gives a power, or "".
func wordOf(power string) string {
	for _, g := range Grants {
		if slices.Contains(g.Powers, power) {
			return g.Word
		}
	}
	return ""
}

// How often one call of a guest may use its powers. Beyond that it is denied.
const (
	maxStored    = 256 // gets, puts, deletes and lists
	maxMade      = 16  // calls of other nodes
	maxPublished = 4
	maxLogged    = 16
	maxVoices    = 4 // channels that a guest is a member of, to publish in
)

// asking is one call of a guest that asks for its powers, one at a time.
type asking struct {
	g    *guest
	from rpc.Peer

	stored, made, published, logged int
}

// powers are what the guest may ask during a call by from.
func (g *guest) powers(from rpc.Peer) compute.Powers {
	a := &asking{g: g, from: from}
	all := compute.Powers{
		"call": a.call, "caller": a.caller, "log": a.log, "publish": a.publish,
		"kv_get": a.get, "kv_put": a.put, "kv_delete": a.remove, "kv_list": a.list,
	}
	given := compute.Powers{}
	names, _ := powersOf(g.Powers) // which Enable has checked
	for _, name := range names {
		given[name] = all[name]
	}
	return given
}

// once counts a use, and tells whether it is one too many.
func once(n *int, most int) (denied bool) {
	*n++
	return *n > most
}

// get answers KEY with its value.
func (a *asking) get(_ context.Context, key []byte) ([]byte, int32) {
	if once(&a.stored, maxStored) {
		return nil, compute.PowerDenied
	}
	if !goodKey(key) {
		return nil, compute.PowerInvalid
	}
	value, ok, err := a.g.store.get(key)
	if err != nil {
		return nil, a.failed("kv_get", err)
	}
	if !ok {
		return nil, compute.PowerAbsent
	}
	return value, 0
}

// put keeps KEY LF VALUE. It is on the disk when it is answered.
func (a *asking) put(_ context.Context, request []byte) ([]byte, int32) {
	if once(&a.stored, maxStored) {
		return nil, compute.PowerDenied
	}
	key, value, ok := bytes.Cut(request, []byte("\n"))
	if !ok || !goodKey(key) {
		return nil, compute.PowerInvalid
	}
	ok, err := a.g.store.put(key, value)
	if err != nil {
		return nil, a.failed("kv_put", err)
	}
	if !ok {
		return nil, compute.PowerDenied
	}
	return nil, 0
}

// remove forgets KEY.
func (a *asking) remove(_ context.Context, key []byte) ([]byte, int32) {
	if once(&a.stored, maxStored) {
		return nil, compute.PowerDenied
	}
	if !goodKey(key) {
		return nil, compute.PowerInvalid
	}
	ok, err := a.g.store.remove(key)
	if err != nil {
		return nil, a.failed("kv_delete", err)
	}
	if !ok {
		return nil, compute.PowerAbsent
	}
	return nil, 0
}

// list answers PREFIX, or PREFIX LF AFTER, with keys, each ended by LF.
func (a *asking) list(_ context.Context, request []byte) ([]byte, int32) {
	if once(&a.stored, maxStored) {
		return nil, compute.PowerDenied
	}
	prefix, after, _ := bytes.Cut(request, []byte("\n"))
	if len(prefix) > maxKey || len(after) > maxKey {
		return nil, compute.PowerInvalid
	}
	keys, err := a.g.store.list(prefix, after)
	if err != nil {
		return nil, a.failed("kv_list", err)
	}
	return keys, 0
}

// caller answers with the address and the entity of who calls, in hex, LF between.
func (a *asking) caller(context.Context, []byte) ([]byte, int32) {
	return []byte(a.from.Addr.String() + "\n" + a.from.Entity.String()), 0
}

// log writes a line to the node's log.
func (a *asking) log(_ context.Context, line []byte) ([]byte, int32) {
	if once(&a.logged, maxLogged) {
		return nil, compute.PowerDenied
	}
	a.g.all.host.Log.Info("a guest says", "guest", a.g.Name, "text", rpc.Clean(string(line)))
	return nil, 0
}

// call asks another node: ADDRESS LF SCOPE LF BODY. It speaks in this node's name, so
// it does not speak for the plugins that hold its credit, its jobs and its blobs.
func (a *asking) call(ctx context.Context, request []byte) ([]byte, int32) {
	if once(&a.made, maxMade) {
		return nil, compute.PowerDenied
	}
	where, rest, ok1 := bytes.Cut(request, []byte("\n"))
	scope, body, ok2 := bytes.Cut(rest, []byte("\n"))
	to, err := addr.Parse(string(where))
	if !ok1 || !ok2 || err != nil || rpc.CheckScope(string(scope)) != nil {
		return nil, compute.PowerInvalid
	}
	name, _, _ := strings.Cut(string(scope), ":")
	host := a.g.all.host
	if slices.Contains(a.g.all.reserved, name) && string(scope) != "sea:ping" || to == host.Node.Addr() {
		return nil, compute.PowerDenied
	}
	answer, err := host.Node.Call(ctx, to, string(scope), body)
	switch {
	case errors.Is(err, rpc.ErrNoHandler), errors.Is(err, rpc.ErrNotFound):
		return nil, compute.PowerAbsent
	case err != nil:
		return nil, compute.PowerFailed
	}
	return answer, 0
}

// publish says something in a channel: CHANNEL LF SCOPE LF BODY.
func (a *asking) publish(ctx context.Context, request []byte) ([]byte, int32) {
	if once(&a.published, maxPublished) {
		return nil, compute.PowerDenied
	}
	channel, rest, ok1 := bytes.Cut(request, []byte("\n"))
	scope, body, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok1 || !ok2 || rpc.CheckScope(string(scope)) != nil {
		return nil, compute.PowerInvalid
	}
	ch, err := a.g.voices.join(ctx, a.g.all.host.Node, string(channel))
	if err == nil {
		err = ch.Send(ctx, string(scope), body)
	}
	switch {
	case errors.Is(err, node.ErrNoPeers):
		return nil, compute.PowerAbsent
	case errors.Is(err, rpc.ErrBadRequest), errors.Is(err, rpc.ErrTooLarge):
		return nil, compute.PowerInvalid
	case err != nil:
		return nil, compute.PowerFailed
	}
	return nil, 0
}

// failed tells the operator what went wrong with the disk, and the guest that it did.
func (a *asking) failed(name string, err error) int32 {
	a.g.all.host.Log.Error("a guest's store failed", "guest", a.g.Name, "power", name, "err", err)
	return compute.PowerFailed
}

// voices are the channels that a guest has published in, the last used last.
type voices struct {
	mu     sync.Mutex // guards what follows
	list   []*node.Channel
	closed bool
}

// join gives a Channel to publish in, of which voices keeps maxVoices.
func (v *voices) join(ctx context.Context, n plugins.Node, id string) (*node.Channel, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, ch := range v.list {
		if ch.ID() != id {
			continue
		}
		v.list = slices.Delete(v.list, i, i+1)
		select {
		case <-ch.Done(): // the node was offline meanwhile
		default:
			v.list = append(v.list, ch)
			return ch, nil
		}
		break
	}
	if v.closed {
		return nil, net.ErrClosed
	}
	ch, err := n.Join(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.list = append(v.list, ch); len(v.list) > maxVoices {
		_ = v.list[0].Close() // gives no error
		v.list = slices.Delete(v.list, 0, 1)
	}
	return ch, nil
}

// close leaves all, for good.
func (v *voices) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, ch := range v.list {
		_ = ch.Close() // gives no error
	}
	v.list, v.closed = nil, true
}
