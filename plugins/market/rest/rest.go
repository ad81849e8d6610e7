// Package rest says when a seller leaves its machine alone: while it runs on its
// battery, or while somebody else uses it. A Watch follows a Machine; This is the
// one that the program runs on.
//
// What cannot be known is no reason to work: a machine that does not tell makes
// its seller rest.
package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// Every is how often a Watch looks.
	Every = 10 * time.Second

	// Calm is how long nobody may have used a machine before it is idle.
	Calm = time.Minute

	// typed is for how long after an input a machine is in use: what logind takes
	// for a terminal.
	typed = 5 * time.Minute

	// busyPercent of all processors is what other programs may use of a machine
	// that is idle, as BOINC has it.
	busyPercent = 25

	// lookTime bounds one look.
	lookTime = 5 * time.Second
)

// ErrUnknown is returned, wrapped with what is missing, when a machine does not
// tell what it is asked.
var ErrUnknown = errors.New("this machine does not tell")

// Machine is what a Watch looks at. Errors wrap ErrUnknown or are ctx's.
type Machine interface {
	// OnBattery says whether its battery is what it runs on.
	OnBattery(ctx context.Context) (bool, error)
	// Use says in a few words what others than this program do with it now, ""
	// for nothing.
	Use(ctx context.Context) (string, error)
}

// Rules are when a seller rests. The zero Rules are never.
type Rules struct {
	NotOnBattery bool `cbor:"not_on_battery,omitempty" json:"not_on_battery,omitempty"`
	WhenIdle     bool `cbor:"when_idle,omitempty" json:"when_idle,omitempty"`
}

// Why is the kind of a Rest.
type Why string

// The kinds.
const (
	Battery Why = "on_battery"
	InUse   Why = "in_use"
	Unknown Why = "unknown"
)

// A Rest is why a seller rests now. The zero Rest is none.
type Rest struct {
	Why Why `json:"why"`
	// Text says it to the machine's owner.
	Text string `json:"text"`
}

// A Watch remembers when its machine was last used. It may be used at once by
// many.
type Watch struct {
	machine Machine

	mu   sync.Mutex // guards what follows, and is held while it looks
	used time.Time  // zero: not that we know
	how  string
}

// NewWatch makes a Watch of m.
func NewWatch(m Machine) *Watch { return &Watch{machine: m} }

// Look says whether the rules have a seller rest now. The error is the
// machine's, and the Rest is Unknown then.
func (w *Watch) Look(ctx context.Context, r Rules) (Rest, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.NotOnBattery {
		switch on, err := w.machine.OnBattery(ctx); {
		case err != nil:
			return unknown(err)
		case on:
			return Rest{Battery, "it runs on its battery"}, nil
		}
	}
	if !r.WhenIdle {
		return Rest{}, nil
	}
	how, err := w.machine.Use(ctx)
	if err != nil {
		return unknown(err)
	}
	now := time.Now()
	if how != "" {
		w.used, w.how = now, how
	}
	if ago := now.Sub(w.used); !w.used.IsZero() && ago < Calm {
		text := w.how
		if how == "" {
			text += fmt.Sprintf(" %v ago, and it is idle a minute after", ago.Round(time.Second))
		}
		return Rest{InUse, text}, nil
	}
	return Rest{}, nil
}

func unknown(err error) (Rest, error) {
	return Rest{Unknown, "what it runs on, or who uses it, is not known"}, err
}

// Run looks again and again until ctx ends, and calls look each time.
func Run(ctx context.Context, look func(context.Context)) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			look(ctx)
		case <-ctx.Done():
			return
		}
	}
}
