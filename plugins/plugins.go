// Package plugins is the contract between a node and the services that run on
// it, and the host that starts and stops them.
//
// A Plugin is a value in a list: Define gives it a name and a configuration,
// Init lets it claim its scopes before the node goes online, Run lets it serve
// until its context ends. There is no Stop to forget: the Host takes back what
// it gave, in reverse order, and when a Set's Run returns nothing of its
// plugins runs any more.
//
// The start order of a process is: key, ledger, engine, node, Start (every
// plugin's Init), Online, Set.Run; the stop order is the reverse, so that no
// request meets a plugin that has gone and no plugin a ledger that is closed.
//
// The contract knows only node and identity. Plugins need not be of this
// repository, and one process may host any number of Sets.
package plugins

import (
	"context"
	"errors"
	"fmt"
	"regexp"
)

// ErrName is returned when a plugin's name is not one to 32 lower-case letters
// or digits that begin with a letter, or stands twice in one Set.
var ErrName = errors.New("bad plugin name")

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// A Plugin is a service on a node.
type Plugin interface {
	// Init claims scopes and looks around. It is called once, before the node
	// is online, and starts no goroutine. When it fails the Host has nothing
	// left of the plugin and the whole Set is not started.
	Init(*Host) error

	// Run serves until ctx ends and returns when nothing of the plugin runs
	// any more. Before it is told to end, its scopes have been taken back and
	// its running handlers have returned. Returning an error before ctx ends
	// stops the whole Set; returning nil before that takes back the plugin's
	// scopes and leaves the others as they are.
	Run(context.Context) error
}

// A Spec is a plugin that could be made: its name, its configuration's type
// and defaults, and how to build it. The zero Spec is not valid; see Define.
type Spec struct {
	name  string
	build func(decode func(into any) error) (Plugin, error)
}

// Define makes a Spec. C is the configuration, a struct whose zero fields have
// stated meanings; defaults is what it holds before anything is read into it;
// build checks a configuration strictly and makes the plugin, without I/O.
// Collaborators other than the node are what build closes over.
func Define[C any](name string, defaults C, build func(C) (Plugin, error)) Spec {
	return Spec{name: name, build: func(decode func(into any) error) (Plugin, error) {
		config := defaults
		if decode != nil {
			if err := decode(&config); err != nil {
				return nil, err
			}
		}
		return build(config)
	}}
}

// Name is what the plugin is called in configuration, logs and on disk.
func (s Spec) Name() string { return s.name }

// Build makes the plugin. decode, unless nil, is given a pointer to a copy of
// the defaults and fills in what the operator wants otherwise, for example from
// a table of a TOML file.
func (s Spec) Build(decode func(into any) error) (Named, error) {
	if !nameForm.MatchString(s.name) {
		return Named{}, fmt.Errorf("%w: %q", ErrName, s.name)
	}
	p, err := s.build(decode)
	if err != nil {
		return Named{}, fmt.Errorf("plugin %s: %w", s.name, err)
	}
	return Named{Name: s.name, Plugin: p}, nil
}

// Named is a plugin under its name, ready for Start.
type Named struct {
	Name string
	Plugin
}
