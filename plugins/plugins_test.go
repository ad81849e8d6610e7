package plugins

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

// board is a Node that only remembers claims.
type board struct {
	Node
	mu     sync.Mutex
	claims map[string]rpc.Handler
}

func newBoard() *board { return &board{claims: map[string]rpc.Handler{}} }

func (b *board) Handle(scope string, h rpc.Handler) (remove func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.claims[scope] != nil {
		panic("claimed twice: " + scope)
	}
	b.claims[scope] = h
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.claims[scope] == nil {
			panic("removed twice: " + scope)
		}
		delete(b.claims, scope)
	}
}

func (b *board) call(ctx context.Context, scope string) ([]byte, error) {
	b.mu.Lock()
	h := b.claims[scope]
	b.mu.Unlock()
	if h == nil {
		return nil, rpc.ErrNoHandler
	}
	return h(ctx, rpc.Peer{}, nil)
}

func (b *board) scopes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for scope := range b.claims {
		all = append(all, scope)
	}
	slices.Sort(all)
	return all
}

func (b *board) Addr() addr.Addr                             { return addr.Addr{} }
func (b *board) Entity() identity.Entity                     { return identity.Entity{} }
func (b *board) Links() []node.Link                          { return nil }
func (b *board) Events(context.Context) iter.Seq[node.Event] { return nil }

// fake is a plugin that says what happens to it.
type fake struct {
	say  func(string)
	init func(*Host) error
	run  func(context.Context) error
}

func (f *fake) Init(h *Host) error {
	f.say("init")
	if f.init != nil {
		return f.init(h)
	}
	return nil
}

func (f *fake) Run(ctx context.Context) error {
	f.say("run")
	defer f.say("end")
	if f.run != nil {
		return f.run(ctx)
	}
	<-ctx.Done()
	return nil
}

type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) by(name string) func(string) {
	return func(what string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines = append(d.lines, name+" "+what)
	}
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		b := newBoard()
		make := func(name string) Named {
			say := d.by(name)
			return Named{name, &fake{say: say, init: func(h *Host) error {
				h.Undo(func() { say("undo") })
				h.Node.Handle(name+":a", nil)
				remove := h.Node.Handle(name+":gone", nil)
				remove()
				return nil
			}}}
		}
		dir := t.TempDir()
		set, err := Start(b, dir, nil, make("one"), make("two"), make("three"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.take(), []string{"one init", "two init", "three init"}; !slices.Equal(got, want) {
			t.Errorf("start: got %v, want %v", got, want)
		}
		if got, want := b.scopes(), []string{"one:a", "three:a", "two:a"}; !slices.Equal(got, want) {
			t.Errorf("scopes: got %v, want %v", got, want)
		}
		if info, err := os.Stat(filepath.Join(dir, "two")); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("folder: %v, %v", info, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		ran := startRun(set, ctx)
		synctest.Wait()
		d.take()
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		want := []string{"three end", "three undo", "two end", "two undo", "one end", "one undo"}
		if got := d.take(); !slices.Equal(got, want) {
			t.Errorf("stop: got %v, want %v", got, want)
		}
		if got := b.scopes(); len(got) != 0 {
			t.Errorf("left claimed: %v", got)
		}
		set.Close() // harmless after Run
	})
}

func startRun(set *Set, ctx context.Context) <-chan error {
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	return ran
}

func TestInitFails(t *testing.T) {
	var d diary
	b := newBoard()
	claim := func(say func(string), scope string, err error) func(*Host) error {
		return func(h *Host) error {
			h.Node.Handle(scope, nil)
			h.Undo(func() { say("undo") })
			return err
		}
	}
	broken := errors.New("no disk")
	one, two := d.by("one"), d.by("two")
	_, err := Start(b, t.TempDir(), nil,
		Named{"one", &fake{say: one, init: claim(one, "a", nil)}},
		Named{"two", &fake{say: two, init: claim(two, "b", broken)}},
		Named{"three", &fake{say: d.by("three")}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if got, want := d.take(), []string{"one init", "two init", "two undo", "one undo"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := b.scopes(); len(got) != 0 {
		t.Errorf("left claimed: %v", got)
	}
}

func TestOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken := errors.New("lost")
		set, err := Start(newBoard(), t.TempDir(), nil,
			Named{"calm", &fake{say: d.by("calm")}},
			Named{"short", &fake{say: d.by("short"), run: func(context.Context) error { return nil }}},
			Named{"bad", &fake{say: d.by("bad"), run: func(context.Context) error { return broken }}})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
		if got := d.take(); got[len(got)-1] != "calm end" {
			t.Errorf("got %v, want calm to end last", got)
		}
	})
}

// TestHandlersEnd shows that a handler under way is told to end, is waited for
// before Run is told to end, and that none begins afterwards.
func TestHandlersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		b := newBoard()
		say := d.by("poll")
		set, err := Start(b, t.TempDir(), nil, Named{"poll", &fake{say: say, init: func(h *Host) error {
			h.Node.Handle("poll:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
				<-ctx.Done()
				say("handled")
				return nil, ctx.Err()
			})
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := startRun(set, ctx)
		b.mu.Lock()
		handler := b.claims["poll:wait"]
		b.mu.Unlock()
		called := make(chan error, 1)
		go func() {
			_, err := b.call(t.Context(), "poll:wait")
			called <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-called; !errors.Is(err, context.Canceled) {
			t.Errorf("call: %v", err)
		}
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		if got, want := d.take(), []string{"poll init", "poll run", "poll handled", "poll end"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := handler(t.Context(), rpc.Peer{}, nil); !errors.Is(err, rpc.ErrNoHandler) {
			t.Errorf("a kept handler: got %v, want %v", err, rpc.ErrNoHandler)
		}
	})
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "A", "1a", "a-b", "../up", "a/b", "abcdefghijklmnopqrstuvwxyzabcdefg"} {
		spec := Define(name, struct{}{}, func(struct{}) (Plugin, error) { return &fake{}, nil })
		if _, err := spec.Build(nil); !errors.Is(err, ErrName) {
			t.Errorf("build %q: got %v, want %v", name, err, ErrName)
		}
		if _, err := Start(newBoard(), t.TempDir(), nil, Named{name, &fake{}}); !errors.Is(err, ErrName) {
			t.Errorf("start %q: got %v, want %v", name, err, ErrName)
		}
	}
	var d diary
	twice := Named{"a", &fake{say: d.by("a")}}
	if _, err := Start(newBoard(), t.TempDir(), nil, twice, twice); !errors.Is(err, ErrName) {
		t.Errorf("twice: got %v, want %v", err, ErrName)
	}
}

func TestDefine(t *testing.T) {
	type config struct{ Slots, Fee int }
	var got config
	spec := Define("shop", config{Slots: 2, Fee: 1}, func(c config) (Plugin, error) {
		if c.Slots < 1 {
			return nil, fmt.Errorf("slots: %d, want 1 or more", c.Slots)
		}
		got = c
		return &fake{}, nil
	})
	tests := []struct {
		name   string
		decode func(any) error
		want   config
		bad    bool
	}{
		{"defaults", nil, config{2, 1}, false},
		{"one set", func(into any) error { into.(*config).Fee = 7; return nil }, config{2, 7}, false},
		{"refused", func(into any) error { into.(*config).Slots = 0; return nil }, config{}, true},
		{"unreadable", func(any) error { return errors.New("line 3") }, config{}, true},
		{"defaults again", nil, config{2, 1}, false},
	}
	for _, test := range tests {
		got = config{}
		p, err := spec.Build(test.decode)
		if (err != nil) != test.bad {
			t.Errorf("%s: %v", test.name, err)
		}
		if got != test.want || (!test.bad && p.Name != "shop") {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}
