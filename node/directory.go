package node

import (
	"sync"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/sealed"
)

// maxDirectory is how many nodes' sealing keys are kept; some 100 bytes each.
const maxDirectory = 4096

// A directory keeps the sealing keys out of contact records that were verified,
// so that a call to a node that was met before takes one round trip.
type directory struct {
	mu    sync.Mutex // guards known
	known map[addr.Addr]sealing
}

// A sealing is the key of a node by its latest record.
type sealing struct {
	key     [sealed.KeySize]byte
	expires time.Time
}

// learn keeps the key of a record that the node itself has just shown.
func (d *directory) learn(r contact.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := r.Addr()
	if _, known := d.known[a]; !known && len(d.known) >= maxDirectory {
		for other := range d.known { // any: a wrong guess costs a round trip
			delete(d.known, other)
			break
		}
	}
	if d.known == nil {
		d.known = make(map[addr.Addr]sealing)
	}
	d.known[a] = sealing{key: r.Seal, expires: r.Expires.Add(contact.Slack)}
}

// find returns the key of the node at a.
func (d *directory) find(now time.Time, a addr.Addr) (key [sealed.KeySize]byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.known[a]
	if ok && now.After(s.expires) {
		delete(d.known, a)
		return key, false
	}
	return s.key, ok
}
