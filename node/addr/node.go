package addr

import "github.com/peersea/sea/identity"

// OfNode returns the address of the node whose public key is given:
// Make("sea:node:1" || key).
func OfNode(node identity.Entity) Addr {
	return Make(append([]byte("sea:node:1"), node[:]...))
}
