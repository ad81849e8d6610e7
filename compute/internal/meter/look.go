package meter

// Looks
//
// The checks of the tariff are where work could become unbounded; between two of
// them a guest might still take seconds, if each of its instructions is a slow one,
// and a limit that the host has lowered would wait as long. So the code looks at
// the limit in more places: a look pays nothing, and compares the counter as it is.
// No bill depends on one: a guest that it ends was above its limit already, could
// make no call of the host any more, and would have been ended by the next check.
//
// What passes between two looks is counted in nanoseconds that an instruction may
// take on a slow machine, along the worst way through the code:
//
//   - at most maxUnseen since the last look of the function's own;
//   - at most maxBehind between a call and the next look, so that a deep pile of
//     calls that all return does not add up to more;
//   - at most leafUnseen in a function that its callers do not look behind.
//
// An operation on memory that is longer than bulkPiece is done in pieces, with a
// look between them.
const (
	slowMemory = 330             // a load or store: it misses every cache
	slowOther  = 4               // most take a tenth of it
	slowCall   = 16 + leafUnseen // what is called, beside the instruction

	maxUnseen  = 3_000_000
	maxBehind  = 10_000
	leafUnseen = 2_000
	bulkPiece  = 1 << 20
	bulkUnseen = 1_000_000 // a piece of memory that nobody had touched
)

// unseen is what may have passed since the last look.
type unseen struct {
	all    int32
	behind int32 // the last call, if there was none since; 0 if there was
}

// join is what may have passed where two ways meet.
func (u unseen) join(v unseen) unseen {
	return unseen{max(u.all, v.all), max(u.behind, v.behind)}
}

// slowness of an instruction by itself, without what it calls.
func (o *op) slowness() int32 {
	if o.imm == immMemory || o.imm == immMemLane {
		return slowMemory
	}
	return slowOther
}

// spend notes that the instruction at at may take n, and looks before it if that
// is too long.
func (b *body) spend(at int, n int32) {
	u := &b.unseen
	if u.all+n > maxUnseen || u.behind > 0 && u.behind+n > maxBehind {
		b.edit(edit{at: at, kind: editLook})
		b.looks = true
		*u = unseen{}
	}
	u.all += n
	if u.behind > 0 {
		u.behind += n
	}
	b.longest = max(b.longest, u.all)
}

// called notes a call. The host looks at each call of its own.
func (b *body) called(imported bool) {
	if imported {
		b.unseen = unseen{}
		return
	}
	b.unseen.all += slowCall
	b.unseen.behind += slowCall
}

// looksAtEntry tells whether the function looks at the limit as it begins.
func (b *body) looksAtEntry() bool {
	return !b.smallLeaf() || b.looks || b.longest > leafUnseen
}

// bulk writes a memory.fill or memory.copy: a long one by our function, whose
// index is helper.
func (w *writer) bulk(s *scratch, instruction []byte, helper uint32) {
	w.op(opLocalGet, s.size)
	w.i32(bulkPiece)
	w.byte(opI32GtU)
	w.byte(opIf)
	w.bytes(w.bulkType)
	w.op(opCall, helper)
	w.byte(opElse)
	w.bytes(instruction)
	w.byte(opEnd)
}

// The parameters of the functions below.
const (
	bulkTo = iota
	bulkFrom
	bulkSize
)

// bulkBody is the body of the function that stands in for a long memory.fill or
// memory.copy. What would be out of bounds is left to the instruction, which then
// does nothing but trap.
func (w writer) bulkBody(instruction []byte, copies bool) []byte {
	w.out = nil
	within := func(param uint32) { // whether it goes on behind the memory's end
		w.op(opLocalGet, param)
		w.byte(opExtendI32U)
		w.op(opLocalGet, bulkSize)
		w.bytes([]byte{opExtendI32U, opI64Add, opMemorySize, 0, opExtendI32U})
		w.i64(65536)
		w.bytes([]byte{opI64Mul, opI64GtU, opI32Or})
	}
	less := func(param uint32, c byte) { // takes a piece from it, or adds one to it
		w.op(opLocalGet, param)
		w.i32(bulkPiece)
		w.byte(c)
		w.op(opLocalSet, param)
	}
	w.u32(0) // no locals
	w.bytes([]byte{opBlock, blockEmpty, opLoop, blockEmpty})
	w.op(opLocalGet, bulkSize)
	w.i32(bulkPiece)
	w.byte(opI32LeU)
	within(bulkTo)
	if copies {
		within(bulkFrom)
	}
	w.bytes([]byte{opIf, blockEmpty})
	for param := range uint32(3) {
		w.op(opLocalGet, param)
	}
	w.bytes(instruction)
	w.bytes([]byte{opReturn, opEnd})
	if copies { // the last piece first, if it moves up: they may overlap
		w.op(opLocalGet, bulkTo)
		w.op(opLocalGet, bulkFrom)
		w.byte(opI32GtU)
		w.bytes([]byte{opIf, blockEmpty})
		less(bulkSize, opI32Sub)
		for param := range uint32(bulkSize) {
			w.op(opLocalGet, param)
			w.op(opLocalGet, bulkSize)
			w.byte(opI32Add)
		}
		w.i32(bulkPiece)
		w.bytes(instruction)
		w.byte(opElse)
	}
	w.op(opLocalGet, bulkTo)
	w.op(opLocalGet, bulkFrom)
	w.i32(bulkPiece)
	w.bytes(instruction)
	less(bulkTo, opI32Add)
	if copies {
		less(bulkFrom, opI32Add)
	}
	less(bulkSize, opI32Sub)
	if copies {
		w.byte(opEnd)
	}
	w.counter()
	w.op(opGlobalGet, w.limit)
	w.byte(opI64GtU)
	w.leave(1)
	w.op(opBr, 0)
	w.bytes([]byte{opEnd, opEnd})
	w.stop()
	w.byte(opEnd)
	return w.out
}

var (
	instructionFill = []byte{opMisc, miscMemoryFill, 0}
	instructionCopy = []byte{opMisc, miscMemoryCopy, 0, 0}
)
