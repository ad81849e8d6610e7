package meter

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// program is a module under construction. Its functions take and give i32, i64,
// f32 and f64, and share a memory, a table of themselves and four globals.
type program struct {
	choices   []byte
	floats    bool
	nans      bool // hardly anything but floats, many of them NaNs
	vectors   bool // locals that are vectors too
	functions []programFunc
	blocks    []FuncType // types of blocks, behind the functions' own
}

type programFunc struct {
	typ    FuncType
	locals []ValueType // parameters first
	code   writer
	labels [][]ValueType // what a branch to each enclosing label takes
}

// choose returns a number below n; 0 once the choices are used up.
func (p *program) choose(n int) int {
	if len(p.choices) == 0 {
		return 0
	}
	c := int(p.choices[0])
	p.choices = p.choices[1:]
	return c % n
}

func (p *program) valueType() ValueType {
	switch {
	case p.nans:
		return []ValueType{F32, F64, F64, I32}[p.choose(4)]
	case p.floats:
		return []ValueType{I32, I64, F32, F64}[p.choose(4)]
	}
	return []ValueType{I32, I64}[p.choose(2)]
}

func (p *program) valueTypes(most int) (ts []ValueType) {
	for range p.choose(most + 1) {
		ts = append(ts, p.valueType())
	}
	return ts
}

func generate(choices []byte) *program {
	p := &program{choices: choices}
	kind := p.choose(5)
	p.floats, p.nans, p.vectors = kind > 0, kind == 2, kind > 2
	for range 1 + p.choose(4) {
		params := 3
		if p.choose(4) == 1 {
			params = 12 // more than fit in registers
		}
		p.functions = append(p.functions, programFunc{typ: FuncType{p.valueTypes(params), p.valueTypes(2)}})
	}
	for i := range p.functions {
		f := &p.functions[i]
		f.locals = append(slices.Clone(f.typ.Params), I32, I64, I32)
		if p.floats {
			f.locals = append(f.locals, F32, F64, F64, F32)
		}
		if p.vectors {
			f.locals = append(f.locals, V128, V128)
		}
		f.labels = [][]ValueType{f.typ.Results}
		p.statements(f, 4)
		if p.nans {
			p.statements(f, 4)
			p.statements(f, 3)
		}
		p.show(f)
		if p.choose(4) != 1 || !p.tailCall(f, 3) {
			p.push(f, f.typ.Results, 3)
		}
		f.code.byte(opEnd)
	}
	return p
}

// show stores the locals that are floats or vectors, so that their bits come to
// light.
func (p *program) show(f *programFunc) {
	for i, t := range f.locals {
		if store := map[ValueType][]byte{F32: {0x38}, F64: {0x39}, V128: {opVector, 0x0b}}[t]; store != nil {
			f.code.i32(int32(1024 + 16*i))
			f.code.op(opLocalGet, uint32(i))
			f.code.bytes(append(store, 0, 0))
		}
	}
}

// statements writes some instructions that leave the stack as it is.
func (p *program) statements(f *programFunc, depth int) {
	for range p.choose(5) {
		p.statement(f, depth)
	}
}

func (p *program) statement(f *programFunc, depth int) {
	w := &f.code
	choice := p.choose(27)
	if p.nans && p.choose(2) == 0 {
		choice = 1
	}
	if depth == 0 && choice >= 8 {
		choice = 0
	}
	switch choice {
	case 0:
		w.byte(opNop)
	case 20, 21:
		w.op(opCall, 0) // the probe
	case 22:
		if p.choose(3) == 1 {
			p.tailCall(f, depth)
		}
	case 23, 24:
		if p.vectors {
			p.vector(f, depth-1)
			w.op(opLocalSet, uint32(len(f.locals)-1-p.choose(2)))
		}
	case 25: // the data segment
		if p.choose(8) == 1 {
			w.bytes([]byte{opMisc, miscDataDrop, 0})
			return
		}
		for _, most := range []int{256, 9, 9} {
			w.i32(int32(p.choose(most)))
		}
		w.bytes([]byte{opMisc, miscMemoryInit, 0, 0})
	case 26:
		p.table(f)
	case 1, 2, 3:
		i := p.choose(len(f.locals))
		if p.nans {
			i = len(f.locals) - 1 - p.choose(4)
		}
		p.expr(f, f.locals[i], depth)
		w.op(opLocalSet, uint32(i))
	case 4:
		g := p.choose(2)
		p.expr(f, []ValueType{I32, I64}[g], depth)
		w.op(opGlobalSet, uint32(g))
	case 5:
		p.expr(f, I32, 0)
		t := p.valueType()
		p.expr(f, t, depth)
		w.bytes([]byte{map[ValueType]byte{I32: 0x36, I64: 0x37, F32: 0x38, F64: 0x39}[t], 0})
		w.u32(uint32(p.choose(256) * 300))
	case 6:
		p.expr(f, p.valueType(), depth)
		w.byte(opDrop)
	case 7:
		p.call(f, depth, nil)
	case 8, 9, 10, 11: // block, loop, if, if else
		params, results := p.valueTypes(1), p.valueTypes(2)
		if choice == 10 {
			results = params // an if without else keeps them
		}
		p.block(f, depth, choice, params, results)
		for range results {
			w.byte(opDrop)
		}
	case 12, 13: // br_if
		l := p.choose(len(f.labels))
		p.push(f, f.labels[l], depth-1)
		p.expr(f, I32, depth-1)
		w.op(opBrIf, uint32(len(f.labels)-1-l))
		for range f.labels[l] {
			w.byte(opDrop)
		}
	case 14:
		if p.choose(3) > 0 {
			return
		}
		l := p.choose(len(f.labels))
		p.push(f, f.labels[l], depth-1)
		w.op(opBr, uint32(len(f.labels)-1-l))
	case 15:
		l := p.choose(len(f.labels))
		p.push(f, f.labels[l], depth-1)
		p.expr(f, I32, depth-1)
		same := []int{l}
		for i := range f.labels {
			if slices.Equal(f.labels[i], f.labels[l]) {
				same = append(same, i)
			}
		}
		n := 1 + p.choose(3)
		w.op(opBrTable, uint32(n))
		for range n + 1 {
			w.u32(uint32(len(f.labels) - 1 - same[p.choose(len(same))]))
		}
	case 16:
		if p.choose(4) > 0 {
			return
		}
		p.push(f, f.typ.Results, depth-1)
		w.byte(opReturn)
	case 17:
		if p.choose(8) == 1 {
			w.byte(opUnreachable)
		}
	case 18: // memory.fill, memory.copy
		for range 2 {
			w.i32(int32(p.choose(256) * 250))
		}
		w.i32(int32(p.choose(256)))
		if p.choose(2) == 0 {
			w.bytes([]byte{opMisc, miscMemoryFill, 0})
		} else {
			w.bytes([]byte{opMisc, miscMemoryCopy, 0, 0})
		}
	case 19:
		w.bytes([]byte{opRefNull, byte(FuncRef)})
		w.i32(int32(p.choose(4)))
		w.bytes([]byte{opMisc, miscTableGrow, 0})
		w.byte(opDrop)
	}
}

// tailCall writes a tail call, directly or by the table, of a function that gives
// what this one gives.
func (p *program) tailCall(f *programFunc, depth int) bool {
	i := p.choose(len(p.functions))
	callee := &p.functions[i]
	if !slices.Equal(callee.typ.Results, f.typ.Results) {
		return false
	}
	p.push(f, callee.typ.Params, depth-1)
	if p.choose(2) == 0 {
		f.code.op(opReturnCall, uint32(1+i))
	} else {
		f.code.i32(int32(i))
		f.code.op(opReturnTable, uint32(i))
		f.code.u32(0)
	}
	return true
}

// table writes an operation on the table.
func (p *program) table(f *programFunc) {
	w := &f.code
	at, from, n := int32(p.choose(42)), int32(p.choose(42)), int32(p.choose(5))
	w.i32(at)
	function := func() {
		if p.choose(2) == 0 {
			w.bytes([]byte{opRefNull, byte(FuncRef)})
			return
		}
		w.op(opRefFunc, 1+uint32(p.choose(len(p.functions))))
	}
	switch p.choose(4) {
	case 0:
		function()
		w.bytes([]byte{opTableSet, 0})
	case 1:
		function()
		w.i32(n)
		w.bytes([]byte{opMisc, miscTableFill, 0})
	case 2:
		w.i32(from)
		w.i32(n)
		w.bytes([]byte{opMisc, miscTableCopy, 0, 0})
	case 3:
		w.bytes([]byte{opTableGet, 0, opRefIsNull})
		w.op(opLocalSet, uint32(len(f.typ.Params)))
	}
}

// vector writes an expression that gives a vector.
func (p *program) vector(f *programFunc, depth int) {
	w := &f.code
	op := func(of ...uint32) { w.op(opVector, of[p.choose(len(of))]) }
	if depth <= 0 {
		if p.choose(3) == 0 {
			w.bytes([]byte{opVector, vecConst})
			for range 4 {
				w.out = binary.LittleEndian.AppendUint32(w.out, []uint32{0x7fa00001, 0xffc00000, 0x3f800000, 0, 0xff800000}[p.choose(5)])
			}
			return
		}
		w.op(opLocalGet, uint32(len(f.locals)-1-p.choose(2)))
		return
	}
	switch p.choose(5) {
	case 0: // splat
		t := []ValueType{I32, I64, F32, F64}[p.choose(4)]
		p.expr(f, t, depth-1)
		w.bytes([]byte{opVector, map[ValueType]byte{I32: 0x11, I64: 0x12, F32: 0x13, F64: 0x14}[t]})
	case 1:
		p.vector(f, depth-1)
		op(0x4d, 0xe0, 0xe1, 0xe3, 0xec, 0xed, 0xef, 0x5e, 0x5f, 0xf8, 0xfc, 0xfa, 0xfe, 0x67, 0x75, 0x94)
	case 2, 3:
		p.vector(f, depth-1)
		p.vector(f, depth-1)
		op(0x0e, 0x4e, 0x51, 0xae, 0xce, 0xba, 0x37, 0x43, 0x49, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb,
			0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7)
	case 4:
		for range 3 {
			p.vector(f, depth-1)
		}
		op(vecBitselect)
	}
}

// block writes a block of one of four kinds, with its parameters before it.
func (p *program) block(f *programFunc, depth, kind int, params, results []ValueType) {
	w := &f.code
	p.push(f, params, depth-1)
	if kind >= 10 {
		p.expr(f, I32, depth-1)
	}
	w.byte([]byte{opBlock, opLoop, opIf, opIf}[kind-8])
	w.s64(int64(len(p.functions) + len(p.blocks)))
	p.blocks = append(p.blocks, FuncType{params, results})
	label := results
	if kind == 9 {
		label = params
	}
	f.labels = append(f.labels, label)
	arm := func() {
		for range params {
			w.byte(opDrop)
		}
		p.statements(f, depth-1)
		p.push(f, results, depth-1)
	}
	arm()
	if kind == 11 {
		w.byte(opElse)
		arm()
	}
	w.byte(opEnd)
	f.labels = f.labels[:len(f.labels)-1]
}

// push writes expressions of these types.
func (p *program) push(f *programFunc, ts []ValueType, depth int) {
	for _, t := range ts {
		p.expr(f, t, max(depth, 0))
	}
}

// call writes a call of some function, directly or by the table, and drops its
// results but those of type want, of which it leaves one when it can.
func (p *program) call(f *programFunc, depth int, want *ValueType) bool {
	i := p.choose(len(p.functions))
	callee := &p.functions[i]
	if want != nil && (len(callee.typ.Results) != 1 || callee.typ.Results[0] != *want) {
		return false
	}
	p.push(f, callee.typ.Params, depth-1)
	if p.choose(2) == 0 {
		f.code.op(opCall, uint32(1+i))
	} else {
		f.code.i32(int32(i))
		f.code.op(opCallIndirect, uint32(i))
		f.code.u32(0)
	}
	if want == nil {
		for range callee.typ.Results {
			f.code.byte(opDrop)
		}
	}
	return true
}

// expr writes an expression of type t.
func (p *program) expr(f *programFunc, t ValueType, depth int) {
	w := &f.code
	if t == V128 {
		p.vector(f, depth)
		return
	}
	if depth <= 0 {
		p.leaf(f, t)
		return
	}
	switch p.choose(11) {
	case 0, 1:
		p.leaf(f, t)
	case 10:
		p.expr(f, t, depth-1)
		for i, l := range f.locals {
			if l == t {
				w.op(opLocalTee, uint32(i))
				return
			}
		}
	case 2, 3, 4:
		p.expr(f, t, depth-1)
		p.expr(f, t, depth-1)
		base, n := map[ValueType]byte{I32: 0x6a, I64: 0x7c, F32: 0x92, F64: 0xa0}[t], map[ValueType]int{I32: 15, I64: 15, F32: 7, F64: 7}[t]
		w.byte(base + byte(p.choose(n)))
	case 5:
		p.convert(f, t, depth)
	case 6:
		p.expr(f, t, depth-1)
		p.expr(f, t, depth-1)
		p.expr(f, I32, depth-1)
		w.byte(opSelect)
	case 7:
		w.i32(int32(p.choose(256) * 257))
		w.bytes([]byte{map[ValueType]byte{I32: 0x28, I64: 0x29, F32: 0x2a, F64: 0x2b}[t], 0, 0})
	case 8:
		p.block(f, depth, []int{8, 9, 11}[p.choose(3)], nil, []ValueType{t})
	case 9:
		if !p.call(f, depth, &t) {
			p.leaf(f, t)
		}
	}
}

// convert writes a conversion or unary operation to t.
func (p *program) convert(f *programFunc, t ValueType, depth int) {
	w := &f.code
	type conversion struct {
		from ValueType
		op   []byte
	}
	of := map[ValueType][]conversion{
		I32: {{I32, []byte{0x67}}, {I32, []byte{opI32Eqz}}, {I64, []byte{0xa7}}, {I32, []byte{0xc0}}, {I32, []byte{opMemoryGrow, 0}},
			{F32, []byte{0xbc}}, {F64, []byte{opMisc, 2}}, {F32, []byte{0xa8}}},
		I64: {{I64, []byte{0x79}}, {I32, []byte{0xac}}, {I64, []byte{0xc4}}, {F64, []byte{0xbd}}, {F32, []byte{opMisc, 5}}, {F64, []byte{0xb0}}},
		F32: {{F32, []byte{0x8b}}, {F32, []byte{0x8c}}, {F32, []byte{0x91}}, {F64, []byte{0xb6}}, {I32, []byte{0xb2}}, {I32, []byte{0xbe}}},
		F64: {{F64, []byte{0x99}}, {F64, []byte{0x9a}}, {F64, []byte{0x9f}}, {F32, []byte{0xbb}}, {I64, []byte{0xb9}}, {I64, []byte{0xbf}}},
	}[t]
	n := len(of)
	if !p.floats {
		n = map[ValueType]int{I32: 5, I64: 3}[t]
	}
	if p.vectors && p.choose(3) == 1 {
		p.vector(f, depth-1)
		w.bytes([]byte{opVector, map[ValueType]byte{I32: 0x1b, I64: 0x1d, F32: 0x1f, F64: 0x21}[t], byte(p.choose(2))})
		return
	}
	c := of[p.choose(n)]
	p.expr(f, c.from, depth-1)
	w.bytes(c.op)
}

// leaf writes a constant, or reads a local or global.
func (p *program) leaf(f *programFunc, t ValueType) {
	w := &f.code
	if c := p.choose(4); p.nans && c > 1 {
		for i, l := range f.locals {
			if l == t && p.choose(3) > 0 {
				w.op(opLocalGet, uint32(i))
				return
			}
		}
	} else if c == 1 || c == 2 {
		for range 3 {
			if i := p.choose(len(f.locals)); f.locals[i] == t {
				w.op(opLocalGet, uint32(i))
				return
			}
		}
	} else if c == 3 && (t == I32 || t == I64) {
		w.op(opGlobalGet, map[ValueType]uint32{I32: 0, I64: 1}[t])
		return
	}
	v := int64(p.choose(256)) - 16
	switch t {
	case I32:
		w.i32(int32(v))
	case I64:
		w.i64(v)
	case F32:
		w.byte(opF32Const)
		w.out = binary.LittleEndian.AppendUint32(w.out, []uint32{0x7fa00001, 0xffc00000, 0x3f800000, 0}[p.choose(4)]+uint32(v&1))
	case F64:
		w.byte(opF64Const)
		w.out = binary.LittleEndian.AppendUint64(w.out, []uint64{0x7ff4000000000001, 0xfff8000000000000, 0x3ff0000000000000, 0}[p.choose(4)])
	}
}

// module assembles the program.
func (p *program) module() []byte {
	var w, types, functions, exports, code, elements writer
	appendType := func(t FuncType) {
		types.byte(0x60)
		for _, ts := range [][]ValueType{t.Params, t.Results} {
			types.u32(uint32(len(ts)))
			for _, v := range ts {
				types.byte(byte(v))
			}
		}
	}
	export := func(name string, kind Kind, i int) {
		exports.name(name)
		exports.byte(byte(kind))
		exports.u32(uint32(i))
	}
	n := len(p.functions)
	elements.bytes([]byte{0, opI32Const, 2, opI32Const, 2, opI32Sub, opEnd})
	elements.u32(uint32(n))
	for i, f := range p.functions {
		appendType(f.typ)
		functions.u32(uint32(i))
		export(fmt.Sprint("f", i), KindFunc, 1+i)
		elements.u32(uint32(1 + i))
		var body writer
		locals := f.locals[len(f.typ.Params):]
		body.u32(uint32(len(locals)))
		for _, t := range locals {
			body.u32(1)
			body.byte(byte(t))
		}
		body.bytes(f.code.out)
		code.u32(uint32(len(body.out)))
		code.bytes(body.out)
	}
	for _, t := range p.blocks {
		appendType(t)
	}
	appendType(FuncType{})
	var imports writer
	imports.name("env")
	imports.name("probe")
	imports.byte(byte(KindFunc))
	imports.u32(uint32(n + len(p.blocks)))
	for i := range 4 {
		export(fmt.Sprint("g", i), KindGlobal, i)
	}
	export("memory", KindMemory, 0)
	r := rewriter{writer: w}
	r.bytes(magic)
	r.section(secType, n+len(p.blocks)+1, nil, types.out)
	r.section(secImport, 1, nil, imports.out)
	r.section(secFunction, n, nil, functions.out)
	r.section(secTable, 1, nil, []byte{byte(FuncRef), 1, byte(n), 40})
	r.section(secMemory, 1, nil, []byte{1, 1, 3})
	r.section(secGlobal, 4, nil, []byte{
		byte(I32), 1, opI32Const, 1, opEnd, byte(I64), 1, opI64Const, 2, opI64Const, 1, opI64Mul, opEnd,
		byte(I32), 1, opI32Const, 3, opEnd, byte(I64), 1, opI64Const, 4, opEnd})
	r.section(secExport, n+5, nil, exports.out)
	r.section(secElement, 1, nil, elements.out)
	r.bytes([]byte{secDataCount, 1, 1})
	r.section(secCode, n, nil, code.out)
	r.section(secData, 1, nil, append([]byte{1, 8}, "segments"...))
	return r.out
}
