package portmap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// The times and bounds of a Mapper.
const (
	// lease is how long the router is asked to keep a mapping: what a machine
	// that was switched off leaves behind is gone in an hour.
	lease = time.Hour

	// renewEvery is how often a mapping is asked for anew, or at half of a
	// shorter lease: a router that was switched off has it again soon.
	renewEvery = 10 * time.Minute
	renewLeast = 30 * time.Second

	// retryFirst and retryLast are when a network without a router that maps is
	// tried again.
	retryFirst = time.Minute
	retryLast  = 30 * time.Minute

	// lookEvery is how often the machine's own network is looked at.
	lookEvery = 15 * time.Second

	// patience is how long the router has for one answer.
	patience = 2 * time.Second

	// removeWait is how long taking all mappings out may take.
	removeWait = 3 * time.Second

	maxLease = 24 * time.Hour

	// MaxPorts is how many ports a Mapper maps.
	MaxPorts = 4
)

// A Port is one of this machine.
type Port struct {
	Protocol string // "udp" or "tcp"
	Number   uint16
}

// A Mapping is a port of the router that leads to one of ours.
type Mapping struct {
	Port

	// Outside is where others find it.
	Outside netip.AddrPort

	// Until is when the router forgets it unless it is renewed; zero is never.
	Until time.Time
}

// A State is how the mapping goes.
type State struct {
	// By is how the router was asked: "nat-pmp" or "upnp"; empty when none was
	// found.
	By string

	// Mappings are those that hold.
	Mappings []Mapping

	// Err is what was in the way the last time, of all ports or one; nil is
	// nothing.
	Err error
}

// A Config holds a Mapper's wishes.
type Config struct {
	// Public says whether an address of the router is one that others can dial;
	// nil takes every one that is global and not private.
	Public func(netip.Addr) error

	// Log takes what happens; nil discards it.
	Log *slog.Logger
}

// A router maps ports. One goroutine at a time uses it.
type router interface {
	// name is the protocol's.
	name() string

	// outside returns the router's own address towards the internet.
	outside(ctx context.Context) (netip.Addr, error)

	// add maps p, at the router's port want if that is free, and returns the
	// port and how long it holds, 0 being for ever. Adding again renews.
	add(ctx context.Context, p Port, want uint16) (got uint16, holds time.Duration, err error)

	// remove takes the mapping of p at the router's port outside out.
	remove(ctx context.Context, p Port, outside uint16) error
}

// A Mapper maps ports.
type Mapper struct {
	cfg  Config
	look func() (way, error)
	find func(ctx context.Context, w way) (router, error)

	renew, least, watch, retry time.Duration // as the constants, except in tests
}

// New returns a Mapper. It does no I/O.
func New(cfg Config) *Mapper {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Public == nil {
		cfg.Public = global
	}
	f := finder{pmpPatience: patience, soapPatience: patience, searchFor: patience, group: ssdpGroup}
	return &Mapper{
		cfg: cfg, look: look, find: f.find,
		renew: renewEvery, least: renewLeast, watch: lookEvery, retry: retryFirst,
	}
}

func global(ip netip.Addr) error {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return fmt.Errorf("%v is not a public address", ip)
	}
	return nil
}

// Run keeps the ports, MaxPorts at most, mapped until ctx ends, and tells changed
// of the first outcome and of each other one. Then it takes the mappings out,
// which takes removeWait at most beside what is under way, and returns.
func (m *Mapper) Run(ctx context.Context, ports []Port, changed func(State)) {
	k := &keeping{m: m, ports: ports[:min(len(ports), MaxPorts)], held: make(map[Port]Mapping)}
	defer k.removeAll(context.WithoutCancel(ctx))
	var told *State
	tick := time.NewTicker(m.watch)
	defer tick.Stop()
	for {
		s, pause := k.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if told == nil || differ(*told, s) {
			m.cfg.Log.Debug("port mapping", "by", s.By, "mapped", len(s.Mappings), "err", s.Err)
			told = &s
			changed(s)
		}
		// By the wall clock: a machine that has slept renews when it wakes.
		due := time.Now().Round(0).Add(pause)
		soon := time.NewTimer(pause)
		for moved := false; !moved && time.Now().Round(0).Before(due); {
			select {
			case <-soon.C:
			case <-tick.C:
				moved = k.moved()
			case <-ctx.Done():
				soon.Stop()
				return
			}
		}
		soon.Stop()
	}
}

// differ reports whether two states are different to others.
func differ(a, b State) bool {
	if a.By != b.By || len(a.Mappings) != len(b.Mappings) || fmt.Sprint(a.Err) != fmt.Sprint(b.Err) {
		return true
	}
	for i := range a.Mappings {
		if a.Mappings[i].Port != b.Mappings[i].Port || a.Mappings[i].Outside != b.Mappings[i].Outside {
			return true
		}
	}
	return false
}

// A keeping is a Mapper at work.
type keeping struct {
	m      *Mapper
	ports  []Port
	way    way
	router router // nil until one is found
	mapped router // which maps what is held
	held   map[Port]Mapping
	failed time.Duration // the last pause with nothing mapped
}

// moved reports whether the machine is on another network by now.
func (k *keeping) moved() bool {
	now, err := k.m.look()
	return err == nil && now != k.way
}

// round asks for every port once, and says when to do so again.
func (k *keeping) round(ctx context.Context) (State, time.Duration) {
	var errs []error
	if err := k.reach(ctx); err != nil {
		errs = append(errs, err)
	} else if outside, err := k.outside(ctx); err != nil {
		errs = append(errs, err)
		k.router = nil // perhaps another speaks better
	} else {
		for _, p := range k.ports {
			if err := k.add(ctx, p, outside); err != nil {
				errs = append(errs, fmt.Errorf("%s port %d: %w", p.Protocol, p.Number, err))
			}
		}
	}
	s := State{Err: errors.Join(errs...)}
	pause := k.m.renew
	now := time.Now()
	for _, p := range k.ports {
		held, ok := k.held[p]
		if !ok {
			continue
		}
		if !held.Until.IsZero() {
			if !now.Before(held.Until) {
				delete(k.held, p)
				continue
			}
			pause = min(pause, held.Until.Sub(now)/2)
		}
		s.Mappings = append(s.Mappings, held)
	}
	if k.router != nil {
		s.By = k.router.name()
	}
	if len(s.Mappings) > 0 {
		k.failed = 0
		return s, max(pause, k.m.least)
	}
	k.failed = min(max(2*k.failed, k.m.retry), retryLast)
	return s, k.failed
}

// reach finds the router unless it is known.
func (k *keeping) reach(ctx context.Context) error {
	w, err := k.m.look()
	if err != nil {
		return err
	}
	if w != k.way { // another network: what was mapped there is out of reach
		k.way, k.router, k.mapped = w, nil, nil
		clear(k.held)
	}
	if k.m.cfg.Public(w.local) == nil {
		return errPublic
	}
	if k.router == nil {
		k.router, err = k.m.find(ctx, w)
	}
	return err
}

var errPublic = errors.New("this machine has a public address: there is nothing to map")

func (k *keeping) outside(ctx context.Context) (netip.Addr, error) {
	ip, err := k.router.outside(ctx)
	if err != nil {
		return ip, fmt.Errorf("the router's address: %w", err)
	}
	if err := k.m.cfg.Public(ip); err != nil {
		return ip, fmt.Errorf("the router is behind another one: %w", err)
	}
	return ip, nil
}

// add maps a port, at the one that it had, else at its own number.
func (k *keeping) add(ctx context.Context, p Port, outside netip.Addr) error {
	want := p.Number
	if held, ok := k.held[p]; ok {
		want = held.Outside.Port()
	}
	got, holds, err := k.router.add(ctx, p, want)
	if err != nil {
		return err
	}
	if got == 0 {
		return errors.New("the router gave port 0")
	}
	m := Mapping{Port: p, Outside: netip.AddrPortFrom(outside, got)}
	if holds > 0 {
		m.Until = time.Now().Round(0).Add(min(holds, maxLease))
	}
	k.held[p], k.mapped = m, k.router
	return nil
}

// removeAll takes all mappings out.
func (k *keeping) removeAll(ctx context.Context) {
	if k.mapped == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, removeWait)
	defer cancel()
	for p, held := range k.held {
		if err := k.mapped.remove(ctx, p, held.Outside.Port()); err != nil {
			k.m.cfg.Log.Debug("mapping not taken out", "port", p.Number, "until", held.Until, "err", err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}
