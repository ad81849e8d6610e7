package stun

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// Patience is how long Ask waits for answers.
	Patience = 1500 * time.Millisecond

	// again is when a question is repeated, as packets get lost.
	again = 400 * time.Millisecond

	// MaxServers is how many servers Ask asks at most.
	MaxServers = 8
)

// An Answer is what a server said.
type Answer struct {
	Server netip.AddrPort
	Seen   netip.AddrPort // where our packets come from, says the server
}

// Ask asks the servers, MaxServers at most, from one socket, where its packets
// come from. It returns the answers in the servers' order, those that came within
// Patience; fewer than servers when ctx ends first or some say nothing. The error
// is that of making the socket.
func Ask(ctx context.Context, servers []netip.AddrPort) ([]Answer, error) {
	return ask(ctx, servers, Patience)
}

func ask(ctx context.Context, servers []netip.AddrPort, patience time.Duration) ([]Answer, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("ask STUN: %w", err)
	}
	servers = servers[:min(len(servers), MaxServers)]
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	asked := make(map[transaction]int, len(servers))
	ids := make([]transaction, len(servers))
	for i := range servers {
		rand.Read(ids[i][:])
		asked[ids[i]] = i
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() {
		for {
			for i, s := range servers {
				// To a server that cannot be reached nothing leaves, and
				// nothing comes back.
				_, _ = conn.WriteToUDPAddrPort(request(ids[i]), s)
			}
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return
			}
		}
	})
	seen := make([]netip.AddrPort, len(servers))
	b := make([]byte, maxMessage+1)
	for missing := len(servers); missing > 0; {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			continue
		}
		tx, at, err := readResponse(b[:n])
		i, ok := asked[tx]
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if err != nil || !ok || seen[i].IsValid() || from != servers[i] {
			continue
		}
		seen[i] = at
		missing--
	}
	var answers []Answer
	for i, at := range seen {
		if at.IsValid() {
			answers = append(answers, Answer{servers[i], at})
		}
	}
	return answers, nil
}
