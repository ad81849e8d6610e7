package meter

// Runs
//
// Fuel is paid by runs: sets of instructions of which either all are executed
// or none, save for traps. A run's whole cost is paid where it begins. These
// rules say where runs begin, and where the counter is checked; they are part
// of tariff 1, because they decide which payment is the first above the limit.
//
//  1. A run begins at the function's entry, behind a loop that some branch goes
//     back to, behind if, else, br_if and a call, and behind the end of a block
//     that some branch goes to or of an if.
//  2. Behind such an end, the run that the block began in goes on instead,
//     when the block contains no call, no loop that some branch goes back to,
//     no unreachable, and no branch (or return, or tail call) that leaves it for
//     further out: then all ways from its beginning lead to its end.
//  3. Behind an end that only one arm of an if with else reaches, that arm's
//     run goes on.
//  4. Code that nothing reaches belongs to no run: behind br, br_table, return,
//     a tail call and unreachable, and in blocks that begin there. Branches from
//     it count for nothing.
//  5. The counter is checked, right after the run is paid, at the entry of
//     every function but small leaves and behind every loop that some branch
//     goes back to; and before operations paid by size.
//
// A small leaf is a function without calls, tail calls among them, without loops
// that some branch goes back to and without operations paid by size, whose
// instructions cost at most 128 together and whose frame weighs at most 4.

// run is a set of instructions paid together.
type run struct {
	cost  uint32
	check bool // compare the counter too
	void  bool // folded into another
	look  bool // a look at the limit, if it is void
	fresh bool // read the counter again: behind a call, which may have paid too
}

// longLoop is what the first run of a loop costs when the loop is so long that
// reading the counter again is cheaper than a register kept for it; a short one
// would wait for its own writing.
const longLoop = 24

// newRun begins a run at pos.
func (b *body) newRun() {
	if !b.record && len(b.runs) > 0 {
		return
	}
	b.cur = int32(len(b.runs))
	b.runs = append(b.runs, run{})
	if b.cur > 0 {
		b.edit(edit{at: b.pos, kind: editPay, arg: int(b.cur)})
	}
}

// flow handles the instructions that are more than their effect on the stack.
func (b *body) flow(at int, c byte) {
	switch c {
	case opBlock, opLoop, opIf:
		b.open(at, c)
	case opElse:
		b.otherwise(at)
	case opEnd:
		b.close(at)
	case opBr:
		t := b.label()
		if b.live {
			b.branch(t)
			b.die()
		}
	case opBrIf:
		t := b.label()
		if b.live {
			b.pop(1)
			b.branch(t)
			b.newRun()
		}
	case opBrTable:
		b.branchTable(at)
	case opReturn:
		if b.live {
			b.branch(0)
			b.die()
		}
	case opUnreachable:
		if b.live {
			b.frames[len(b.frames)-1].out = 0
			b.die()
		}
	case opCall:
		f := b.index("function", len(b.m.functions))
		if b.err == nil {
			b.call(at, b.m.types[b.m.functions[f]], int(f) < b.m.imported)
		}
	case opCallIndirect:
		t := b.index("type", len(b.m.types))
		b.index("table", len(b.m.tables))
		if b.err == nil {
			if b.live {
				b.pop(1)
			}
			b.call(at, b.m.types[t], false)
		}
	case opReturnCall:
		f := b.index("function", len(b.m.functions))
		if b.err == nil {
			b.tailCall(at, b.m.types[b.m.functions[f]], int(f) >= b.m.imported)
		}
	case opReturnTable:
		t := b.index("type", len(b.m.types))
		b.index("table", len(b.m.tables))
		if b.err == nil {
			if b.live {
				b.pop(1)
			}
			b.tailCall(at, b.m.types[t], true)
		}
	default:
		b.value(at, c)
	}
}

// value handles the instructions that move values.
func (b *body) value(at int, c byte) {
	pop, push := 0, 0
	var typ ValueType
	switch c {
	case opDrop:
		if b.live && b.has(1) {
			b.operands = b.operands[:len(b.operands)-1]
		}
		return
	case opSelect:
		if b.live {
			b.choose(at)
		}
		return
	case opSelectTyped:
		if n := b.u32(); b.err == nil && n != 1 {
			b.unsupported(at, "select of %d types", n)
		}
		b.valueType()
		if b.live && b.err == nil {
			b.choose(at)
		}
		return
	case opLocalGet, opLocalSet, opLocalTee:
		b.local(c)
		return
	case opGlobalGet:
		if g := b.index("global", len(b.m.globals)); b.err == nil {
			typ = floating(b.m.globals[g].typ)
		}
		push = 1
	case opGlobalSet:
		b.index("global", len(b.m.globals))
		pop = 1
	case opRefNull:
		b.refType()
		push = 1
	case opRefFunc:
		b.reference(at)
		push = 1
	case opMemoryGrow:
		b.zero(at)
		if b.live && b.err == nil {
			b.edit(edit{at: at, kind: editGrow, length: 2})
			b.sized, b.grows = true, true
		}
		pop, push = 1, 1
	}
	if b.live && b.err == nil {
		b.pop(pop)
		if push > 0 {
			b.pushValue(copied, typ)
		}
	}
}

// reference handles ref.func. Wazero's compiler keeps what it makes until the
// instance is closed, so each reference is made once: it is a global of ours. That
// makes a function fit for ref.func, so whether it was is ours to check.
func (b *body) reference(at int) {
	f := b.index("function", len(b.m.functions))
	if b.err == nil && (b.m.declared == nil || !b.m.declared[f]) {
		b.malformed(at, "ref.func of function %d, which no export, segment or global declares", f)
	}
	if !b.live || b.err != nil {
		return
	}
	i, known := b.referred[f]
	if !known {
		if b.referred == nil {
			b.referred = map[uint32]int{}
		}
		i = len(b.references)
		b.referred[f] = i
		b.references = append(b.references, f)
		if i == b.m.lim.References {
			b.limit(at, "functions that ref.func names", uint64(i+1), b.m.lim.References)
		}
	}
	b.edit(edit{at: at, kind: editReference, arg: i, length: uint8(b.pos - at)})
}

// local handles the instructions on locals.
func (b *body) local(c byte) {
	local := b.index("local", b.locals)
	if !b.live || b.err != nil {
		return
	}
	if c == opLocalGet {
		b.getLocal(local)
		return
	}
	b.setLocal(local)
	if c == opLocalSet && b.err == nil {
		b.operands = b.operands[:len(b.operands)-1]
	}
}

// push opens a frame.
func (b *body) push(f frame) {
	if len(b.frames) > b.m.lim.Nesting {
		b.limit(b.pos, "nested blocks", uint64(len(b.frames)), b.m.lim.Nesting)
		return
	}
	f.out = int32(len(b.frames))
	f.base = int32(len(b.operands)) - int32(f.params.n)
	f.entry, f.before = b.cur, b.unseen
	b.frames = append(b.frames, f)
}

// open begins a block, loop or if.
func (b *body) open(at int, kind byte) {
	f := frame{kind: kind, dead: !b.live}
	f.params, f.results = b.blockType()
	if b.err != nil {
		return
	}
	if f.dead {
		b.push(frame{kind: kind, dead: true})
		return
	}
	b.burden(at, f.params.n+f.results.n)
	if kind == opIf {
		b.pop(1)
	}
	if b.err != nil || !b.has(f.params.n) {
		return
	}
	b.see(f.params.n)
	b.push(f)
	b.saveState()
	if kind != opBlock && b.err == nil {
		b.newRun()
		b.frames[len(b.frames)-1].inner = b.cur
		if kind == opLoop {
			b.unseen = unseen{} // checked, or looked at
		}
	}
}

// blockType reads the type of a block.
func (b *body) blockType() (params, results types) {
	at := b.pos
	if at < b.end {
		switch c := b.b[at]; {
		case c == blockEmpty:
			b.pos++
			return types{}, types{}
		case c > blockEmpty && c < 0x80:
			b.valueType()
			return types{}, types{at, 1}
		}
	}
	t := b.signed(33)
	if b.err == nil && (t < 0 || t >= int64(len(b.m.types))) {
		b.malformed(at, "unknown type %d of %d", t, len(b.m.types))
	}
	if b.err != nil {
		return types{}, types{}
	}
	return b.m.types[t].takes(), b.m.types[t].gives()
}

// otherwise handles else.
func (b *body) otherwise(at int) {
	f := &b.frames[len(b.frames)-1]
	if f.kind != opIf {
		b.malformed(at, "function %d: else without if", b.fn)
		return
	}
	f.kind = opElse
	if f.dead {
		return
	}
	b.settle(f)
	b.elseState(len(b.frames) - 1)
	f.thenLive, f.inner = b.live, b.cur
	if b.live {
		f.around = f.around.join(b.unseen)
	}
	b.unseen = f.before
	b.operands = b.operands[:f.base]
	b.pushCopies(f.params)
	b.live = true
	b.newRun()
}

// settle checks that a live block ends with its results on the stack.
func (b *body) settle(f *frame) {
	if !b.live || b.err != nil {
		return
	}
	if len(b.operands) != int(f.base)+f.results.n {
		b.malformed(b.pos, "function %d: a block ends with %d operands, want %d",
			b.fn, len(b.operands)-int(f.base), f.results.n)
		return
	}
	b.see(f.results.n)
}

// close handles end.
func (b *body) close(at int) {
	own := int32(len(b.frames) - 1)
	if b.frames[own].dead {
		b.frames = b.frames[:own]
		return
	}
	b.endState(int(own))
	f := b.frames[own]
	b.settle(&f)
	if b.err != nil {
		return
	}
	b.frames = b.frames[:own]
	if own == 0 {
		return
	}
	if f.kind != opLoop {
		if b.live {
			f.around = f.around.join(b.unseen)
		}
		if f.kind == opIf {
			f.around = f.around.join(f.before)
		}
		b.unseen = f.around
	}
	whole := f.out >= own && !f.barrier // all ways lead to this end
	switch f.kind {
	case opLoop:
		b.endLoop(&f)
	case opBlock:
		if f.targeted {
			b.join(&f, whole)
		}
	case opIf:
		if f.params.n != f.results.n {
			b.malformed(at, "function %d: if without else changes the stack", b.fn)
			return
		}
		b.join(&f, whole)
	case opElse:
		switch {
		case !f.targeted && !f.thenLive:
			// The second arm alone goes on, if that.
		case !f.targeted && !b.live:
			b.cur, b.live = f.inner, true
		default:
			b.join(&f, whole)
		}
	}
	parent := &b.frames[own-1]
	parent.barrier = parent.barrier || f.barrier
	parent.out = min(parent.out, f.out)
	b.operands = b.operands[:f.base]
	if b.live {
		b.pushCopies(f.results)
	}
}

// join goes on behind an end that several ways lead to.
func (b *body) join(f *frame, whole bool) {
	b.live = true
	if whole {
		b.cur = f.entry
		return
	}
	b.newRun()
}

// endLoop decides what a loop was: one that nothing goes back to is a block,
// and what it does belongs to the run before it.
func (b *body) endLoop(f *frame) {
	if f.targeted {
		r := &b.runs[f.inner]
		r.check = true
		r.fresh = r.fresh || r.cost > longLoop
		b.loops = true
		f.barrier = true
		return
	}
	if f.inner == f.entry {
		return // nobody keeps runs
	}
	b.runs[f.entry].cost += b.runs[f.inner].cost
	b.runs[f.inner].void, b.runs[f.inner].look, b.looks = true, true, true
	if b.cur == f.inner {
		b.cur = f.entry
	}
}

// die notes that nothing reaches the next instruction.
func (b *body) die() {
	b.live = false
	b.operands = b.operands[:b.frames[len(b.frames)-1].base]
}

// label reads a branch's target and returns the frame's index.
func (b *body) label() int {
	at := b.pos
	l := b.u32()
	if b.err == nil && int64(l) >= int64(len(b.frames)) {
		b.malformed(at, "function %d: branch out of %d blocks, from %d", b.fn, l+1, len(b.frames))
	}
	if b.err != nil {
		return 0
	}
	return len(b.frames) - 1 - int(l)
}

// branch notes a live branch to a frame.
func (b *body) branch(target int) {
	if b.err != nil {
		return
	}
	f := &b.frames[target]
	f.targeted = true
	top := &b.frames[len(b.frames)-1]
	top.out = min(top.out, int32(target))
	f.around = f.around.join(b.unseen)
	b.joinState(target, b.state)
	if n := f.arity(); b.has(n) {
		b.see(n)
	}
}

// branchTable handles br_table.
func (b *body) branchTable(at int) {
	n := b.count("br_table entries", 1, b.m.lim.Targets)
	b.moduleTargets += n
	if b.err == nil && b.moduleTargets > b.m.lim.ModuleTargets {
		b.limit(at, "br_table entries of all functions", uint64(b.moduleTargets), b.m.lim.ModuleTargets)
	}
	if b.live && b.err == nil {
		b.pop(1)
	}
	for i := 0; i <= n && b.err == nil; i++ {
		t := b.label()
		if b.live {
			b.branch(t)
		}
	}
	if b.live && b.err == nil {
		b.die()
	}
}

// call handles a call of a function of type t, which may be imported.
func (b *body) call(at int, t funcType, imported bool) {
	if !b.live || b.err != nil {
		return
	}
	if !imported {
		b.edit(edit{at: at, kind: editDepth})
	}
	b.burden(at, int(t.nresults)+b.m.mutableGlobals)
	b.pop(int(t.nparams))
	b.pushCopies(t.gives())
	b.calls = true
	b.called(imported)
	b.frames[len(b.frames)-1].barrier = true
	b.newRun()
	b.runs[b.cur].fresh = true
}

// sizedOp handles the operations on segments, memory and tables, of which most
// are paid by size.
func (b *body) sizedOp(at int, sub uint32) {
	if b.live {
		b.runs[b.cur].cost++
		b.spend(at, slowOther)
	}
	pop, push := 3, 0
	var t uint32
	active := -1 // the data segment, when it is dropped from the beginning
	switch sub {
	case miscMemoryInit:
		if s := b.u32(); uint64(s) < uint64(len(b.m.actives)) && b.m.actives[s] {
			active = int(s)
		}
		b.zero(at)
	case miscDataDrop, miscElemDrop:
		b.u32()
		pop = 0
	case miscMemoryCopy:
		b.zero(at)
		b.zero(at)
	case miscMemoryFill:
		b.zero(at)
	case miscTableInit:
		b.u32()
		b.index("table", len(b.m.tables))
	case miscTableCopy:
		b.index("table", len(b.m.tables))
		b.index("table", len(b.m.tables))
	case miscTableGrow:
		t = b.index("table", len(b.m.tables))
		pop, push = 2, 1
	case miscTableSize:
		b.index("table", len(b.m.tables))
		pop, push = 0, 1
	case miscTableFill:
		b.index("table", len(b.m.tables))
	}
	if !b.live || b.err != nil {
		return
	}
	if pop > 0 {
		e := edit{at: at, kind: editSize}
		if sub == miscTableGrow {
			e.kind, e.arg = editTableGrow, int(t)
		}
		b.edit(e)
		b.sized = true
		b.unseen = unseen{all: bulkUnseen} // it was checked
	}
	if sub == miscMemoryFill || sub == miscMemoryCopy {
		b.edit(edit{at: at, kind: editBulk, arg: int(sub), length: uint8(b.pos - at)})
		b.fills, b.copies = b.fills || sub == miscMemoryFill, b.copies || sub == miscMemoryCopy
	}
	if active >= 0 {
		b.edit(edit{at: at, kind: editDrop, arg: active})
	}
	b.pop(pop)
	if push > 0 {
		b.pushValue(copied, 0)
	}
}
