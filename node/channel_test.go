package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// joinAll makes nodes members of a channel, one after the other.
func joinAll(t *testing.T, id string, nodes ...*node.Node) []*node.Channel {
	t.Helper()
	var all []*node.Channel
	for _, n := range nodes {
		ch, err := n.Join(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ch)
	}
	return all
}

// hears demands that the next message of ch is text.
func hears(t *testing.T, ch *node.Channel, text string) node.Published {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := ch.Recv(ctx)
	if err != nil || string(p.Body) != text {
		t.Fatalf("heard %q, %v, want %q", p.Body, err, text)
	}
	return p
}

// Three nodes in a line: what one says the others hear, once, with its name on.
func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 3)
		all := joinAll(t, "news", sea.Nodes...)
		for i, ch := range all {
			text := fmt.Sprintf("from %d", i)
			if err := ch.Send(t.Context(), "text", []byte(text)); err != nil {
				t.Fatal(err)
			}
			for j, other := range all {
				if i == j {
					continue
				}
				p := hears(t, other, text)
				if p.Author != sea.Nodes[i].Key() || p.At != sea.Nodes[i].Addr() || p.Scope != "text" || p.Past || p.Missed != 0 {
					t.Errorf("heard %+v", p)
				}
			}
		}
		if n := all[0].Members(t.Context()); n != 3 || len(all[0].Partners()) != 2 || all[0].ID() != "news" || all[0].Addr() != addr.OfChannel("news") {
			t.Errorf("%d members, %d partners", n, len(all[0].Partners()))
		}
		// A second Channel of a node hears the first.
		twin := joinAll(t, "news", sea.Nodes[0])[0]
		if err := all[0].Send(t.Context(), "text", []byte("both")); err != nil {
			t.Fatal(err)
		}
		hears(t, twin, "both")
		hears(t, all[1], "both")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if p, err := all[0].Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("heard itself: %+v, %v", p, err)
		}
		all[0].Close()
		twin.Close()
		if err := twin.Close(); err != nil {
			t.Error(err)
		}
		if _, err := twin.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if err := twin.Send(t.Context(), "text", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		<-twin.Done()
		synctest.Wait()
		if at := all[1].Partners(); len(at) != 1 || at[0] != sea.Nodes[2].Addr() {
			t.Errorf("partners after a leave: %v", at)
		}
	})
}

func TestChannelErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 1)
		n := sea.Nodes[0]
		for _, id := range []string{"", strings.Repeat("x", 257), "\xff"} {
			if _, err := n.Join(t.Context(), id); !errors.Is(err, rpc.ErrBadRequest) {
				t.Errorf("id %q: %v", id, err)
			}
		}
		ch := joinAll(t, "alone", n)[0]
		if err := ch.Send(t.Context(), "text", []byte("x")); !errors.Is(err, node.ErrNoPeers) {
			t.Errorf("alone: %v", err)
		}
		if err := ch.Send(t.Context(), "text", make([]byte, node.MaxPublished+1)); !errors.Is(err, rpc.ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
		if err := ch.Send(t.Context(), "No Scope", nil); !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("scope: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.Join(ctx, "never"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		for i := range node.MaxChannels - 1 {
			joinAll(t, fmt.Sprint("more ", i), n)
		}
		if _, err := n.Join(t.Context(), "one too many"); !errors.Is(err, rpc.ErrBusy) {
			t.Errorf("too many channels: %v", err)
		}
		if err := n.Offline(); err != nil {
			t.Error(err)
		}
		if _, err := ch.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("offline: %v", err)
		}
		<-ch.Done()
		if _, err := n.Join(t.Context(), "news"); !errors.Is(err, node.ErrOffline) {
			t.Errorf("offline: %v", err)
		}
		ch.Close()
	})
}

// A dozen members that know only a bootstrap find each other and hear everything,
// also after a third of them has gone; and nothing runs on when they stop.
func TestChannelOfTwelve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 12
		sea := nodetest.Loose(t, 0)
		for i := range n {
			sea.Add(func(c *node.Config) { c.PublicURLs = c.Listeners[0].URLs() })
			if i > 0 {
				sea.Link(i, 0)
			}
		}
		all := joinAll(t, "news", sea.Nodes...)
		time.Sleep(20 * time.Second)
		for i, size := range []int{100, 4000, 60_000, 4000, 60_000} {
			body := strings.Repeat(fmt.Sprint(i), size)
			if err := all[i].Send(t.Context(), "text", []byte(body)); err != nil {
				t.Fatal(err)
			}
			for j, ch := range all {
				if j != i {
					hears(t, ch, body)
				}
			}
		}
		for i := n - 4; i < n; i++ {
			if err := sea.Nodes[i].Offline(); err != nil {
				t.Fatal(err)
			}
		}
		if err := all[0].Send(t.Context(), "text", []byte("still here")); err != nil {
			t.Fatal(err)
		}
		for _, ch := range all[1 : n-4] {
			hears(t, ch, "still here")
		}
		var bad uint64
		for _, ch := range all[:n-4] {
			s := ch.Stats()
			bad += s.Bad + s.Stale + s.Excess + s.Dropped
			if len(ch.Partners()) == 0 {
				t.Error("a member has no partners")
			}
		}
		if bad != 0 {
			t.Errorf("%d messages were bad, stale, too many or dropped", bad)
		}
	})
}

// A reader that does not read loses the oldest and hears how many.
func TestChannelLagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		all := joinAll(t, "news", sea.Nodes...)
		for i := range 300 {
			if err := all[0].Send(t.Context(), "text", []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second / gossip.AuthorRate)
		}
		synctest.Wait()
		if p := hears(t, all[1], "44"); p.Missed != 44 {
			t.Errorf("missed %d, want 44", p.Missed)
		}
		if p := hears(t, all[1], "45"); p.Missed != 0 {
			t.Errorf("missed %d more", p.Missed)
		}
	})
}

// An author that says too much is told so, and held to its rate.
func TestChannelBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		all := joinAll(t, "news", sea.Nodes...)
		said := 0
		for {
			err := all[0].Send(t.Context(), "text", []byte("x"))
			if errors.Is(err, node.ErrBackpressure) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			said++
		}
		if said != gossip.AuthorBurst/2 {
			t.Errorf("said %d at once, want %d", said, gossip.AuthorBurst/2)
		}
		time.Sleep(time.Second)
		if err := all[0].Send(t.Context(), "text", []byte("x")); err != nil {
			t.Errorf("a second later: %v", err)
		}
		synctest.Wait()
		if s := all[1].Stats(); s.Delivered != uint64(said)+1 || s.Excess != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Who comes late hears the last sixteen if it asks.
func TestChannelRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 3)
		all := joinAll(t, "news", sea.Nodes[:2]...)
		for i := range 20 {
			if err := all[0].Send(t.Context(), "text", []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		late := joinAll(t, "news", sea.Nodes[2])[0]
		late.Recall(node.MaxPast)
		for i := 4; i < 20; i++ {
			if p := hears(t, late, fmt.Sprint(i)); !p.Past || p.Author != sea.Nodes[0].Key() {
				t.Errorf("%+v", p)
			}
		}
		// One on a node that has heard it all asks nobody.
		twin := joinAll(t, "news", sea.Nodes[1])[0]
		twin.Recall(2)
		for i := 18; i < 20; i++ {
			if p := hears(t, twin, fmt.Sprint(i)); !p.Past {
				t.Errorf("%+v", p)
			}
		}
		if err := all[0].Send(t.Context(), "text", []byte("now")); err != nil {
			t.Fatal(err)
		}
		if p := hears(t, late, "now"); p.Past {
			t.Error("a new message from the past")
		}
		hears(t, twin, "now")
		// Those who did not ask were told nothing twice.
		for i := range 20 {
			hears(t, all[1], fmt.Sprint(i))
		}
		hears(t, all[1], "now")
	})
}

// publish signs a message of the rogue's for the channel.
func (r *rogue) publish(number uint64) *frame.Publish {
	r.t.Helper()
	f, err := gossip.Message{
		Network: "test", Channel: addr.OfChannel("news"), Issued: time.Now(), Number: number, Scope: "text", Body: []byte("x"),
	}.Sign(r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// partner makes the rogue a partner of the node for the channel.
func (r *rogue) partner() {
	r.t.Helper()
	r.send(&frame.Neighbour{Channel: addr.OfChannel("news"), Want: frame.WantNeeded})
	for {
		if p, ok := r.recv().(*frame.Partner); ok {
			if p.Yes != 1 {
				r.t.Fatal("no partner")
			}
			return
		}
	}
}

// A forged message is dropped and counts against the link; the third ends it.
func TestChannelForgery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		all := joinAll(t, "news", sea.Nodes...)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		r.partner()
		victim := sea.Nodes[1].Key()
		for i := range 3 {
			f := r.publish(uint64(i))
			f.Author = victim
			r.send(f)
			synctest.Wait()
			if i < 2 {
				if n := node.Strikes(sea.Nodes[0], addr.OfNode(r.key.Entity())); n != i+1 {
					t.Errorf("%d bad signatures counted, want %d", n, i+1)
				}
			}
		}
		if c := r.closed(); !strings.Contains(c.Text, "too many bad statements") {
			t.Errorf("closed with %q", c.Text)
		}
		if s := all[0].Stats(); s.Bad != 3 || s.Delivered != 0 {
			t.Errorf("%+v", s)
		}
		if s := all[1].Stats(); s.Bad != 0 || s.Delivered != 0 {
			t.Errorf("the next member got %+v", s)
		}
		// Its victim is heard as before.
		if err := all[1].Send(t.Context(), "text", []byte("it is me")); err != nil {
			t.Fatal(err)
		}
		hears(t, all[0], "it is me")
	})
}

// A member that floods is cut to its rate, and then off.
func TestChannelFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		all := joinAll(t, "news", sea.Nodes...)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		r.partner()
		for i := range 1000 {
			r.send(r.publish(uint64(i)))
		}
		for {
			if _, ok := r.recv().(*frame.Leave); ok {
				break
			}
		}
		synctest.Wait()
		for i, ch := range all {
			if s := ch.Stats(); s.Delivered != gossip.AuthorBurst || s.Bad != 0 {
				t.Errorf("member %d: %+v", i, s)
			}
		}
		if at := all[0].Partners(); len(at) != 1 || at[0] != sea.Nodes[1].Addr() {
			t.Errorf("partners %v", at)
		}
	})
}

// What a member is told at the meeting places it can check, and what it is not
// asked for it refuses.
func TestChannelMembersRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		for name, body := range map[string][]byte{"nothing": nil, "no array": {0xa0}, "too short": {0x81, 0x00}} {
			if _, err := sea.Nodes[0].Call(t.Context(), sea.Nodes[1].Addr(), "sea:members", body); !errors.Is(err, rpc.ErrBadRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, want := range map[string]error{"": nil, "forged": rpc.ErrBadRequest, "another's": rpc.ErrRefused, "another channel": rpc.ErrBadRequest} {
			body := node.MembersRequest(t, sea.Keys[0], name)
			if _, err := sea.Nodes[0].Call(t.Context(), sea.Nodes[1].Addr(), "sea:members", body); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", name, err, want)
			}
		}
	})
}

// Members that can only be linked to one of them take turns there, and do not
// push each other out for ever.
func TestChannelAroundOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10
		sea := nodetest.Loose(t, n)
		for i := 1; i < n; i++ {
			sea.Link(i, 0)
		}
		all := joinAll(t, "news", sea.Nodes...)
		time.Sleep(30 * time.Second)
		if err := all[0].Send(t.Context(), "text", []byte("to all")); err != nil {
			t.Fatal(err)
		}
		for _, ch := range all[1:] {
			hears(t, ch, "to all")
		}
	})
}
