package meter

// body reads one function after the other: it checks their structure and
// indices, follows what is reachable, and notes what the rewriter has to put
// where. It is reused from function to function.
type body struct {
	m *module
	reader
	record bool // keep edits for the rewriter

	// of the module so far
	moduleLocals, moduleTargets, work int
	references                        []uint32       // functions that ref.func names, as they come
	referred                          map[uint32]int // the same: where they stand there

	// of the function under way
	fn       int // its index among all functions
	sig      funcType
	locals   int // parameters included
	groups   section
	ngroups  int
	frames   []frame
	operands []operand
	highest  int  // of the operand stack
	live     bool // the next instruction can be reached
	runs     []run
	cur      int32 // the run that instructions now belong to
	edits    []edit
	calls    bool // it has a call, a loop, an operation paid by size, a memory.grow, a vector
	loops    bool
	sized    bool
	grows    bool
	fills    bool
	copies   bool
	vectors  bool

	// what passes between two looks at the limit: see look.go
	unseen  unseen
	longest int32 // the most that all of it was
	looks   bool  // there are some beside the tariff's checks

	// what floats do: see nan.go, web.go
	nans   []nan
	flows  []flow
	floats bool        // some local is a float or vector
	split  bool        // locals have several webs
	joins  int         // of webs, in the module so far
	slots  []int32     // by local: its place in the state, or -1
	kinds  []ValueType // by local: its type, 0 when it is neither float nor vector
	state  []int32     // the webs that reach the next instruction
	states []int32     // the same, kept for frames
	webs   []web
}

// operand is what is known of a value on the operand stack.
type operand struct {
	nan int32     // copied, number, or 1 + the index of a nan
	typ ValueType // F32, F64 or V128, 0 for any other
}

// frame is a block under way, or the function itself.
type frame struct {
	kind     byte   // opBlock, opLoop, opIf, opElse; opCall for the function
	dead     bool   // it began where nothing comes
	targeted bool   // a branch goes to its label
	barrier  bool   // a call or a loop is in it
	joined   bool   // its label has a state
	before   unseen // where it began
	around   unseen // where a branch comes to its label from, or an if's first arm
	thenLive bool   // of an if with else: its first arm reaches the end
	params   types
	results  types
	base     int32 // height of the operand stack below its parameters
	out      int32 // the outermost frame that a branch in it goes to
	entry    int32 // the run it began in
	inner    int32 // of a loop, its header's run; of an if, its first arm's last run
}

// arity is the number of values that a branch to the frame's label takes.
func (f *frame) arity() int {
	if f.kind == opLoop {
		return f.params.n
	}
	return f.results.n
}

// function reads the next body, of the function with this index.
func (b *body) function(index int) {
	outer := b.end
	b.begin(index)
	for len(b.frames) > 0 && b.err == nil {
		b.instruction()
	}
	if b.err == nil && b.pos != b.end {
		b.malformed(b.pos, "function %d: %d bytes after its end", index, b.end-b.pos)
	}
	if b.err == nil {
		b.end = outer
		b.settleNaNs()
	}
}

// begin reads what stands before a function's instructions.
func (b *body) begin(index int) {
	b.fn = index
	b.sig = b.m.types[b.m.functions[index]]
	b.end = int(b.u32()) + b.pos
	b.operands, b.highest = b.operands[:0], 0
	b.frames, b.runs, b.edits = b.frames[:0], b.runs[:0], b.edits[:0]
	b.nans, b.flows = b.nans[:0], b.flows[:0]
	b.header()
	if b.err != nil {
		return // before anything is made for each of its locals
	}
	b.track()
	b.calls, b.loops, b.sized, b.grows, b.fills, b.copies = false, false, false, false, false, false
	b.unseen, b.longest, b.looks = unseen{}, 0, false
	b.live = true
	b.newRun()
	b.runs[0].cost = 1
	b.push(frame{kind: opCall, results: b.sig.gives()})
}

// header reads the declarations of locals.
func (b *body) header() {
	m := b.m
	at := b.pos
	b.ngroups = b.count("groups of locals", 2, len(b.b))
	b.groups.at = b.pos
	b.vectors, b.floats = false, false
	for _, c := range m.raw[b.sig.params : b.sig.params+uint32(b.sig.nparams)] {
		b.vectors = b.vectors || ValueType(c) == V128
	}
	n := uint64(b.sig.nparams)
	for i := 0; i < b.ngroups && b.err == nil; i++ {
		n += uint64(b.u32())
		t := b.valueType()
		b.vectors = b.vectors || t == V128
		b.floats = b.floats || t == F32 || t == F64 || t == V128
	}
	b.groups.end = b.pos
	if b.err == nil && n > uint64(m.lim.FunctionLocals) {
		b.limit(at, "locals of one function", n, m.lim.FunctionLocals)
		return
	}
	b.locals = int(n)
	b.moduleLocals += b.locals
	if b.err == nil && b.moduleLocals > m.lim.ModuleLocals {
		b.limit(at, "locals of all functions", uint64(b.moduleLocals), m.lim.ModuleLocals)
	}
}

// instruction reads one instruction.
func (b *body) instruction() {
	at := b.pos
	if at >= b.end {
		b.malformed(at, "function %d: unexpected end", b.fn)
		return
	}
	c := b.b[at]
	b.pos++
	o := &ops[c]
	switch c {
	case opMisc:
		sub := b.u32()
		if int64(sub) >= int64(len(misc)) {
			b.unsupported(at, "instruction 0xfc 0x%02x (%s)", sub, strangeMisc(sub))
			return
		}
		if o = &misc[sub]; o.imm == immFlow {
			b.sizedOp(at, sub)
			return
		}
	case opVector:
		if o = b.vector(at); o == nil {
			return
		}
	}
	if b.live && !o.free {
		b.runs[b.cur].cost++
		b.spend(at, o.slowness())
	}
	switch o.imm {
	case immNone:
	case immFlow:
		b.flow(at, c)
		return
	case immMemory, immMemLane:
		if align := b.u32(); align >= 32 {
			b.unsupported(at, "memory access with alignment 2^%d (%s)", align, multiMemory)
		}
		b.u32()
		if o.imm == immMemLane {
			b.byte()
		}
		b.needMemory(at)
	case immLane:
		b.byte()
	case imm16:
		b.skip(16)
	case immI32:
		b.signed(32)
	case immI64:
		b.signed(64)
	case immF32:
		b.skip(4)
	case immF64:
		b.skip(8)
	case immTable:
		b.index("table", len(b.m.tables))
	case immZero:
		b.zero(at)
	default:
		b.unsupported(at, "instruction 0x%02x (%s)", c, stranger(c))
		return
	}
	if b.live {
		b.plain(o)
	}
}

// vector reads the number of an instruction behind opVector. Engines disagree
// on numbers that are not written in the shortest way, so those are refused.
func (b *body) vector(at int) *op {
	b.vectors = true
	sub := b.u32()
	if b.err != nil {
		return nil
	}
	switch {
	case sub > 0xff:
		b.unsupported(at, "vector instruction 0x%x (%s)", sub, strangeVector(sub))
		return nil
	case vecs[sub].imm == immUnknown:
		b.unsupported(at, "vector instruction 0x%02x (unknown)", sub)
		return nil
	case b.pos-at != 2 && sub < 0x80 || b.pos-at > 3:
		b.unsupported(at, "vector instruction 0x%02x not written in the shortest way", sub)
		return nil
	}
	return &vecs[sub]
}

// plain does to the operand stack what o says.
func (b *body) plain(o *op) {
	if o.pop > 0 {
		top := len(b.operands) - int(o.pop)
		if !b.has(int(o.pop)) {
			return
		}
		if len(b.nans) > 0 {
			for _, v := range b.operands[top:] {
				if v.nan > 0 {
					b.nans[v.nan-1].reads |= 1 << o.reads
				}
			}
		}
		b.operands = b.operands[:top]
	}
	switch {
	case o.push == 0:
	case o.makes != shapeNone:
		b.makeNaN(o.makes)
	case o.tame:
		b.pushConst(o.imm, o.gives)
	default:
		b.pushValue(copied, o.gives)
	}
}

// has tells whether the block under way has n operands.
func (b *body) has(n int) bool {
	if len(b.operands)-n < int(b.frames[len(b.frames)-1].base) {
		b.malformed(b.pos, "function %d: operand missing", b.fn)
		return false
	}
	return true
}

// pop takes n operands away, which the guest may look at.
func (b *body) pop(n int) {
	if b.has(n) {
		b.see(n)
		b.operands = b.operands[:len(b.operands)-n]
	}
}

// see notes that the guest may look at the n topmost operands.
func (b *body) see(n int) {
	top := b.operands[len(b.operands)-n:]
	for i, v := range top {
		if v.nan > 0 {
			b.nans[v.nan-1].reads |= 1 << shapeNone
			top[i].nan = copied
		}
	}
}

// pushCopies adds operands whose bits are settled.
func (b *body) pushCopies(all types) {
	for _, c := range b.m.raw[all.at : all.at+all.n] {
		b.operands = append(b.operands, operand{copied, floating(ValueType(c))})
	}
	b.height()
}

func (b *body) pushValue(nan int32, typ ValueType) {
	b.operands = append(b.operands, operand{nan, typ})
	b.height()
}

// floating is t if it is a float or a vector, and else 0.
func floating(t ValueType) ValueType {
	if t == F32 || t == F64 || t == V128 {
		return t
	}
	return 0
}

// height keeps the operand stack's greatest height.
func (b *body) height() {
	if len(b.operands) > b.highest {
		b.highest = len(b.operands)
		if b.highest > b.m.lim.Operands {
			b.limit(b.pos, "operands at once", uint64(b.highest), b.m.lim.Operands)
		}
	}
}

// needMemory refuses an instruction that needs the memory a module lacks.
func (b *body) needMemory(at int) {
	if len(b.m.memories) == 0 {
		b.malformed(at, "function %d: no memory", b.fn)
	}
}

// zero reads the index of the one memory.
func (b *body) zero(at int) {
	b.needMemory(at)
	if b.byte() != 0 {
		b.unsupported(at, "memory index other than 0 (%s)", multiMemory)
	}
}

// burden adds to the work that the code makes for a compiler.
func (b *body) burden(at, n int) {
	b.work += n
	if b.work > b.m.lim.Work {
		b.limit(at, "values to compile", uint64(b.work), b.m.lim.Work)
	}
}

// weight is what a call of the function adds to the depth: 1, and 1 more for
// each 16 values in its frame. A function that handles vectors counts twice.
func (b *body) weight() int {
	values := b.locals + b.highest
	if b.vectors {
		values *= 2
	}
	return 1 + values/16
}

// smallLeaf tells whether the function is so little that neither its depth nor
// its fuel need to be checked: it pays, and its caller's checks are enough.
func (b *body) smallLeaf() bool {
	if b.calls || b.loops || b.sized || b.weight() > leafWeight {
		return false
	}
	cost := 0
	for i := range b.runs {
		if !b.runs[i].void {
			cost += int(b.runs[i].cost)
		}
	}
	return cost <= leafCost
}

const (
	leafWeight = 4
	leafCost   = 128
)
