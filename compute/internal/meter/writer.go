package meter

// writer appends to a module under way. The numbers are those of the module
// being written.
type writer struct {
	out []byte

	// indices of what was appended for the meter
	fuel, limit, depth, maxDepth, status uint32 // globals
	reference                            uint32 // the first global that holds a reference
	grow, fill, copy                     uint32 // functions, 0 for those that nobody has called
	hold                                 uint32 // function that asks the host; 0 where checks end the guest
	bulkType                             []byte // the type of a block that takes what fill and copy do
}

func (w *writer) bytes(b []byte) { w.out = append(w.out, b...) }

func (w *writer) byte(b byte) { w.out = append(w.out, b) }

func (w *writer) u32(v uint32) {
	for v >= 0x80 {
		w.out = append(w.out, byte(v)|0x80)
		v >>= 7
	}
	w.out = append(w.out, byte(v))
}

func (w *writer) s64(v int64) {
	for {
		c := byte(v) & 0x7f
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			w.out = append(w.out, c)
			return
		}
		w.out = append(w.out, c|0x80)
	}
}

func (w *writer) name(s string) {
	w.u32(uint32(len(s)))
	w.out = append(w.out, s...)
}

// op writes an instruction with one index.
func (w *writer) op(c byte, index uint32) {
	w.out = append(w.out, c)
	w.u32(index)
}

func (w *writer) i32(v int32) {
	w.out = append(w.out, opI32Const)
	w.s64(int64(v))
}

func (w *writer) i64(v int64) {
	w.out = append(w.out, opI64Const)
	w.s64(v)
}

// counter pushes the counter as it is after a call.
func (w *writer) counter() { w.op(opGlobalGet, w.fuel) }

// pay takes the counter from the stack and adds cost to it.
func (w *writer) pay(s *scratch, cost uint32) {
	if cost == 0 {
		w.op(opLocalSet, s.fuel)
		return
	}
	w.i64(int64(cost))
	w.byte(opI64Add)
	w.op(opLocalTee, s.fuel)
	w.op(opGlobalSet, w.fuel)
}

// over pushes whether the counter is above the limit.
func (w *writer) over(s *scratch) {
	w.op(opLocalGet, s.fuel)
	w.op(opGlobalGet, w.limit)
	w.byte(opI64GtU)
}

// leave takes from the stack whether the counter is above the limit. If it is,
// the guest ends by a branch to the label, or asks the host to let it go on.
func (w *writer) leave(label uint32) {
	if w.hold == 0 {
		w.op(opBrIf, label)
		return
	}
	w.bytes([]byte{opIf, blockEmpty})
	w.op(opCall, w.hold)
	w.byte(opEnd)
}

// enter pushes whether the depth in a function of this weight is above its
// limit. In a function that makes calls it keeps the depth.
func (w *writer) enter(s *scratch, weight int) {
	w.op(opGlobalGet, w.depth)
	w.i32(int32(weight))
	w.byte(opI32Add)
	if s.depth > 0 {
		w.op(opLocalTee, s.depth)
	}
	w.op(opGlobalGet, w.maxDepth)
	w.byte(opI32GtU)
}

// stop tells the host which check failed, and traps.
func (w *writer) stop() {
	w.i32(int32(StatusLimit))
	w.i32(int32(StatusDepth))
	w.op(opGlobalGet, w.fuel)
	w.op(opGlobalGet, w.limit)
	w.byte(opI64GtU)
	w.byte(opSelect)
	w.op(opGlobalSet, w.status)
	w.byte(opUnreachable)
}
