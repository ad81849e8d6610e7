package meter

// scratch are the indices of the locals that the meter needs in a function.
type scratch struct {
	fuel   uint32 // i64: what the counter is, save during a call
	depth  uint32 // i32: what the depth is in this function
	size   uint32 // i32
	nan    [len(shapes)]uint32
	other  [len(shapes)]uint32 // a second one of the type, for select
	stops  int                 // how many blocks stand around the code for checks to leave by
	extras []ValueType
}

// maxExtras is the most locals that the meter adds to a function: the counter,
// the depth, a size, and two of each type of float and vector.
const maxExtras = 3 + 2*3

// maxStops bounds the blocks around a function's code. Each check has one of its
// own, as far as they go, because wazero compiles a branch better when no other
// goes to the same place.
const maxStops = 64

// stopsToHold is how many there are where no check leaves but that of the depth.
const stopsToHold = 3

// scratch looks through the edits for what they need.
func (b *body) scratch() (s scratch) {
	add := func(at *uint32, t ValueType) {
		*at = uint32(b.locals + len(s.extras))
		s.extras = append(s.extras, t)
	}
	size, call, f32, f64, v128 := false, false, false, false, false
	var chosen [len(shapes)]bool
	s.stops = 2 // at the entry
	for _, e := range b.edits {
		switch e.kind {
		case editPay:
			if b.runs[e.arg].check || b.runs[e.arg].look {
				s.stops++
			}
		case editLook:
			s.stops++
		case editDepth, editLeave:
			call = true
		case editSize, editTableGrow:
			size = true
			s.stops++
		case editSelect:
			at := shapeOf(ValueType(e.arg))
			chosen[at], size = true, true
			f32, f64, v128 = f32 || at == shapeF32, f64 || at == shapeF64, v128 || at == shapeF32x4
		case editNaN:
			if n := b.nans[e.arg]; n.fix {
				f32 = f32 || n.shape == shapeF32
				f64 = f64 || n.shape == shapeF64
				v128 = v128 || n.shape == shapeF32x4 || n.shape == shapeF64x2
			}
		}
	}
	s.stops = min(s.stops, maxStops) + 1
	add(&s.fuel, I64)
	if call {
		add(&s.depth, I32)
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
	for at, is := range chosen {
		if is {
			add(&s.other[at], shapes[at].local)
		}
	}
	return s
}

// emit writes the function just read, metered. results is the type of a block
// that gives the function's results.
func (b *body) emit(w *writer, results []byte) {
	sizeAt := len(w.out)
	w.bytes([]byte{0x80, 0x80, 0x80, 0x80, 0}) // the size, when known

	s := b.scratch()
	if w.hold > 0 {
		s.stops = stopsToHold
	}
	w.u32(uint32(b.ngroups + len(s.extras)))
	w.bytes(b.b[b.groups.at:b.groups.end])
	for _, t := range s.extras {
		w.u32(1)
		w.byte(byte(t))
	}

	if !b.looksAtEntry() {
		w.counter()
		w.pay(&s, b.runs[0].cost)
		b.code(w, &s)
	} else {
		// block ... block ; stops
		//   pay and check
		//   block results  ; the guest's function label
		//     the guest's code
		//   end
		//   return
		// end br stop end br stop ... end
		// stop: the shared trap
		for range s.stops {
			w.bytes([]byte{opBlock, blockEmpty})
		}
		w.counter()
		w.pay(&s, b.runs[0].cost)
		w.over(&s)
		w.leave(0)
		if !b.smallLeaf() {
			w.enter(&s, b.weight())
			w.op(opBrIf, 1)
		}
		w.byte(opBlock)
		w.bytes(results)
		b.code(w, &s)
		w.bytes([]byte{opReturn, opEnd})
		for i := s.stops - 2; i >= 0; i-- {
			w.op(opBr, uint32(i))
			w.byte(opEnd)
		}
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
func (b *body) code(w *writer, s *scratch) {
	from := b.groups.end
	stops := 2 // used at the entry
	check := func(e *edit) {
		w.over(s)
		w.leave(uint32(e.depth) + uint32(min(stops, s.stops-2)))
		stops++
	}
	for i := range b.edits {
		e := &b.edits[i]
		switch e.kind {
		case editPay:
			r := &b.runs[e.arg]
			if r.void && r.look {
				w.bytes(b.b[from:e.at])
				check(e)
				break
			}
			if r.void || r.cost == 0 && !r.check && !r.fresh {
				continue
			}
			w.bytes(b.b[from:e.at])
			if r.fresh {
				w.counter()
			} else {
				w.op(opLocalGet, s.fuel)
			}
			w.pay(s, r.cost)
			if r.check {
				check(e)
			}
		case editNaN:
			n := b.nans[e.arg]
			if !n.fix {
				continue
			}
			w.bytes(b.b[from:e.at])
			w.canonical(n.shape, s.nan[n.shape])
		case editDepth:
			w.bytes(b.b[from:e.at])
			w.op(opLocalGet, s.depth)
			w.op(opGlobalSet, w.depth)
		case editLeave:
			w.bytes(b.b[from:e.at])
			w.op(opLocalGet, s.depth)
			w.i32(int32(b.weight()))
			w.byte(opI32Sub)
			w.op(opGlobalSet, w.depth)
		case editCall:
			w.bytes(b.b[from:e.at])
			w.byte(byte(e.arg))
		case editReturn:
			w.bytes(b.b[from:e.at])
			w.byte(opReturn)
		case editGrow:
			w.bytes(b.b[from:e.at])
			w.op(opCall, w.grow)
			w.counter()
			w.pay(s, 0)
		case editSize:
			w.bytes(b.b[from:e.at])
			w.op(opLocalTee, s.size)
			w.op(opLocalGet, s.size)
			w.byte(opExtendI32U)
			w.paySize(s)
			check(e)
		case editTableGrow:
			w.bytes(b.b[from:e.at])
			b.tableGrow(w, s, e)
			w.paySize(s)
			check(e)
		case editSelect:
			w.bytes(b.b[from:e.at])
			w.choice(s, ValueType(e.arg))
		case editLook:
			w.bytes(b.b[from:e.at])
			check(e)
		case editBulk:
			w.bytes(b.b[from:e.at])
			if e.arg == miscMemoryFill {
				w.bulk(s, instructionFill, w.fill)
			} else {
				w.bulk(s, instructionCopy, w.copy)
			}
		case editReference:
			w.bytes(b.b[from:e.at])
			w.op(opGlobalGet, w.reference+uint32(e.arg))
		case editDrop:
			w.bytes(b.b[from:e.at])
			w.bytes([]byte{opMisc, miscDataDrop})
			w.u32(uint32(e.arg))
		}
		from = e.at + int(e.length)
	}
	w.bytes(b.b[from:b.pos])
}

// choice is select, of two values of type t, by a branch.
func (w *writer) choice(s *scratch, t ValueType) {
	at := shapeOf(t)
	first, second := s.nan[at], s.other[at]
	w.op(opLocalSet, s.size)
	w.op(opLocalSet, second)
	w.op(opLocalSet, first)
	w.op(opLocalGet, s.size)
	w.bytes([]byte{opIf, blockEmpty, opElse})
	w.op(opLocalGet, second)
	w.op(opLocalSet, first)
	w.byte(opEnd)
	w.op(opLocalGet, first)
}

// paySize adds the i64 on the stack to the counter.
func (w *writer) paySize(s *scratch) {
	w.op(opLocalGet, s.fuel)
	w.byte(opI64Add)
	w.op(opLocalTee, s.fuel)
	w.op(opGlobalSet, w.fuel)
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

// holdBody is the body of the function that calls what the host has put into
// our table. Functions of the host have the lowest indices, which are the guest's.
func (w writer) holdBody(typ, table uint32) []byte {
	w.out = nil
	w.u32(0) // no locals
	w.i32(0)
	w.op(opCallIndirect, typ)
	w.u32(table)
	w.byte(opEnd)
	return w.out
}

// growBody is the body of the function that stands in for memory.grow. It
// fails, as the specification says, beyond most; otherwise it pays and grows.
func (w writer) growBody(most uint32, own bool) []byte {
	w.out = nil
	s := scratch{fuel: 1}
	w.bytes([]byte{1, 1, byte(I64)})
	w.counter()
	w.pay(&s, 0)
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
	w.paySize(&s)
	w.over(&s)
	w.leave(0)
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
