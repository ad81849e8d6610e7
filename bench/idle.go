package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

const (
	idleLinks = 300
	manyLinks = 2000
	idleWait  = 8 * time.Second // until what a connection needed to begin is gone

	heldLinks = 1000
	joiners   = 1000
	joinPause = 10 * time.Millisecond // 100 a second
)

// stillNode is a node that has only the links that it is given. It listens when
// it may have some.
func stillNode(ctx context.Context, maxLinks int) (*node.Node, error) {
	key, err := identity.NewKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	cfg := node.Config{
		Network: "bench", Work: -1, Still: true, MaxLinks: maxLinks,
		Dialers: map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
	}
	if maxLinks > 0 {
		listener := wsnet.NewListener(wsnet.Config{})
		if err := listener.Open("127.0.0.1:0"); err != nil {
			return nil, err
		}
		cfg.Listeners = []transport.Listener{listener}
	}
	n := node.New(key, cfg)
	return n, n.Online(ctx)
}

// What the processes that hold connections are told and tell.
type (
	holdOrder struct {
		Wire  string `json:"wire"` // ws, tcp or quic; empty is to measure
		Links int    `json:"links"`
	}
	held struct {
		URL        string         `json:"url,omitempty"`
		Info       *peer.AddrInfo `json:"info,omitempty"`
		Links      int            `json:"links"`
		Resident   int64          `json:"resident"`
		Goroutines int            `json:"goroutines"`
	}
	dialOrder struct {
		To    held          `json:"to"`
		Links int           `json:"links"`
		Pause time.Duration `json:"pause"` // between two; 0 is eight at a time
	}
	dialled struct {
		P50 time.Duration `json:"p50"`
		P99 time.Duration `json:"p99"`
	}
)

// holdChild holds the connections that others make to it.
func holdChild(ctx context.Context, ask, answer func(any) error) error {
	var order holdOrder
	if err := ask(&order); err != nil {
		return err
	}
	var at held
	var count func() int
	if order.Wire == "ws" {
		n, err := stillNode(ctx, order.Links)
		if err != nil {
			return err
		}
		defer n.Offline()
		at.URL, count = n.Listening()[0], func() int { return len(n.Links()) }
	} else {
		h, err := newHost(order.Wire)
		if err != nil {
			return err
		}
		defer h.Close()
		info := where(h)
		at.Info, count = &info, func() int { return len(h.Network().Peers()) }
	}
	for {
		var err error
		if at.Resident, err = resident(); err != nil {
			return err
		}
		at.Links, at.Goroutines = count(), runtime.NumGoroutine()
		if err := answer(at); err != nil {
			return err
		}
		if err := ask(&order); err != nil {
			return err
		}
	}
}

// dialChild makes connections, each of a node of its own, and keeps them.
func dialChild(ctx context.Context, ask, answer func(any) error) error {
	var order dialOrder
	if err := ask(&order); err != nil {
		return err
	}
	var (
		mu   sync.Mutex // guards what follows
		took []time.Duration
		open []io.Closer
	)
	group, ctx := errgroup.WithContext(ctx)
	if order.Pause == 0 {
		group.SetLimit(8)
	}
	for range order.Links {
		time.Sleep(order.Pause)
		group.Go(func() error {
			d, c, err := dialOne(ctx, order.To)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			took, open = append(took, d), append(open, c)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	p50, p99 := quantiles(took)
	if err := answer(dialled{p50, p99}); err != nil {
		return err
	}
	err := ask(&order) // until the input ends
	for _, c := range open {
		_ = c.Close() // the process ends anyway
	}
	return err
}

type offline struct{ *node.Node }

func (o offline) Close() error { return o.Offline() }

func dialOne(ctx context.Context, to held) (time.Duration, io.Closer, error) {
	if to.Info != nil {
		wire := "tcp"
		if _, err := to.Info.Addrs[0].ValueForProtocol(multiaddr.P_UDP); err == nil {
			wire = "quic"
		}
		h, err := newHost(wire)
		if err != nil {
			return 0, nil, err
		}
		start := time.Now()
		err = h.Connect(ctx, *to.Info)
		return time.Since(start), h, err
	}
	n, err := stillNode(ctx, 0)
	if err != nil {
		return 0, nil, err
	}
	start := time.Now()
	_, err = n.Dial(ctx, to.URL)
	return time.Since(start), offline{n}, err
}

// holding measures a process before and after it holds so many connections.
func holding(ctx context.Context, wire string, links int) (before, after held, err error) {
	holder, err := startChild(ctx, "hold")
	if err != nil {
		return before, after, err
	}
	defer holder.close()
	if err := holder.ask(holdOrder{Wire: wire, Links: links + 16}, &before); err != nil {
		return before, after, err
	}
	dialler, err := startChild(ctx, "dial")
	if err != nil {
		return before, after, err
	}
	defer dialler.close()
	var done dialled
	if err := dialler.ask(dialOrder{To: before, Links: links}, &done); err != nil {
		return before, after, err
	}
	time.Sleep(idleWait)
	if err := holder.ask(holdOrder{}, &after); err != nil {
		return before, after, err
	}
	if after.Links != links {
		err = fmt.Errorf("%d connections, want %d", after.Links, links)
	}
	return before, after, err
}

// netIdle is what an idle connection costs the side that took it in, by the
// kernel's count of a process that does nothing else.
func netIdle(ctx context.Context, report func(figure)) error {
	const rounds = 3
	memory, routines := map[string][]float64{}, map[string][]float64{}
	for range rounds {
		for _, wire := range []string{"ws", "tcp", "quic"} {
			before, after, err := holding(ctx, wire, idleLinks)
			if err != nil {
				return err
			}
			memory[wire] = append(memory[wire], float64(after.Resident-before.Resident)/idleLinks/1024)
			routines[wire] = append(routines[wire], float64(after.Goroutines-before.Goroutines)/idleLinks)
		}
	}
	for _, against := range []string{"quic", "tcp"} {
		report(inTurns("idle_ws_rss_vs_libp2p_"+against, "KiB", "libp2p "+against, memory["ws"], memory[against]))
		report(inTurns("idle_ws_goroutines_vs_libp2p_"+against, "", "libp2p "+against, routines["ws"], routines[against]))
	}
	_, after, err := holding(ctx, "ws", manyLinks)
	if err != nil {
		return err
	}
	report(versus("ws_2000_links_rss", float64(after.Resident)/(1<<20), "MiB", "the most it may be", 256))
	return nil
}

// netJoins is how long it takes to link to a node that holds 1,000 WebSockets
// while 100 a second come, beside one that holds none.
func netJoins(ctx context.Context, report func(figure)) error {
	holder, err := startChild(ctx, "hold")
	if err != nil {
		return err
	}
	defer holder.close()
	var at held
	if err := holder.ask(holdOrder{Wire: "ws", Links: heldLinks + joiners + 16}, &at); err != nil {
		return err
	}
	join := func(order dialOrder) (*child, dialled, error) {
		var done dialled
		order.To = at
		c, err := startChild(ctx, "dial")
		if err == nil {
			err = c.ask(order, &done)
		}
		return c, done, err
	}
	alone, before, err := join(dialOrder{Links: joiners, Pause: joinPause})
	if err != nil {
		return err
	}
	if err := alone.close(); err != nil {
		return err
	}
	keepers, _, err := join(dialOrder{Links: heldLinks})
	if err != nil {
		return err
	}
	defer keepers.close()
	visitors, among, err := join(dialOrder{Links: joiners, Pause: joinPause})
	if err != nil {
		return err
	}
	defer visitors.close()
	if err := holder.ask(holdOrder{}, &at); err != nil {
		return err
	}
	if at.Links != heldLinks+joiners {
		return fmt.Errorf("%d links, want %d", at.Links, heldLinks+joiners)
	}
	report(versus("join_at_1000_links_p50", ms(among.P50), "ms", "while it holds none", ms(before.P50)))
	report(versus("join_at_1000_links_p99", ms(among.P99), "ms", "while it holds none", ms(before.P99)))
	return nil
}
