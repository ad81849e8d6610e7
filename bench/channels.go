package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"golang.org/x/sync/errgroup"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

const (
	crowdSize    = 100
	crowdRounds  = 5
	crowdSaid    = 20 // a round
	crowdPause   = 100 * time.Millisecond
	crowdSettle  = 15 * time.Second
	crowdPatient = 30 * time.Second
)

// What a process with a crowd is told and tells.
type (
	crowdOrder struct {
		Kind string `json:"kind,omitempty"` // the first order says: sea or gossipsub
		Size int    `json:"size"`           // of the messages
	}
	crowdRound struct {
		P50     time.Duration `json:"p50"`
		P99     time.Duration `json:"p99"`
		Heard   int           `json:"heard"`
		Missed  int           `json:"missed"`
		Written int64         `json:"written"`
		CPU     time.Duration `json:"cpu"`
	}
)

// A crowd is a hundred members of one channel in this process.
type crowd struct {
	say   []func(context.Context, []byte) error
	heard chan delivery
}

// A delivery is a message that a member has heard.
type delivery struct {
	round int64
	took  time.Duration
}

// body is a message that says when it was said.
func (c *crowd) body(began time.Time, round int64, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(time.Since(began)))
	binary.BigEndian.PutUint64(b[8:], uint64(round))
	return b
}

// hear notes a message.
func (c *crowd) hear(began time.Time, b []byte) {
	now := time.Since(began)
	c.heard <- delivery{int64(binary.BigEndian.Uint64(b[8:])), now - time.Duration(binary.BigEndian.Uint64(b))}
}

// channelChild is a crowd, which talks for a round each time that it is told.
func channelChild(ctx context.Context, ask, answer func(any) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var order crowdOrder
	if err := ask(&order); err != nil {
		return err
	}
	began := time.Now()
	c := &crowd{heard: make(chan delivery, crowdSize*crowdSaid)}
	start := c.gossipSub
	if order.Kind == "sea" {
		start = c.sea
	}
	if err := start(ctx, began); err != nil {
		return err
	}
	time.Sleep(crowdSettle)
	for round := int64(0); ; round++ {
		if err := answer(struct{}{}); err != nil {
			return err
		}
		if err := ask(&order); err != nil {
			return err
		}
		did, err := c.talk(ctx, began, round, order.Size)
		if err != nil {
			return err
		}
		if err := answer(did); err != nil {
			return err
		}
	}
}

// talk has members say something in turn, and waits until all have heard it.
func (c *crowd) talk(ctx context.Context, began time.Time, round int64, size int) (did crowdRound, err error) {
	before, err := written()
	if err != nil {
		return did, err
	}
	cpu := cpuTime()
	for i := range crowdSaid {
		say := c.say[(int(round)*crowdSaid+i)*7%len(c.say)]
		if err := say(ctx, c.body(began, round, size)); err != nil {
			return did, err
		}
		time.Sleep(crowdPause)
	}
	var took []time.Duration
	late := time.NewTimer(crowdPatient)
	defer late.Stop()
	for want := crowdSaid * (crowdSize - 1); len(took) < want; {
		select {
		case d := <-c.heard:
			if d.round == round {
				took = append(took, d.took)
			}
			continue
		case <-late.C:
			did.Missed = want - len(took)
		}
		break
	}
	if len(took) == 0 {
		return did, errors.New("nobody heard anything")
	}
	did.Heard, did.CPU = len(took), cpuTime()-cpu
	did.P50, did.P99 = quantiles(took)
	after, err := written()
	did.Written = after - before
	return did, err
}

// sea brings a hundred nodes online and into a channel.
func (c *crowd) sea(ctx context.Context, began time.Time) error {
	first := ""
	group, joining := errgroup.WithContext(ctx)
	group.SetLimit(4)
	var mu sync.Mutex // guards c.say
	for range crowdSize {
		key, err := identity.NewKey(ctx, 0)
		if err != nil {
			return err
		}
		listener := wsnet.NewListener(wsnet.Config{})
		if err := listener.Open("127.0.0.1:0"); err != nil {
			return err
		}
		n := node.New(key, node.Config{
			Network: "bench", Work: -1, Dialers: map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
			Listeners: []transport.Listener{listener}, PublicURLs: listener.URLs()[:1],
		})
		if first == "" {
			first = listener.URLs()[0]
			err = n.Online(ctx)
		} else {
			err = n.Online(ctx, first)
		}
		if err != nil {
			return err
		}
		group.Go(func() error {
			ch, err := n.Join(joining, "crowd")
			if err != nil {
				return err
			}
			mu.Lock()
			c.say = append(c.say, func(ctx context.Context, b []byte) error { return ch.Send(ctx, "bench:talk", b) })
			mu.Unlock()
			go func() {
				for p := range ch.Messages(ctx) {
					c.hear(began, p.Body)
				}
			}()
			return nil
		})
	}
	return group.Wait()
}

// gossipSub makes a hundred hosts of libp2p, each connected to ten that it drew,
// and has them subscribe to a topic. Messages are signed and checked.
func (c *crowd) gossipSub(ctx context.Context, began time.Time) error {
	random := rand.New(rand.NewPCG(1, 1))
	var all []host.Host
	for i := range crowdSize {
		h, err := newHost("tcp")
		if err != nil {
			return err
		}
		ps, err := pubsub.NewGossipSub(ctx, h)
		if err != nil {
			return err
		}
		topic, err := ps.Join("crowd")
		if err != nil {
			return err
		}
		sub, err := topic.Subscribe()
		if err != nil {
			return err
		}
		for _, j := range random.Perm(i)[:min(i, 10)] {
			if err := h.Connect(ctx, where(all[j])); err != nil {
				return err
			}
		}
		all = append(all, h)
		c.say = append(c.say, func(ctx context.Context, b []byte) error { return topic.Publish(ctx, b) })
		go func() {
			for {
				m, err := sub.Next(ctx)
				if err != nil {
					return
				}
				if m.ReceivedFrom != h.ID() {
					c.hear(began, m.Data)
				}
			}
		}()
	}
	return nil
}

// netChannels is our channel of a hundred members, all in one process, beside
// GossipSub's topic, each in a process of its own.
func netChannels(ctx context.Context, report func(figure)) error {
	kinds := []string{"sea", "gossipsub"}
	var crowds []*child
	for _, kind := range kinds {
		c, err := startChild(ctx, "channel")
		if err != nil {
			return err
		}
		defer c.close()
		var ready struct{}
		if err := c.ask(crowdOrder{Kind: kind}, &ready); err != nil {
			return err
		}
		crowds = append(crowds, c)
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"", 256}, {"_4k", 4096}} {
		var p50, p99, bytes, cpu [2][]float64
		for range crowdRounds {
			for i, c := range crowds {
				var did crowdRound
				if err := c.ask(crowdOrder{Size: size.bytes}, &did); err != nil {
					return err
				}
				var ready struct{}
				if err := c.out.Decode(&ready); err != nil {
					return err
				}
				if did.Missed > 0 {
					return fmt.Errorf("%s: %d of %d deliveries are missing", kinds[i], did.Missed, did.Missed+did.Heard)
				}
				p50[i], p99[i] = append(p50[i], ms(did.P50)), append(p99[i], ms(did.P99))
				bytes[i] = append(bytes[i], float64(did.Written)/float64(did.Heard))
				cpu[i] = append(cpu[i], us(did.CPU)/float64(did.Heard))
			}
		}
		const against = "gossipsub"
		report(inTurns("channel"+size.name+"_p50_vs_gossipsub", "ms", against, p50[0], p50[1]))
		report(inTurns("channel"+size.name+"_p99_vs_gossipsub", "ms", against, p99[0], p99[1]))
		report(inTurns("channel"+size.name+"_bytes_vs_gossipsub", "B", against, bytes[0], bytes[1]))
		report(inTurns("channel"+size.name+"_cpu_vs_gossipsub", "µs", against, cpu[0], cpu[1]))
	}
	return nil
}
