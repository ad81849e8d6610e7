package meter

// writer appends to a module under way. The numbers are those of the module
// being written.
type writer struct {
	out []byte

	// indices of what was appended for the meter
	fuel, limit, depth, maxDepth, status uint32 // globals
	grow                                 uint32 // function
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

// pay adds cost to the counter.
func (w *writer) pay(cost uint32) {
	if cost == 0 {
		return
	}
	w.op(opGlobalGet, w.fuel)
	w.i64(int64(cost))
	w.byte(opI64Add)
	w.op(opGlobalSet, w.fuel)
}

// over pushes whether the counter is above the limit.
func (w *writer) over() {
	w.op(opGlobalGet, w.fuel)
	w.op(opGlobalGet, w.limit)
	w.byte(opI64GtU)
}

// enter adds weight to the depth and pushes whether it is above its limit.
func (w *writer) enter(weight int) {
	w.op(opGlobalGet, w.depth)
	w.i32(int32(weight))
	w.byte(opI32Add)
	w.op(opGlobalSet, w.depth)
	w.op(opGlobalGet, w.depth)
	w.op(opGlobalGet, w.maxDepth)
	w.byte(opI32GtU)
}

// leave takes weight off the depth.
func (w *writer) leave(weight int) {
	w.op(opGlobalGet, w.depth)
	w.i32(int32(weight))
	w.byte(opI32Sub)
	w.op(opGlobalSet, w.depth)
}

// stop tells the host which check failed, and traps.
func (w *writer) stop() {
	w.i32(int32(StatusLimit))
	w.i32(int32(StatusDepth))
	w.over()
	w.byte(opSelect)
	w.op(opGlobalSet, w.status)
	w.byte(opUnreachable)
}
