package meter

// scratch are the indices of the locals that the meter needs in a function.
type scratch struct {
	size   uint32 // i32
	nan    [len(shapes)]uint32
	extras []ValueType
}

// scratch looks through the edits for what they need.
func (b *body) scratch() (s scratch) {
	add := func(at *uint32, t ValueType) {
		*at = uint32(b.locals + len(s.extras))
		s.extras = append(s.extras, t)
	}
	size, f32, f64, v128 := false, false, false, false
	for _, e := range b.edits {
		switch e.kind {
		case editSize, editTableGrow:
			size = true
		case editNaN:
			if n := b.nans[e.arg]; n.fix {
				f32 = f32 || n.shape == shapeF32
				f64 = f64 || n.shape == shapeF64
				v128 = v128 || n.shape == shapeF32x4 || n.shape == shapeF64x2
			}
		}
	}
	if size {
		add(&s.size, I32)
	}
	if f32 {
		add(&s.nan[shapeF32], F32)
	}
	if f64 {
		add(&s.nan[shapeF64], F64)
	}
	if v128 {
		add(&s.nan[shapeF32x4], V128)
		s.nan[shapeF64x2] = s.nan[shapeF32x4]
	}
	return s
}

// emit writes the function just read, metered. results is the type of a block
// that gives the function's results.
func (b *body) emit(w *writer, results []byte) {
	sizeAt := len(w.out)
	w.bytes([]byte{0x80, 0x80, 0x80, 0x80, 0}) // the size, when known

	s := b.scratch()
	w.u32(uint32(b.ngroups + len(s.extras)))
	w.bytes(b.b[b.groups.at:b.groups.end])
	for _, t := range s.extras {
		w.u32(1)
		w.byte(byte(t))
	}

	if b.smallLeaf() {
		w.pay(b.runs[0].cost)
		b.code(w, &s, true)
	} else {
		// block  ; stop: the shared trap
		//   pay and check
		//   block results  ; the guest's function label
		//     the guest's code
		//   end
		//   leave, return
		// end
		// stop
		w.bytes([]byte{opBlock, blockEmpty})
		w.pay(b.runs[0].cost)
		w.over()
		w.enter(b.weight())
		w.byte(opI32Or)
		w.op(opBrIf, 0)
		w.byte(opBlock)
		w.bytes(results)
		b.code(w, &s, false)
		w.leave(b.weight())
		w.bytes([]byte{opReturn, opEnd})
		w.stop()
		w.byte(opEnd)
	}
	// The size in five bytes, the longest form: its length is known beforehand.
	size := uint32(len(w.out) - sizeAt - 5)
	for i := range 5 {
		w.out[sizeAt+i] |= byte(size >> (7 * i) & 0x7f)
	}
}

// code copies the guest's code with the edits in it.
func (b *body) code(w *writer, s *scratch, leaf bool) {
	from := b.groups.end
	for i := range b.edits {
		e := &b.edits[i]
		switch e.kind {
		case editPay:
			r := &b.runs[e.arg]
			if r.void || r.cost == 0 && !r.check {
				continue
			}
			w.bytes(b.b[from:e.at])
			w.pay(r.cost)
			if r.check {
				w.over()
				w.op(opBrIf, uint32(e.depth))
			}
		case editNaN:
			n := b.nans[e.arg]
			if !n.fix {
				continue
			}
			w.bytes(b.b[from:e.at])
			w.canonical(n.shape, s.nan[n.shape])
		case editReturn:
			if leaf {
				continue
			}
			w.bytes(b.b[from:e.at])
			w.op(opBr, uint32(e.depth)-1)
		case editLeave:
			w.bytes(b.b[from:e.at])
			w.leave(b.weight())
		case editCall:
			w.bytes(b.b[from:e.at])
			w.byte(byte(e.arg))
		case editGrow:
			w.bytes(b.b[from:e.at])
			w.op(opCall, w.grow)
		case editSize:
			w.bytes(b.b[from:e.at])
			w.op(opLocalTee, s.size)
			w.op(opLocalGet, s.size)
			w.byte(opExtendI32U)
			w.paySize(uint32(e.depth))
		case editTableGrow:
			w.bytes(b.b[from:e.at])
			b.tableGrow(w, s, e)
		}
		from = e.at + int(e.length)
	}
	w.bytes(b.b[from:b.pos])
}

// paySize adds the i64 on the stack to the counter and checks it.
func (w *writer) paySize(stop uint32) {
	w.op(opGlobalGet, w.fuel)
	w.byte(opI64Add)
	w.op(opGlobalSet, w.fuel)
	w.over()
	w.op(opBrIf, stop)
}

// tableGrow pays for the new entries, unless they cannot fit: a grow that fails
// costs no more than any instruction, or endless failures could turn the
// counter round.
func (b *body) tableGrow(w *writer, s *scratch, e *edit) {
	t := uint32(e.arg)
	w.op(opLocalTee, s.size)
	w.op(opLocalGet, s.size)
	w.byte(opExtendI32U)
	w.i64(0)
	w.op(opLocalGet, s.size)
	w.byte(opExtendI32U)
	w.bytes([]byte{opMisc, miscTableSize})
	w.u32(t)
	w.byte(opExtendI32U)
	w.byte(opI64Add)
	w.i64(int64(b.m.tableMax(int(t))))
	w.byte(opI64GtU)
	w.bytes([]byte{opI32Eqz, opSelect})
	w.paySize(uint32(e.depth))
}

// tableMax is the most entries a table ever has: what it declares, within the
// limit.
func (m *module) tableMax(i int) uint32 {
	most := uint32(m.lim.TableEntries)
	if t := m.tables[i]; t.hasMax && t.max < most {
		most = t.max
	}
	return max(most, m.tables[i].min)
}

// pagePrice is what a page of memory.grow costs: 1 a byte.
const pagePrice = 65536

// startBody is the body of the function that calls the guest's start function.
func (w writer) startBody(start uint32) []byte {
	w.out = nil
	w.u32(0) // no locals
	w.op(opCall, start)
	w.byte(opEnd)
	return w.out
}

// growBody is the body of the function that stands in for memory.grow. It
// fails, as the specification says, beyond most; otherwise it pays and grows.
func (w writer) growBody(most uint32, own bool) []byte {
	w.out = nil
	w.u32(0) // no locals
	w.bytes([]byte{opBlock, blockEmpty})
	w.op(opLocalGet, 0)
	w.byte(opExtendI32U)
	w.bytes([]byte{opMemorySize, 0})
	w.byte(opExtendI32U)
	w.byte(opI64Add)
	w.i64(int64(most))
	w.byte(opI64GtU)
	w.bytes([]byte{opIf, blockEmpty})
	w.i32(-1)
	w.bytes([]byte{opReturn, opEnd})
	w.op(opLocalGet, 0)
	w.byte(opExtendI32U)
	w.i64(pagePrice)
	w.byte(opI64Mul)
	w.paySize(0)
	w.op(opLocalGet, 0)
	w.bytes([]byte{opMemoryGrow, 0})
	w.op(opLocalTee, 0)
	if own {
		w.i32(-1)
		w.byte(opI32Eq)
		w.bytes([]byte{opIf, blockEmpty})
		w.i32(int32(StatusGrow))
		w.op(opGlobalSet, w.status)
		w.bytes([]byte{opUnreachable, opEnd})
		w.op(opLocalGet, 0)
	}
	w.bytes([]byte{opReturn, opEnd})
	w.stop()
	w.byte(opEnd)
	return w.out
}

// blockResults is the type of a block that gives results and takes nothing, as
// far as one value type can say it.
func blockResults(results []byte) ([]byte, bool) {
	switch len(results) {
	case 0:
		return []byte{blockEmpty}, true
	case 1:
		return results, true
	}
	return nil, false
}

// typeIndex writes a type's index as a block type: a signed number.
func typeIndex(i int) []byte {
	var w writer
	w.s64(int64(i))
	return w.out
}
