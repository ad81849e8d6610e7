package rpc

import (
	"context"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

// A Peer is who speaks.
type Peer struct {
	// Addr is where the peer's node is, the address of its key.
	Addr addr.Addr

	// Node is the peer's node key, proven by the link or by the signature on
	// the request.
	Node identity.Entity

	// Entity is who the node acts for: the signer of the certificate that it
	// showed, or the node key itself.
	Entity identity.Entity

	// Direct tells that the peer spoke over a proven link of its own.
	Direct bool
}

// A Handler answers the requests of a scope. It may be called from many
// goroutines at once, and must return soon after ctx ends: when the caller gave
// up, the link ended, or the node goes offline. It may keep body. Its error
// reaches the caller as Outcome says.
type Handler func(ctx context.Context, from Peer, body []byte) ([]byte, error)

// A Caller asks a node. The errors are those of this package's codes, or ctx's.
type Caller interface {
	Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error)
}

// A Registrar takes Handlers in. After remove has returned no new request
// reaches the handler; those that came before go on.
type Registrar interface {
	Handle(scope string, h Handler) (remove func())
}

// MaxScope is the longest scope in bytes.
const MaxScope = 64

// CheckScope returns an error unless scope is 1 to MaxScope characters of
// a-z, 0-9 and - . / : _
func CheckScope(scope string) error {
	if len(scope) < 1 || len(scope) > MaxScope {
		return fmt.Errorf("scope of %d bytes, not 1 to %d", len(scope), MaxScope)
	}
	for i := range len(scope) {
		switch c := scope[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '/', c == ':', c == '_':
		default:
			return fmt.Errorf("scope: character %d is not one of a-z 0-9 - . / : _", i+1)
		}
	}
	return nil
}
