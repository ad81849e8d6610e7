package meter

import "math"

// WebAssembly lets an engine choose the bits of a NaN that arithmetic makes.
// For one result everywhere, an arithmetic result that the guest looks at is
// made canonical: a NaN becomes the quiet NaN of sign and payload zero. Values
// that are only copied keep their bits, as the specification says of loads,
// locals, neg, abs, copysign, select, pmin and pmax.
//
// To look is to do anything that could show the bits. Arithmetic, comparison
// and truncation of the same shape do not: their outcome depends on whether an
// operand is a NaN, never on which. A local that holds nothing but arithmetic
// results and constants that are no NaN passes them on as they are, and what is
// read from it is made canonical where it is looked at; a local that may hold a
// copied value as well gets canonical results only. (More precisely, not locals
// but their webs: see web.go.)

// nan is a value on the operand stack that could be a NaN of the engine's
// choice: an arithmetic result, or what was read from a local.
type nan struct {
	shape shape // of a local's value, unknown until settled
	web   int32 // of the local it was read from, -1 for arithmetic
	reads uint8 // a bit for each shape of what took it; bit 0 when the guest looks
	fix   bool  // make it canonical right here
}

// What the operand stack says of a value, beside 1 + the index of a nan.
const (
	copied int32 = 0  // its bits are settled, whatever they are
	number int32 = -1 // it is no NaN
)

// flow is an assignment of a nan to a local's web.
type flow struct{ value, web int32 }

// addNaN pushes a nan and notes where it comes from.
func (b *body) addNaN(n nan, typ ValueType) {
	b.edit(edit{at: b.pos, kind: editNaN, arg: len(b.nans)})
	b.nans = append(b.nans, n)
	b.pushValue(int32(len(b.nans)), typ)
}

// makeNaN pushes an arithmetic result.
func (b *body) makeNaN(s shape) {
	if b.record {
		b.addNaN(nan{shape: s, web: -1}, shapes[s].local)
	} else {
		b.pushValue(copied, shapes[s].local)
	}
}

// tracked gives a local's place in the state, -1 when nobody follows it.
func (b *body) tracked(local uint32) int32 {
	if int(local) >= len(b.slots) {
		return -1
	}
	return b.slots[local]
}

// getLocal pushes a local's value.
func (b *body) getLocal(local uint32) {
	if slot := b.tracked(local); slot >= 0 {
		b.addNaN(nan{web: b.state[slot]}, b.kinds[local])
		return
	}
	b.pushValue(copied, 0)
}

// setLocal assigns the topmost operand, which stays.
func (b *body) setLocal(local uint32) {
	if !b.has(1) {
		return
	}
	slot := b.tracked(local)
	if slot < 0 {
		b.see(1)
		return
	}
	if b.split {
		b.state[slot] = b.newWeb()
	}
	w := b.state[slot]
	switch v := b.operands[len(b.operands)-1].nan; {
	case v == copied:
		b.webs[b.head(w)].mixed = true
	case v > 0:
		b.flows = append(b.flows, flow{v - 1, w})
	}
}

// choose handles select: of two arithmetic results or numbers of one shape it
// makes another; of anything else, a copy. Floats and vectors are chosen by a
// branch of ours: wazero 1.12 on amd64 may lose the second one when registers
// are short (wazero#2534).
func (b *body) choose(at int) {
	if !b.has(3) {
		return
	}
	top := len(b.operands) - 3
	s, tame := shapeNone, true
	for _, o := range b.operands[top : top+2] {
		switch v := o.nan; {
		case v == number:
		case v > 0 && b.nans[v-1].web < 0 && (s == shapeNone || s == b.nans[v-1].shape):
			s = b.nans[v-1].shape
		default:
			tame = false
		}
	}
	typ := b.operands[top].typ
	if typ != 0 {
		b.edit(edit{at: at, kind: editSelect, arg: int(typ), length: uint8(b.pos - at)})
	}
	if !tame {
		b.pop(3)
		b.pushValue(copied, typ)
		return
	}
	b.operands = b.operands[:top]
	if s == shapeNone {
		b.pushValue(number, typ)
		return
	}
	b.makeNaN(s)
}

// maxRounds bounds the search for webs that hold copies by way of others.
const maxRounds = 16

// settleNaNs decides which nans to fix, once the whole function is known.
func (b *body) settleNaNs() {
	if len(b.nans) == 0 {
		return
	}
	for range maxRounds {
		if !b.spread() {
			break
		}
	}
	if b.spread() {
		for i := range b.webs {
			b.webs[i].mixed = true // too tangled: fix every result where it is made
		}
	}
	for _, f := range b.flows {
		if b.webs[b.head(f.web)].mixed {
			b.nans[f.value].reads |= 1 << shapeNone
		}
	}
	for i := range b.nans {
		n := &b.nans[i]
		if n.web >= 0 {
			w := b.webs[b.head(n.web)]
			if w.mixed {
				continue // a copy
			}
			n.shape = w.shape
		}
		n.fix = n.shape != shapeNone && n.reads&^(1<<n.shape) != 0
	}
}

// spread tells webs what flows into them, and whether that was news to any.
func (b *body) spread() (news bool) {
	for _, f := range b.flows {
		to := &b.webs[b.head(f.web)]
		n := b.nans[f.value]
		s := n.shape
		if n.web >= 0 {
			from := b.webs[b.head(n.web)]
			if from.mixed && !to.mixed {
				to.mixed, news = true, true
			}
			s = from.shape
		}
		if to.add(s) {
			news = true
		}
	}
	return news
}

// pushConst pushes a constant, whose bytes end at b.pos.
func (b *body) pushConst(i imm, typ ValueType) {
	v := number
	switch i {
	case immF32:
		if isNaN32(b.b[b.pos-4 : b.pos]) {
			v = copied
		}
	case immF64:
		if isNaN64(b.b[b.pos-8 : b.pos]) {
			v = copied
		}
	case imm16:
		c := b.b[b.pos-16 : b.pos]
		for j := 0; j < 16; j += 4 {
			if isNaN32(c[j:j+4]) || j%8 == 0 && isNaN64(c[j:j+8]) {
				v = copied
			}
		}
	}
	b.pushValue(v, typ)
}

func isNaN32(c []byte) bool {
	return math.IsNaN(float64(math.Float32frombits(uint32(c[0]) | uint32(c[1])<<8 | uint32(c[2])<<16 | uint32(c[3])<<24)))
}

func isNaN64(c []byte) bool {
	bits := uint64(0)
	for i := 7; i >= 0; i-- {
		bits = bits<<8 | uint64(c[i])
	}
	return math.IsNaN(math.Float64frombits(bits))
}

// The canonical NaNs, as they stand in a module.
var (
	nanF32   = []byte{0, 0, 0xc0, 0x7f}
	nanF64   = []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}
	nanF32x4 = append(append(append(append([]byte{}, nanF32...), nanF32...), nanF32...), nanF32...)
	nanF64x2 = append(append([]byte{}, nanF64...), nanF64...)
)

// shapes says, of each shape, the scratch local's type, how to compare a value
// with itself, which is false for a NaN, and how to push the NaN.
var shapes = [...]struct {
	local   ValueType
	compare []byte
	nan     []byte
}{
	shapeF32:   {F32, []byte{opF32Ge}, append([]byte{opF32Const}, nanF32...)},
	shapeF64:   {F64, []byte{opF64Ge}, append([]byte{opF64Const}, nanF64...)},
	shapeF32x4: {V128, []byte{opVector, vecF32x4Eq}, append([]byte{opVector, vecConst}, nanF32x4...)},
	shapeF64x2: {V128, []byte{opVector, vecF64x2Eq}, append([]byte{opVector, vecConst}, nanF64x2...)},
}

// shapeOf is where shapes has the locals of a float's or vector's type.
func shapeOf(t ValueType) shape {
	switch t {
	case F32:
		return shapeF32
	case F64:
		return shapeF64
	}
	return shapeF32x4
}

// canonical makes the value on the stack canonical: a scalar by a branch that is
// rarely taken, a vector lane by lane. Of the ways to write the branch, this is
// the one that wazero compiles to one comparison and one jump.
func (w *writer) canonical(s shape, local uint32) {
	how := &shapes[s]
	w.op(opLocalTee, local)
	if how.local == V128 {
		w.bytes(how.nan)
		w.op(opLocalGet, local)
		w.op(opLocalGet, local)
		w.bytes(how.compare)
		w.bytes([]byte{opVector, vecBitselect})
		return
	}
	w.op(opLocalGet, local)
	w.bytes(how.compare)
	w.bytes([]byte{opIf, blockEmpty, opElse})
	w.bytes(how.nan)
	w.op(opLocalSet, local)
	w.byte(opEnd)
	w.op(opLocalGet, local)
}
