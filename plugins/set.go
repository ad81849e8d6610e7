package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A Set is the plugins of one node, started in order and stopped in reverse.
type Set struct {
	list  []Named
	hosts []*Host
}

// Start makes each plugin's folder below dir and calls its Init, in the order
// of the list: what a plugin needs of another must stand before it. When one
// fails, those before it are undone in reverse and the error names it. log may
// be nil. Whoever has a Set must Run it or Close it.
func Start(n Node, dir string, log *slog.Logger, list ...Named) (*Set, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Set{list: list}
	for i, p := range list {
		if !nameForm.MatchString(p.Name) {
			s.Close()
			return nil, fmt.Errorf("%w: %q", ErrName, p.Name)
		}
		if slices.ContainsFunc(list[:i], func(q Named) bool { return q.Name == p.Name }) {
			s.Close()
			return nil, fmt.Errorf("%w: %s stands twice", ErrName, p.Name)
		}
		own := filepath.Join(dir, p.Name)
		if err := os.MkdirAll(own, 0o700); err != nil {
			s.Close()
			return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
		}
		host := newHost(n, log.With("plugin", p.Name), own)
		if err := p.Init(host); err != nil {
			host.end()
			s.Close()
			return nil, fmt.Errorf("init plugin %s: %w", p.Name, err)
		}
		s.hosts = append(s.hosts, host)
	}
	return s, nil
}

// Names lists the plugins in the order in which they were started.
func (s *Set) Names() []string {
	names := make([]string, len(s.list))
	for i, p := range s.list {
		names[i] = p.Name
	}
	return names
}

// Run runs every plugin until ctx ends or one of them fails, then stops them:
// the last first, each one's scopes before its Run, each gone before the one it
// may lean on. It returns nil when ctx ended and all stopped well. A Set runs
// once.
func (s *Set) Run(ctx context.Context) error {
	// Plugins outlive ctx by as much as stopping in order takes.
	base := context.WithoutCancel(ctx)
	failed := make(chan struct{})
	fail := sync.OnceFunc(func() { close(failed) })

	ends := make([]context.CancelFunc, len(s.hosts))
	done := make([]chan struct{}, len(s.hosts))
	errs := make([]error, len(s.hosts))
	for i, host := range s.hosts {
		var own context.Context
		own, ends[i] = context.WithCancel(base)
		done[i] = make(chan struct{})
		go func() {
			defer close(done[i])
			err := s.list[i].Run(own)
			early := own.Err() == nil
			host.end()
			if err != nil && (early || !errors.Is(err, context.Canceled)) {
				errs[i] = fmt.Errorf("plugin %s: %w", s.list[i].Name, err)
				fail()
			}
		}()
	}

	select {
	case <-ctx.Done():
	case <-failed:
	}
	for i, host := range slices.Backward(s.hosts) {
		host.takeBack()
		ends[i]()
		<-done[i]
	}
	return errors.Join(errs...)
}

// Close undoes a Set that was started and is not to run. After Run it does
// nothing.
func (s *Set) Close() {
	for _, host := range slices.Backward(s.hosts) {
		host.end()
	}
}
