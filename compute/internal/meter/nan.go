package meter

// WebAssembly lets an engine choose the bits of a NaN that arithmetic makes.
// For one result everywhere, every arithmetic result that the guest could look
// at is made canonical: a NaN becomes the quiet NaN of sign and payload zero.
// Values that are only copied keep their bits, as the specification says of
// loads, locals, neg, abs, copysign, select, pmin and pmax.
//
// A result goes unseen when arithmetic, a comparison, a truncation or drop of
// the same shape takes it straight from the operand stack: then the bits reach
// nothing but another NaN, which is made canonical in turn.

// nan is an arithmetic result that could be a NaN.
type nan struct {
	shape shape
	seen  bool
}

// makeNaN pushes an arithmetic result.
func (b *body) makeNaN(s shape) {
	if !b.record {
		b.pushClean(1)
		return
	}
	b.edit(edit{at: b.pos, kind: editNaN, arg: len(b.nans)})
	b.nans = append(b.nans, nan{shape: s})
	b.operands = append(b.operands, int32(len(b.nans)))
	b.height()
}

// The canonical NaNs, as they stand in a module.
var (
	nanF32   = []byte{0, 0, 0xc0, 0x7f}
	nanF64   = []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}
	nanF32x4 = append(append(append(append([]byte{}, nanF32...), nanF32...), nanF32...), nanF32...)
	nanF64x2 = append(append([]byte{}, nanF64...), nanF64...)
)

// shapes says, of each shape, the scratch local's type and how to compare a
// value with itself.
var shapes = [...]struct {
	local ValueType
	eq    []byte
	nan   []byte // an instruction that pushes it
}{
	shapeF32:   {F32, []byte{opF32Eq}, append([]byte{opF32Const}, nanF32...)},
	shapeF64:   {F64, []byte{opF64Eq}, append([]byte{opF64Const}, nanF64...)},
	shapeF32x4: {V128, []byte{opVector, vecF32x4Eq}, append([]byte{opVector, vecConst}, nanF32x4...)},
	shapeF64x2: {V128, []byte{opVector, vecF64x2Eq}, append([]byte{opVector, vecConst}, nanF64x2...)},
}

// canonical puts: x = itself where it equals itself, otherwise the NaN.
func (w *writer) canonical(s shape, local uint32) {
	how := &shapes[s]
	w.op(opLocalTee, local)
	w.bytes(how.nan)
	w.op(opLocalGet, local)
	w.op(opLocalGet, local)
	w.bytes(how.eq)
	if how.local == V128 {
		w.bytes([]byte{opVector, vecBitselect})
	} else {
		w.bytes([]byte{opSelect})
	}
}
