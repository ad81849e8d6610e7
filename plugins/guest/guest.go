package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

// maxGuests is how many guests a node knows, enabled or not.
const maxGuests = 32

// Errors of Enable, Disable and Forget.
var (
	// ErrRefused is returned for a guest that cannot be enabled. The text says what to
	// do about it.
	ErrRefused = errors.New("guest refused")

	// ErrUnknown is returned when there is no guest of that name.
	ErrUnknown = errors.New("no such guest")
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// engine runs guests; *compute.Engine is one.
type engine interface {
	Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error)
}

// Guests is the plugin. All methods may be called at once, once Init has returned.
type Guests struct {
	engine   engine
	store    *state.Store
	blobs    *storage.Storage
	reserved []string
	host     *plugins.Host
	records  *state.Table
	values   *state.Table

	mu     sync.Mutex // guards what follows
	guests map[string]*guest
	closed bool
}

// New makes the plugin, which needs blobs before it in the list. st keeps what guests
// are and store, blobs their modules; reserved are names that no guest may have, and
// whose scopes none may call: those of the node's other plugins. The caller closes e and
// st after the plugin has ended.
func New(e *compute.Engine, st *state.Store, blobs *storage.Storage, reserved ...string) *Guests {
	return &Guests{engine: e, store: st, blobs: blobs, reserved: append([]string{"sea", "guest"}, reserved...), guests: map[string]*guest{}}
}

// Init enables the guests that were enabled when the node ended.
func (gs *Guests) Init(host *plugins.Host) (err error) {
	gs.host = host
	if gs.records, err = gs.store.Table("guest/records", recordVersion); err != nil {
		return err
	}
	if gs.values, err = gs.store.Table("guest/values", valuesVersion); err != nil {
		return err
	}
	used, err := usedBytes(gs.values)
	if err != nil {
		return err
	}
	records, err := readRecords(gs.records)
	if err != nil {
		return err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, r := range records {
		g := newGuest(gs, r, used[r.Name])
		gs.guests[r.Name] = g
		functions, err := gs.examine(r)
		if err != nil { // its module is gone or damaged: the node serves the rest
			host.Log.Warn("a guest cannot be served", "guest", r.Name, "err", err)
			g.trouble = err.Error()
			continue
		}
		g.pinned = gs.blobs.Pin(r.Module)
		if r.On {
			g.open(functions)
		}
	}
	aboutMethod.Handle(host.Node, gs.serveAbout)
	return nil
}

// Run ends with ctx, and closes all guests.
func (gs *Guests) Run(ctx context.Context) error {
	<-ctx.Done()
	gs.mu.Lock()
	gs.closed = true
	guests := gs.sorted()
	gs.mu.Unlock()
	for _, g := range guests {
		g.close()
	}
	return nil
}

// sorted is called with mu held.
func (gs *Guests) sorted() []*guest {
	guests := make([]*guest, 0, len(gs.guests))
	for _, g := range gs.guests {
		guests = append(guests, g)
	}
	slices.SortFunc(guests, func(a, b *guest) int { return cmp.Compare(a.Name, b.Name) })
	return guests
}

// List gives all guests, sorted by name.
func (gs *Guests) List() []View {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	views := make([]View, 0, len(gs.guests))
	for _, g := range gs.sorted() {
		views = append(views, g.view())
	}
	return views
}

// Enable serves a module, which is among the blobs, as the guest called name, in the
// place of the one of that name that there may be, with its store. powers are words of
// Grants. It is remembered: the guest is served again after a restart. Errors are
// ErrRefused and those of the disk.
func (gs *Guests) Enable(name string, module compute.Blob, powers []string, terms Terms) (View, error) {
	r := record{
		Name: name, Module: module.Hash, Size: module.Size, Powers: slices.Compact(slices.Sorted(slices.Values(powers))),
		Terms: terms.withDefaults(), On: true, Since: time.Now().UnixMilli(),
	}
	functions, err := gs.examine(r)
	if err != nil {
		return View{}, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	old := gs.guests[name]
	switch {
	case gs.closed:
		return View{}, fmt.Errorf("%w: the node ends", ErrRefused)
	case old == nil && len(gs.guests) >= maxGuests:
		return View{}, fmt.Errorf("%w: there are %d guests, the most there may be: forget one", ErrRefused, maxGuests)
	case !gs.blobs.Pin(r.Module):
		return View{}, fmt.Errorf("%w: its module is gone already: upload it again", ErrRefused)
	}
	if err := gs.commit(r); err != nil {
		gs.blobs.Unpin(r.Module)
		return View{}, err
	}
	used := int64(0)
	if old != nil {
		old.close()
		used = old.store.bytes()
		old.unpin()
	}
	g := newGuest(gs, r, used)
	g.pinned = true
	gs.guests[name] = g
	g.open(functions)
	return g.view(), nil
}

// Disable stops serving a guest. What it stored is kept, and so is its module.
func (gs *Guests) Disable(name string) error {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.guests[name]
	if g == nil {
		return fmt.Errorf("%w: %.40q", ErrUnknown, name)
	}
	r := g.record
	r.On = false
	if err := gs.commit(r); err != nil {
		return err
	}
	g.close()
	off := newGuest(gs, r, g.store.bytes())
	off.pinned, off.trouble = g.pinned, g.trouble
	gs.guests[name] = off
	return nil
}

// Forget disables a guest and removes all that was kept of it.
func (gs *Guests) Forget(name string) error {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.guests[name]
	if g == nil {
		return fmt.Errorf("%w: %.40q", ErrUnknown, name)
	}
	g.close()
	if err := g.store.clear(); err != nil {
		return err
	}
	var b state.Batch
	b.Delete(gs.records, []byte(name))
	if err := gs.store.Commit(&b); err != nil {
		return err
	}
	delete(gs.guests, name)
	g.unpin()
	return nil
}

// check refuses what no module could mend.
func (gs *Guests) check(r record) error {
	if !nameForm.MatchString(r.Name) {
		return fmt.Errorf("%w: the name %.40q: want 1 to 32 of a-z and 0-9, a letter first", ErrRefused, r.Name)
	}
	if slices.Contains(gs.reserved, r.Name) {
		return fmt.Errorf("%w: %s: scopes are this node's own: choose another name", ErrRefused, r.Name)
	}
	if _, unknown := powersOf(r.Powers); unknown != "" {
		return fmt.Errorf("%w: there is no power %.40q", ErrRefused, unknown)
	}
	return r.Terms.check()
}

// examine says which functions of a guest are served.
func (gs *Guests) examine(r record) ([]string, error) {
	if err := gs.check(r); err != nil {
		return nil, err
	}
	f, err := gs.blobs.Open(r.Module)
	if err != nil {
		return nil, fmt.Errorf("%w: its module: %w", ErrRefused, err)
	}
	defer f.Close()
	module, err := io.ReadAll(io.LimitReader(f, compute.MaxModuleBytes+1))
	if err != nil {
		return nil, err
	}
	if identity.HashOf(module) != r.Module || uint64(len(module)) != r.Size {
		gs.blobs.Discard(r.Module) // so that it can be put in again
		return nil, fmt.Errorf("%w: its module was changed on the disk: enable it again", ErrRefused)
	}
	return functionsOf(r, module)
}

// commit is called with mu held.
func (gs *Guests) commit(r record) error {
	var b state.Batch
	b.Put(gs.records, []byte(r.Name), r.encode())
	return gs.store.Commit(&b)
}
