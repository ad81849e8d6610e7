package rpc

import (
	"context"
	"fmt"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
)

// A Method is a scope with the types of what goes in and what comes out, which
// travel as CBOR. Declare it once, as a variable that both sides use:
//
//	var Now = rpc.Method[struct{}, Tick]{Scope: "clock:now"}
type Method[In, Out any] struct{ Scope string }

// Call asks the node at to. An answer that is not an Out is ErrBadRequest with
// a text that says so.
func (m Method[In, Out]) Call(ctx context.Context, c Caller, to addr.Addr, in In) (Out, error) {
	var out Out
	body, err := cbor.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("%s: encode request: %w", m.Scope, err)
	}
	answer, err := c.Call(ctx, to, m.Scope, body)
	if err != nil {
		return out, fmt.Errorf("%s: %w", m.Scope, err)
	}
	if err := cbor.Unmarshal(answer, &out); err != nil {
		var zero Out
		return zero, Errorf(BadRequest, "%s: the answer cannot be read: %v", m.Scope, err)
	}
	return out, nil
}

// Handle serves the method on r until remove is called. A request that is not
// an In never reaches h: its caller gets ErrBadRequest.
func (m Method[In, Out]) Handle(r Registrar, h func(ctx context.Context, from Peer, in In) (Out, error)) (remove func()) {
	return r.Handle(m.Scope, func(ctx context.Context, from Peer, body []byte) ([]byte, error) {
		var in In
		if err := cbor.Unmarshal(body, &in); err != nil {
			return nil, Errorf(BadRequest, "%v", err)
		}
		out, err := h(ctx, from, in)
		if err != nil {
			return nil, err
		}
		answer, err := cbor.Marshal(out)
		if err != nil {
			return nil, fmt.Errorf("%s: encode answer: %w", m.Scope, err)
		}
		return answer, nil
	})
}
