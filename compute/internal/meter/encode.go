package meter

// rewriter assembles a metered module.
type rewriter struct {
	m *module
	writer
	code       []byte            // the new code section's entries
	extraTypes []byte            // function types appended
	types      int               // all of them
	blocks     map[string][]byte // block types by results, as they stand in code
	functions  []byte            // types of the functions appended
	appended   int               // how many they are
	helpers    []helper          // what they will be
	startIndex int               // of the one that calls the guest's start function
	references []uint32          // functions to make a reference of
	pages      int               // the job's limit
}

// indices gives what is appended its place behind the guest's own.
func (w *rewriter) indices() {
	n := uint32(len(w.m.globals))
	w.fuel, w.limit, w.depth, w.maxDepth, w.status = n, n+1, n+2, n+3, n+4
	w.reference = n + uint32(len(meterGlobals))
	w.types = len(w.m.types)
	w.blocks = map[string][]byte{}
}

// blockType returns the type of a block that takes nothing and gives what
// functions of type t give, appending one to the module's types if need be.
func (w *rewriter) blockType(t funcType) []byte {
	results := w.m.raw[t.results : t.results+uint32(t.nresults)]
	if short, ok := blockResults(results); ok {
		return short
	}
	if long, ok := w.blocks[string(results)]; ok {
		return long
	}
	long := typeIndex(w.appendType(nil, results))
	w.blocks[string(results)] = long
	return long
}

// appendType adds a function type and returns its index.
func (w *rewriter) appendType(params, results []byte) int {
	t := writer{out: w.extraTypes}
	t.byte(0x60)
	t.u32(uint32(len(params)))
	t.bytes(params)
	t.u32(uint32(len(results)))
	t.bytes(results)
	w.extraTypes = t.out
	w.types++
	return w.types - 1
}

// bodies meters every function.
func (w *rewriter) bodies() *Error {
	b := body{m: w.m, record: true}
	s := w.m.sections[secCode]
	b.reader = reader{b: w.m.raw, pos: s.at, end: s.end}
	out := w.writer
	out.out = make([]byte, 0, (s.end-s.at)*3/2)
	if s.at > 0 {
		b.u32()
	}
	for i := w.m.imported; i < len(w.m.functions) && b.err == nil; i++ {
		b.function(i)
		if b.err == nil {
			w.emit(&b, &out)
		}
	}
	if b.err != nil {
		return b.err
	}
	w.code, w.references = out.out, b.references
	w.appendHelpers()
	return nil
}

// emit writes the function that b has read.
func (w *rewriter) emit(b *body, out *writer) {
	for _, n := range []struct {
		called bool
		helper helper
		index  *uint32
	}{{b.grows, helperGrow, &out.grow}, {b.fills, helperFill, &out.fill}, {b.copies, helperCopy, &out.copy}} {
		if n.called && *n.index == 0 {
			*n.index = w.need(n.helper)
		}
	}
	if (b.fills || b.copies) && out.bulkType == nil {
		out.bulkType = typeIndex(w.appendType(bulkParams, nil))
	}
	b.emit(out, w.blockType(b.sig))
}

// helper is a function of ours.
type helper uint8

const (
	helperGrow  helper = iota // memory.grow
	helperFill                // a long memory.fill
	helperCopy                // a long memory.copy
	helperStart               // calls the guest's start function
	helperHold                // asks the host at a check
)

var bulkParams = []byte{byte(I32), byte(I32), byte(I32)}

// need gives a helper its index. No index is 0: some function calls it.
func (w *rewriter) need(h helper) uint32 {
	w.helpers = append(w.helpers, h)
	return uint32(len(w.m.functions) + len(w.helpers) - 1)
}

// appendHelpers writes the functions that the metered code and the host call.
func (w *rewriter) appendHelpers() {
	if w.m.start >= 0 {
		// Of its own and not the guest's function: an export would make that
		// one fit for ref.func.
		w.startIndex = int(w.need(helperStart))
	}
	for _, h := range w.helpers {
		switch h {
		case helperGrow:
			most, own := w.maxPages()
			w.function([]byte{byte(I32)}, []byte{byte(I32)}, w.growBody(most, own))
		case helperFill:
			w.function(bulkParams, nil, w.bulkBody(instructionFill, false))
		case helperCopy:
			w.function(bulkParams, nil, w.bulkBody(instructionCopy, true))
		case helperStart:
			w.function(nil, nil, w.startBody(uint32(w.m.start)))
		case helperHold:
			typ := w.appendType(nil, nil)
			w.function(nil, nil, w.holdBody(uint32(typ), uint32(len(w.m.tables))))
		}
	}
}

// function appends a function and returns its index.
func (w *rewriter) function(params, results, body []byte) int {
	f := writer{out: w.functions}
	f.u32(uint32(w.appendType(params, results)))
	w.functions = f.out
	c := writer{out: w.code}
	c.u32(uint32(len(body)))
	c.bytes(body)
	w.code = c.out
	w.appended++
	return len(w.m.functions) + w.appended - 1
}

// maxPages is how far the guest's memory may grow, and whether it is its own.
func (w *rewriter) maxPages() (most uint32, own bool) {
	if len(w.m.memories) == 0 {
		return 0, false
	}
	mem := w.m.memories[0]
	most, own = maxPages, !mem.imported
	if own {
		most = uint32(w.pages)
	}
	if mem.hasMax {
		most = min(most, mem.max)
	}
	return most, own
}

// section writes a section, if there is anything to write: count entries, of
// which the first stand in the guest's own section and the last in extra.
func (w *rewriter) section(id, count int, own, extra []byte) {
	if count == 0 {
		return
	}
	var n writer
	n.u32(uint32(count))
	w.byte(byte(id))
	w.u32(uint32(len(n.out) + len(own) + len(extra)))
	w.bytes(n.out)
	w.bytes(own)
	w.bytes(extra)
}

// entries returns the entries of one of the guest's sections that is a vector,
// and how many they are.
func (w *rewriter) entries(id int) (int, []byte) {
	s := w.m.sections[id]
	if s.at == 0 {
		return 0, nil
	}
	r := reader{b: w.m.raw, pos: s.at, end: s.end}
	n := r.u32()
	return int(n), w.m.raw[r.pos:s.end]
}

// keep writes one of the guest's sections as it is.
func (w *rewriter) keep(id int) {
	s := w.m.sections[id]
	if s.at == 0 {
		return
	}
	w.byte(byte(id))
	w.u32(uint32(s.end - s.at))
	w.bytes(w.m.raw[s.at:s.end])
}

// extend writes one of the guest's sections with n more entries.
func (w *rewriter) extend(id, n int, extra []byte) {
	count, own := w.entries(id)
	w.section(id, count+n, own, extra)
}

// assemble writes the module.
func (w *rewriter) assemble() {
	m := w.m
	var exports writer
	w.out = make([]byte, 0, len(m.raw)+len(w.code)+1024)
	w.bytes(magic)
	w.extend(secType, w.types-len(m.types), w.extraTypes)
	w.keep(secImport)
	w.extend(secFunction, w.appended, w.functions)
	w.tables()
	w.memory()
	w.globals()
	count := w.exports(&exports)
	w.extend(secExport, count, exports.out)
	w.keep(secElement)
	w.keep(secDataCount)
	w.section(secCode, m.defined()+w.appended, nil, w.code)
	w.keep(secData)
}

// tables writes the tables, each with a maximum.
func (w *rewriter) tables() {
	own := w.m.tables[w.m.importedTables:]
	var t writer
	for i := range own {
		t.byte(byte(own[i].typ))
		t.byte(1)
		t.u32(own[i].min)
		t.u32(w.m.tableMax(w.m.importedTables + i))
	}
	n := len(own)
	if w.hold > 0 {
		t.bytes([]byte{byte(FuncRef), 1, 1, 1})
		n++
	}
	w.section(secTable, n, nil, t.out)
}

// memory writes the memory with its maximum.
func (w *rewriter) memory() {
	most, own := w.maxPages()
	if !own {
		return
	}
	var t writer
	t.byte(1)
	t.u32(w.m.memories[0].min)
	t.u32(most)
	w.section(secMemory, 1, nil, t.out)
}

// meterGlobals are the globals appended that the host uses, in the order of their
// indices.
var meterGlobals = []struct {
	name string
	typ  ValueType
}{
	{ExportFuel, I64}, {ExportLimit, I64}, {ExportDepth, I32}, {ExportMaxDepth, I32}, {ExportStatus, I32},
}

// globals writes the globals, the meter's behind the guest's.
func (w *rewriter) globals() {
	var t writer
	for _, g := range meterGlobals {
		c := byte(opI32Const)
		if g.typ == I64 {
			c = opI64Const
		}
		t.bytes([]byte{byte(g.typ), 1, c, 0, opEnd})
	}
	for _, f := range w.references {
		t.bytes([]byte{byte(FuncRef), 0})
		t.op(opRefFunc, f)
		t.byte(opEnd)
	}
	w.extend(secGlobal, len(meterGlobals)+len(w.references), t.out)
}

// exports writes the meter's exports and returns how many they are.
func (w *rewriter) exports(t *writer) int {
	export := func(name string, kind Kind, index int) {
		t.name(name)
		t.byte(byte(kind))
		t.u32(uint32(index))
	}
	n := len(meterGlobals)
	for i, g := range meterGlobals {
		export(g.name, KindGlobal, len(w.m.globals)+i)
	}
	if len(w.m.memories) > 0 {
		export(ExportMemory, KindMemory, 0)
		n++
	}
	if w.m.start >= 0 {
		export(ExportStart, KindFunc, w.startIndex)
		n++
	}
	if w.hold > 0 {
		export(ExportHold, KindTable, len(w.m.tables))
		n++
	}
	return n
}
