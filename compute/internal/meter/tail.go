package meter

import "bytes"

// Tail calls
//
// return_call is a return and a call, and the callee takes the caller's place.
// So the meter tells it the depth without the caller's weight: however long a
// chain of tail calls, its depth is that of one function, and what stops it is
// fuel, checked at each entry.
//
// Engines keep that promise only for functions whose values fit their
// registers: wazero's compiler makes an ordinary call of the others, and both
// its engines of calls of the host. The depth must not depend on the engine, so
// those are a call and a return everywhere: the caller keeps its frame and its
// weight, and a chain of them ends at the depth limit. The price is the same.
const (
	tailInts    = 6 // parameters that are integers or references
	tailFloats  = 8 // parameters that are floats or vectors
	tailResults = 8 // results of either kind
)

// replaces tells whether a tail call of a function of type t takes no frame.
func (m *module) replaces(t funcType) bool {
	ints, floats := kinds(m.raw[t.params : t.params+uint32(t.nparams)])
	intResults, floatResults := kinds(m.results(t))
	return ints <= tailInts && floats <= tailFloats && intResults <= tailResults && floatResults <= tailResults
}

// results are the types of t's results.
func (m *module) results(t funcType) []byte { return m.raw[t.results : t.results+uint32(t.nresults)] }

// kinds counts the types that go in integer registers and in the others.
func kinds(types []byte) (ints, floats int) {
	for _, c := range types {
		switch ValueType(c) {
		case F32, F64, V128:
			floats++
		default:
			ints++
		}
	}
	return ints, floats
}

// tailCall handles a tail call of a function of type t, own when the module
// defines it as far as one can see.
func (b *body) tailCall(at int, t funcType, own bool) {
	if !b.live || b.err != nil {
		return
	}
	if !bytes.Equal(b.m.results(t), b.m.results(b.sig)) {
		// An engine would no longer see it where a call and a return are written.
		b.malformed(at, "function %d: a tail call of a function with other results", b.fn)
		return
	}
	b.burden(at, int(t.nresults)+b.m.mutableGlobals)
	b.pop(int(t.nparams))
	b.calls = true
	b.frames[len(b.frames)-1].barrier = true
	b.frames[len(b.frames)-1].out = 0
	if own && b.m.replaces(t) {
		b.edit(edit{at: at, kind: editLeave})
	} else {
		if own {
			b.edit(edit{at: at, kind: editDepth})
		}
		b.edit(edit{at: at, kind: editCall, arg: int(b.b[at]) - opReturnCall + opCall, length: 1})
		b.edit(edit{at: b.pos, kind: editReturn})
	}
	b.die()
}
