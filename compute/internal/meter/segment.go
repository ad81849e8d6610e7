package meter

import "strings"

// The sections of globals, exports and segments: those that contain constant
// expressions or names.

// global reads a global type.
func (m *module) global(r *reader) (g global) {
	g.typ = r.valueType()
	at := r.pos
	switch mut := r.byte(); mut {
	case 0:
	case 1:
		g.mutable = true
		m.mutableGlobals++
	default:
		r.malformed(at, "mutability 0x%02x", mut)
	}
	return g
}

func (m *module) globalSection(r *reader) {
	n := r.count("globals", 4, m.lim.Globals)
	for i := 0; i < n && r.err == nil; i++ {
		g := m.global(r)
		m.constant(r)
		m.globals = append(m.globals, g)
	}
}

func (m *module) exportSection(r *reader) {
	n := r.count("exports", 3, m.lim.Exports)
	for i := 0; i < n && r.err == nil; i++ {
		at := r.pos
		e := Export{Name: r.name("export name")}
		if r.err == nil && strings.HasPrefix(e.Name, Prefix) {
			r.fail(at, ErrReserved, "export %q", e.Name)
			return
		}
		at = r.pos
		e.Kind = Kind(r.byte())
		switch e.Kind {
		case KindFunc:
			if f := r.index("function", len(m.functions)); r.err == nil {
				e.Func = m.signature(m.functions[f])
				m.declare(f)
			}
		case KindTable:
			r.index("table", len(m.tables))
		case KindMemory:
			r.index("memory", len(m.memories))
		case KindGlobal:
			r.index("global", len(m.globals))
		case 4:
			r.unsupported(at, "tag export (%s)", exceptions)
		default:
			r.malformed(at, "export kind 0x%02x", byte(e.Kind))
		}
		m.exports = append(m.exports, e)
	}
}

// constant reads a constant expression, of the extended kind: it may add,
// subtract and multiply integers. Of the globals it may read the imported ones
// that cannot change; wazero reads no others, whatever it is told to accept. It
// returns the value, when it is an i32 and depends on no global.
func (m *module) constant(r *reader) (value uint32, known bool) {
	known = true
	for stack := m.stack[:0]; r.err == nil; {
		at := r.pos
		var v uint32
		switch op := r.byte(); op {
		case opEnd:
			m.stack = stack
			if len(stack) != 1 {
				r.malformed(at, "constant expression of %d values", len(stack))
				return 0, false
			}
			return stack[0], known
		case opI32Const:
			v = uint32(r.signed(32))
		case opI64Const:
			r.signed(64)
		case opF32Const:
			r.skip(4)
		case opF64Const:
			r.skip(8)
		case opGlobalGet:
			m.constantGlobal(r)
			known = false
		case opRefNull:
			r.refType()
		case opRefFunc:
			m.declare(r.index("function", len(m.functions)))
		case opVector:
			if sub := r.u32(); r.err == nil && sub != vecConst {
				r.malformed(at, "vector instruction 0x%x in a constant expression", sub)
			}
			r.skip(16)
		case opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
			top := len(stack) - 2
			if top < 0 {
				r.malformed(at, "operand missing in a constant expression")
				break
			}
			v = arithmetic(op, stack[top], stack[top+1])
			stack = stack[:top]
		case opGC:
			r.unsupported(at, "instruction 0x%02x in a constant expression (%s)", op, stranger(op))
		default:
			r.malformed(at, "instruction 0x%02x in a constant expression", op)
		}
		if stack = append(stack, v); len(stack) > m.lim.Operands {
			r.limit(at, "values at once in a constant expression", uint64(len(stack)), m.lim.Operands)
		}
	}
	return 0, false
}

// arithmetic does what an instruction of a constant expression says, if it is
// one of i32.
func arithmetic(op byte, a, b uint32) uint32 {
	switch op {
	case opI32Add:
		return a + b
	case opI32Sub:
		return a - b
	case opI32Mul:
		return a * b
	}
	return 0
}

// constantGlobal reads the global that a constant expression reads.
func (m *module) constantGlobal(r *reader) {
	at := r.pos
	i := r.index("global", len(m.globals))
	switch {
	case r.err != nil:
	case int(i) >= m.importedGlobals:
		r.unsupported(at, "global %d of the module's own in a constant expression (%s)", i, collection)
	case m.globals[i].mutable:
		r.malformed(at, "mutable global %d in a constant expression", i)
	}
}

func (m *module) elementSection(r *reader) {
	n := r.count("element segments", 2, m.lim.Segments)
	for i := 0; i < n && r.err == nil; i++ {
		m.element(r)
	}
}

// element passes over an element segment. The bits of its first number say:
// 1 passive or declarative, 2 an explicit table (or declarative), 4 expressions
// instead of function indices.
func (m *module) element(r *reader) {
	at := r.pos
	flags := r.u32()
	if flags > 7 {
		r.malformed(at, "element segment of kind %d", flags)
		return
	}
	var t, offset uint32
	placed := false // the table and the offset in it are known
	if flags&1 == 0 {
		if flags&2 != 0 {
			t = r.index("table", len(m.tables))
		}
		offset, placed = m.constant(r)
		placed = placed && int(t) >= m.importedTables && int(t) < len(m.tables)
	}
	if flags&3 != 0 {
		if flags&4 != 0 {
			kindAt := r.pos
			if t := r.refType(); t == ExternRef && flags == 5 {
				r.unsupported(kindAt, "passive element segment of externref") // wazero would make an empty one of it
			}
		} else if kindAt := r.pos; r.byte() != 0 && r.err == nil {
			r.malformed(kindAt, "element kind other than functions")
		}
	}
	at = r.pos
	n := r.count("element entries", 1, m.lim.Elements)
	m.elements += n
	if r.err == nil && m.elements > m.lim.Elements {
		r.limit(at, "element entries of all segments", uint64(m.elements), m.lim.Elements)
	}
	if r.err == nil && placed && uint64(offset)+uint64(n) > uint64(m.tables[t].min) {
		// No engine may run it, but wazero would leave the segment out.
		r.malformed(at, "%d elements from %d in a table of %d", n, offset, m.tables[t].min)
	}
	for i := 0; i < n && r.err == nil; i++ {
		if flags&4 != 0 {
			m.constant(r)
		} else {
			m.declare(r.index("function", len(m.functions)))
		}
	}
}

func (m *module) dataSection(r *reader) {
	n := r.count("data segments", 2, m.lim.Segments)
	m.actives = make([]bool, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		at := r.pos
		flags := r.u32()
		m.actives = append(m.actives, flags != 1)
		switch flags {
		case 0:
			m.constant(r)
		case 1:
		case 2:
			r.index("memory", len(m.memories))
			m.constant(r)
		default:
			r.malformed(at, "data segment of kind %d", flags)
		}
		size := r.count("data bytes", 1, len(r.b))
		r.skip(size)
	}
}
