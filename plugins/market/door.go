package market

import (
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// maxListed bounds each list of a Door.
const maxListed = 256

// A Door is who is let in with what. Peers are named by their node's key or by
// the entity for which it acts. A list of those allowed that is empty allows all;
// who is denied is denied though it is allowed too. Each list has at most 256.
type Door struct {
	AllowPeers   []identity.Entity `cbor:"allow_peers,omitempty" json:"allow_peers,omitempty"`
	DenyPeers    []identity.Entity `cbor:"deny_peers,omitempty" json:"deny_peers,omitempty"`
	AllowModules []identity.Hash   `cbor:"allow_modules,omitempty" json:"allow_modules,omitempty"`
	DenyModules  []identity.Hash   `cbor:"deny_modules,omitempty" json:"deny_modules,omitempty"`
}

func (d Door) check() error {
	if n := max(len(d.AllowPeers), len(d.DenyPeers), len(d.AllowModules), len(d.DenyModules)); n > maxListed {
		return fmt.Errorf("a list of peers or modules has %d, want at most %d", n, maxListed)
	}
	return nil
}

// refusesPeer says why a peer is not served, nil when it is.
func (d Door) refusesPeer(node, entity identity.Entity) *Refused {
	listed := func(l []identity.Entity) bool { return slices.Contains(l, node) || slices.Contains(l, entity) }
	switch {
	case listed(d.DenyPeers):
		return refuse(NotWelcome, "this node does not sell to this buyer")
	case len(d.AllowPeers) > 0 && !listed(d.AllowPeers):
		return refuse(NotWelcome, "this node sells to buyers of its choice only")
	}
	return nil
}

// refusesModule says why a module is not run, nil when it is.
func (d Door) refusesModule(h identity.Hash) *Refused {
	switch {
	case slices.Contains(d.DenyModules, h):
		return refuse(NotWelcome, "this node does not run this module")
	case len(d.AllowModules) > 0 && !slices.Contains(d.AllowModules, h):
		return refuse(NotWelcome, "this node runs modules of its choice only")
	}
	return nil
}
