package compute

import (
	lru "container/list"
	"sync"

	"github.com/peersea/sea/identity"
)

// maxRefusals is how many refused modules an engine remembers, of a few hundred
// bytes each.
const maxRefusals = 1024

// refusals are the modules that were refused, or took too long to compile, with
// the error, so that offering one again costs nobody a worker. They say nothing
// about who offered it: a module's bytes and what the key names decide alone.
type refusals struct {
	mu    sync.Mutex // guards what follows
	known map[refusalKey]*lru.Element
	order lru.List // of *refusedModule, the last used first
}

// refusalKey is what a refusal depends on.
type refusalKey struct {
	module identity.Hash
	tariff uint64
	pages  uint32
	entry  string
}

type refusedModule struct {
	key refusalKey
	err error
}

func refusalKeyOf(job Job) refusalKey {
	return refusalKey{job.Module, job.Tariff, job.Limits.MemoryPages, job.Entry}
}

// get gives the error of a job whose module was refused, or nil.
func (r *refusals) get(job Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.known[refusalKeyOf(job)]
	if e == nil {
		return nil
	}
	r.order.MoveToFront(e)
	return e.Value.(*refusedModule).err
}

// add remembers that job's module was refused because of err.
func (r *refusals) add(job Job, err error) {
	k := refusalKeyOf(job)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[k] != nil {
		return
	}
	if r.known == nil {
		r.known = make(map[refusalKey]*lru.Element)
	}
	r.known[k] = r.order.PushFront(&refusedModule{k, err})
	for r.order.Len() > maxRefusals {
		last := r.order.Remove(r.order.Back()).(*refusedModule)
		delete(r.known, last.key)
	}
}
