package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The sizes of suite base.
const (
	warmJobs    = 20
	latencyJobs = 200
	flightJobs  = 400
	inFlight    = 8

	roundTrips   = 5000
	messageBytes = 64 << 10
	messages     = 2000 // 125 MiB
)

// base measures a job's whole way between two processes, and calls and payload
// between two nodes beside the bare wire that carries them.
func base(ctx context.Context, report func(figure)) error {
	if err := baseJobs(ctx, report); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	for _, wire := range []string{"ws", "webrtc"} {
		if err := baseWire(ctx, wire, report); err != nil {
			return fmt.Errorf("%s: %w", wire, err)
		}
	}
	return nil
}

// baseJobs trades a tiny job between two daemons: asked for, quoted, ordered,
// run, delivered, checked, paid.
func baseJobs(ctx context.Context, report func(figure)) error {
	p, err := startPair(ctx, 1, inFlight)
	if err != nil {
		return err
	}
	defer p.close()
	for range warmJobs {
		if _, err := p.trade(ctx); err != nil {
			return err
		}
	}
	var took []time.Duration
	for range latencyJobs {
		d, err := p.trade(ctx)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	alone50, alone99, err := engineAlone(ctx)
	if err != nil {
		return err
	}
	p50, p99 := quantiles(took)
	const against = "the engine alone, no trade"
	report(versus("job_latency_p50", ms(p50), "ms", against, ms(alone50)))
	report(versus("job_latency_p99", ms(p99), "ms", against, ms(alone99)))

	start := time.Now()
	if err := p.tradeMany(ctx, flightJobs, inFlight); err != nil {
		return err
	}
	perSecond := flightJobs / time.Since(start).Seconds()
	enginePerSecond, err := engineMany(ctx, flightJobs, inFlight)
	if err != nil {
		return err
	}
	report(versus("jobs_per_s_8", perSecond, "jobs/s", against, enginePerSecond))
	return nil
}

// baseWire measures calls and payload over one wire, and over the bare wire.
func baseWire(ctx context.Context, wire string, report func(figure)) error {
	ours, err := startNodes(ctx, wire)
	if err != nil {
		return err
	}
	defer ours.close()
	bare, err := startBare(ctx, wire)
	if err != nil {
		return err
	}
	defer bare.close()

	// In turns, so that the machine's moods fall on both alike.
	var call, echo []time.Duration
	var sent, rawSent []float64
	for range 5 {
		for _, side := range []struct {
			round func(context.Context) error
			into  *[]time.Duration
		}{{ours.round, &call}, {bare.round, &echo}} {
			for range roundTrips / 5 {
				start := time.Now()
				if err := side.round(ctx); err != nil {
					return err
				}
				*side.into = append(*side.into, time.Since(start))
			}
		}
		for _, side := range []struct {
			push func(context.Context, int, int) error
			into *[]float64
		}{{ours.push, &sent}, {bare.push, &rawSent}} {
			start := time.Now()
			if err := side.push(ctx, messages/5, messageBytes); err != nil {
				return err
			}
			*side.into = append(*side.into, messages/5*messageBytes/1e6/time.Since(start).Seconds())
		}
	}
	call50, call99 := quantiles(call)
	echo50, echo99 := quantiles(echo)
	against := bare.name
	report(versus("rpc_"+wire+"_p50", us(call50), "µs", against+" echo", us(echo50)))
	report(versus("rpc_"+wire+"_p99", us(call99), "µs", against+" echo", us(echo99)))
	report(versus("payload_"+wire, median(sent), "MB/s", against, median(rawSent)))
	return nil
}

func quantiles(d []time.Duration) (p50, p99 time.Duration) {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100]
}

func median(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)/2]
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
func us(d time.Duration) float64 { return float64(d) / 1e3 }
