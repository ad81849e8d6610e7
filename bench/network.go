package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The sizes of suite network.
const (
	netRounds   = 10
	netCalls    = 500 // a round
	netMessages = 200 // a round, of messageBytes
	netConnects = 20  // a round
)

// networkSuite measures links and channels beside go-libp2p and raw pion, in
// turns, so that the machine's moods fall on all alike.
func networkSuite(ctx context.Context, report func(figure)) error {
	for _, part := range []struct {
		name string
		run  func(context.Context, func(figure)) error
	}{{"websocket", netWebSocket}, {"webrtc", netWebRTC}, {"connect", netConnect}, {"idle", netIdle}, {"joins", netJoins}, {"channels", netChannels}} {
		if err := part.run(ctx, report); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// inTurns compares what each of two sides measured in each round: the value is
// our median, the ratio the median of the rounds' ratios.
func inTurns(name, unit, against string, ours, theirs []float64) figure {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	ratio := median(ratios)
	return figure{Name: name, Value: median(ours), Unit: unit, Ratio: &ratio, Against: fmt.Sprintf(
		"%s: %.4g %s; %d rounds, %.3g to %.3g", against, median(theirs), unit, len(ours), slices.Min(ratios), slices.Max(ratios))}
}

// A link is what can be measured of a connection.
type link interface {
	round(context.Context) error
	push(ctx context.Context, count, size int) error
	close() error
}

// measured is what a link did in each round.
type measured struct{ p50, p99, cpu, sent, sentCPU []float64 }

// measure runs all links in turns.
func measure(ctx context.Context, links ...link) ([]measured, error) {
	got := make([]measured, len(links))
	for round := range netRounds + 1 { // the first warms up
		for i, l := range links {
			m := &got[i]
			took := make([]time.Duration, 0, netCalls)
			cpu := cpuTime()
			for range netCalls {
				start := time.Now()
				if err := l.round(ctx); err != nil {
					return nil, err
				}
				took = append(took, time.Since(start))
			}
			cpu = cpuTime() - cpu
			pushCPU, start := cpuTime(), time.Now()
			if err := l.push(ctx, netMessages, messageBytes); err != nil {
				return nil, err
			}
			sent := netMessages * messageBytes / 1e6
			pushed := time.Since(start).Seconds()
			if round == 0 {
				continue
			}
			p50, p99 := quantiles(took)
			m.p50, m.p99 = append(m.p50, us(p50)), append(m.p99, us(p99))
			m.cpu = append(m.cpu, us(cpu)/netCalls)
			m.sent = append(m.sent, sent/pushed)
			m.sentCPU = append(m.sentCPU, ms(cpuTime()-pushCPU)/sent)
		}
	}
	return got, nil
}

// netWebSocket is our link by WebSocket beside libp2p's over TCP and over QUIC.
func netWebSocket(ctx context.Context, report func(figure)) error {
	ours, err := startNodes(ctx, "ws")
	if err != nil {
		return err
	}
	defer ours.close()
	tcp, err := startHosts(ctx, "tcp")
	if err != nil {
		return err
	}
	defer tcp.close()
	quic, err := startHosts(ctx, "quic")
	if err != nil {
		return err
	}
	defer quic.close()
	got, err := measure(ctx, ours, tcp, quic)
	if err != nil {
		return err
	}
	for i, against := range []string{"tcp", "quic"} {
		name, other := "libp2p "+against, got[i+1]
		report(inTurns("rpc_ws_p50_vs_libp2p_"+against, "µs", name, got[0].p50, other.p50))
		report(inTurns("rpc_ws_p99_vs_libp2p_"+against, "µs", name, got[0].p99, other.p99))
		report(inTurns("rpc_ws_cpu_vs_libp2p_"+against, "µs", name, got[0].cpu, other.cpu))
		report(inTurns("ws_throughput_vs_libp2p_"+against, "MB/s", name, got[0].sent, other.sent))
		report(inTurns("ws_cpu_per_mb_vs_libp2p_"+against, "ms", name, got[0].sentCPU, other.sentCPU))
	}
	return nil
}

// netWebRTC is our link by WebRTC beside data channels of pion: with the same
// tuning, and as they come.
func netWebRTC(ctx context.Context, report func(figure)) error {
	ours, err := startNodes(ctx, "webrtc")
	if err != nil {
		return err
	}
	defer ours.close()
	tuned, err := barePion(ctx, true)
	if err != nil {
		return err
	}
	defer tuned.close()
	plain, err := barePion(ctx, false)
	if err != nil {
		return err
	}
	defer plain.close()
	got, err := measure(ctx, ours, benchBare{tuned}, benchBare{plain})
	if err != nil {
		return err
	}
	report(inTurns("webrtc_p50_vs_raw_pion", "µs", "pion, tuned alike", got[0].p50, got[1].p50))
	report(inTurns("webrtc_cpu_vs_raw_pion", "µs", "pion, tuned alike", got[0].cpu, got[1].cpu))
	report(inTurns("webrtc_throughput_vs_raw_pion", "MB/s", "pion, tuned alike", got[0].sent, got[1].sent))
	report(inTurns("webrtc_throughput_vs_plain_pion", "MB/s", "pion as it comes", got[0].sent, got[2].sent))
	return nil
}

// benchBare is a bare wire as a link.
type benchBare struct{ *bare }

func (b benchBare) close() error { return b.bare.close() }

// netConnect is the time from nothing to a proven connection.
func netConnect(ctx context.Context, report func(figure)) error {
	to, err := stillNode(ctx, 64)
	if err != nil {
		return err
	}
	defer to.Offline()
	var theirs []*hosts
	for _, wire := range []string{"tcp", "quic"} {
		h, err := startHosts(ctx, wire)
		if err != nil {
			return err
		}
		defer h.close()
		theirs = append(theirs, h)
	}
	ours := func(ctx context.Context) (time.Duration, error) { return connectOnce(ctx, to.Listening()[0]) }
	sides := []func(context.Context) (time.Duration, error){ours, theirs[0].connect, theirs[1].connect}
	got := make([][]float64, len(sides))
	for range netRounds {
		for i, connect := range sides {
			var took []time.Duration
			for range netConnects {
				d, err := connect(ctx)
				if err != nil {
					return err
				}
				took = append(took, d)
			}
			p50, _ := quantiles(took)
			got[i] = append(got[i], ms(p50))
		}
	}
	report(inTurns("connect_ws_vs_libp2p_tcp", "ms", "libp2p tcp", got[0], got[1]))
	report(inTurns("connect_ws_vs_libp2p_quic", "ms", "libp2p quic", got[0], got[2]))
	return nil
}

// connectOnce links a fresh node, which is online already, to the one at url.
func connectOnce(ctx context.Context, url string) (time.Duration, error) {
	from, err := stillNode(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer from.Offline()
	start := time.Now()
	_, err = from.Dial(ctx, url)
	return time.Since(start), err
}
