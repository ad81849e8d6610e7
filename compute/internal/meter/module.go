package meter

import (
	"bytes"
	"strings"
)

// module is a decoded module: what the rewriter and the host need of it. The
// rest stays in raw and is copied from there.
type module struct {
	raw      []byte
	lim      Limits
	sections [sectionCount]section

	types     []funcType
	functions []uint32 // type indices, imports first
	imported  int      // how many functions are imported
	globals   []global // imports first
	tables    []table  // imports first
	memories  []memory // imports first, one at most
	start     int      // function index, -1 for none
	imports   []Import
	exports   []Export

	importedGlobals, importedTables, mutableGlobals int
	elements                                        int // entries so far

	stack    []uint32 // of a constant expression
	actives  []bool   // by data segment: it is dropped as soon as it is written to memory
	declared []bool   // by function, if there are any: ref.func in code may name it
}

// section is where a section's content stands; at is 0 when it is absent.
type section struct{ at, end int }

// The sections, in the numbers of the binary format.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	sectionCount
)

// order is where each section stands among the others: the data count comes
// before the code.
var order = [sectionCount]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10}

var sectionNames = [sectionCount]string{"custom", "type", "import", "function", "table", "memory",
	"global", "export", "start", "element", "code", "data", "data count"}

// funcType is a function type whose value types stay in the module's bytes.
type funcType struct {
	params, results   uint32 // where they stand
	nparams, nresults uint16
}

// types are a few value types in a row, where they stand.
type types struct{ at, n int }

func (t funcType) takes() types { return types{int(t.params), int(t.nparams)} }
func (t funcType) gives() types { return types{int(t.results), int(t.nresults)} }

type global struct {
	typ     ValueType
	mutable bool
}

type table struct {
	typ      ValueType
	min, max uint32
	hasMax   bool
}

type memory struct {
	min, max uint32
	hasMax   bool
	imported bool
	at       int // where its type stands
}

var (
	magic     = []byte("\x00asm\x01\x00\x00\x00")
	component = []byte("\x00asm\x0d\x00\x01\x00") // of the component model
)

// decode reads everything but the function bodies.
func decode(raw []byte, lim Limits) (*module, *Error) {
	m := &module{raw: raw, lim: lim.orDefault(), start: -1}
	if len(raw) > m.lim.ModuleBytes {
		r := reader{b: raw}
		r.limit(m.lim.ModuleBytes, "module bytes", uint64(len(raw)), m.lim.ModuleBytes)
		return nil, r.err
	}
	r := &reader{b: raw, end: len(raw)}
	if !bytes.HasPrefix(raw, magic) {
		if bytes.HasPrefix(raw, component) {
			r.unsupported(4, "a component (layer 1), not a core module")
		} else if bytes.HasPrefix(raw, magic[:4]) && len(raw) >= 8 {
			r.unsupported(4, "version % x, not a core module of version 1", raw[4:8])
		} else {
			r.malformed(0, "not WebAssembly: want the bytes % x first", magic)
		}
		return nil, r.err
	}
	r.pos = len(magic)
	last := 0
	for r.pos < r.end && r.err == nil {
		at := r.pos
		id := int(r.byte())
		size := r.count("section size", 1, len(raw))
		if r.err != nil {
			break
		}
		if id == 13 {
			r.unsupported(at, "tag section (%s)", exceptions)
			break
		}
		if id >= sectionCount {
			r.malformed(at, "unknown section %d", id)
			break
		}
		body := &reader{b: raw, pos: r.pos, end: r.pos + size}
		if id != secCustom {
			if order[id] <= last {
				r.malformed(at, "%s section out of order", sectionNames[id])
				break
			}
			last = order[id]
			m.sections[id] = section{body.pos, body.end}
		}
		m.section(id, body)
		if body.err == nil && body.pos != body.end {
			body.malformed(body.pos, "%s section: %d bytes left over", sectionNames[id], body.end-body.pos)
		}
		if body.err != nil {
			return nil, body.err
		}
		r.pos = body.end
	}
	if r.err == nil {
		m.finish(r)
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// finish checks what only the whole module can tell.
func (m *module) finish(r *reader) {
	if code := m.sections[secCode]; code.at == 0 && m.defined() > 0 {
		r.malformed(r.end, "%d functions without code", m.defined())
	}
}

// declare notes that ref.func in code may name a function: it is exported, or
// stands in a segment or a global.
func (m *module) declare(function uint32) {
	if m.declared == nil {
		m.declared = make([]bool, len(m.functions))
	}
	if int(function) < len(m.declared) {
		m.declared[function] = true
	}
}

// defined is the number of functions the module defines itself.
func (m *module) defined() int { return len(m.functions) - m.imported }

// section reads one section.
func (m *module) section(id int, r *reader) {
	switch id {
	case secCustom:
		r.name("custom section name")
		r.pos = r.end
	case secType:
		m.typeSection(r)
	case secImport:
		m.importSection(r)
	case secFunction:
		m.functionSection(r)
	case secTable:
		n := r.count("tables", 3, m.lim.Tables-len(m.tables))
		for i := 0; i < n && r.err == nil; i++ {
			m.tables = append(m.tables, m.table(r))
		}
	case secMemory:
		m.memorySection(r)
	case secGlobal:
		m.globalSection(r)
	case secExport:
		m.exportSection(r)
	case secStart:
		m.startSection(r)
	case secElement:
		m.elementSection(r)
	case secCode:
		m.codeSection(r)
	case secData:
		m.dataSection(r)
	case secDataCount:
		r.u32()
	}
}

func (m *module) startSection(r *reader) {
	at := r.pos
	m.start = int(r.index("function", len(m.functions)))
	if r.err != nil {
		return
	}
	if t := m.types[m.functions[m.start]]; t.nparams > 0 || t.nresults > 0 {
		r.malformed(at, "start function with parameters or results")
	}
}

func (m *module) typeSection(r *reader) {
	n := r.count("types", 3, m.lim.Types)
	m.types = make([]funcType, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		at := r.pos
		if form := r.byte(); r.err == nil && form != 0x60 {
			r.unsupported(at, "type form 0x%02x, not a function type (%s)", form, strangeType(form))
		}
		var t funcType
		t.nparams, t.params = m.valueTypes(r, "parameters")
		t.nresults, t.results = m.valueTypes(r, "results")
		m.types = append(m.types, t)
	}
}

// valueTypes passes over a vector of value types.
func (m *module) valueTypes(r *reader, what string) (n uint16, at uint32) {
	count := r.count(what, 1, m.lim.TypeValues)
	at = uint32(r.pos)
	for i := 0; i < count && r.err == nil; i++ {
		r.valueType()
	}
	return uint16(count), at
}

// signature copies a function type out of the module's bytes.
func (m *module) signature(index uint32) *FuncType {
	t := m.types[index]
	return &FuncType{
		Params:  valueTypes(m.raw[t.params : t.params+uint32(t.nparams)]),
		Results: valueTypes(m.raw[t.results : t.results+uint32(t.nresults)]),
	}
}

func valueTypes(b []byte) []ValueType {
	ts := make([]ValueType, len(b))
	for i, c := range b {
		ts[i] = ValueType(c)
	}
	return ts
}

func (m *module) importSection(r *reader) {
	n := r.count("imports", 4, m.lim.Imports)
	for i := 0; i < n && r.err == nil; i++ {
		imp := Import{Offset: r.pos}
		imp.Module = r.name("import module")
		if r.err == nil && strings.HasPrefix(imp.Module, Prefix) {
			r.fail(imp.Offset, ErrReserved, "import from module %q", imp.Module)
		}
		imp.Name = r.name("import name")
		at := r.pos
		imp.Kind = Kind(r.byte())
		switch imp.Kind {
		case KindFunc:
			t := r.index("type", len(m.types))
			if r.err != nil {
				return
			}
			imp.Func = m.signature(t)
			m.functions = append(m.functions, t)
			m.imported++
		case KindTable:
			if len(m.tables) == m.lim.Tables {
				r.limit(at, "tables", uint64(len(m.tables)+1), m.lim.Tables)
				return
			}
			m.tables = append(m.tables, m.table(r))
			m.importedTables++
		case KindMemory:
			if len(m.memories) > 0 {
				r.unsupported(at, "a second memory (%s)", multiMemory)
			}
			mem := m.memory(r)
			mem.imported = true
			m.memories = append(m.memories, mem)
		case KindGlobal:
			m.globals = append(m.globals, m.global(r))
			m.importedGlobals++
		case 4:
			r.unsupported(at, "tag import (%s)", exceptions)
		default:
			r.malformed(at, "import kind 0x%02x", byte(imp.Kind))
		}
		m.imports = append(m.imports, imp)
	}
}

func (m *module) functionSection(r *reader) {
	n := r.count("functions", 1, m.lim.Functions)
	all := make([]uint32, len(m.functions), len(m.functions)+n)
	copy(all, m.functions)
	for i := 0; i < n && r.err == nil; i++ {
		all = append(all, r.index("type", len(m.types)))
	}
	m.functions = all
}

// table reads a table type.
func (m *module) table(r *reader) (t table) {
	at := r.pos
	if r.pos < r.end && r.b[r.pos] == 0x40 {
		r.unsupported(at, "table with an initial value (%s)", references)
		return t
	}
	t.typ = r.refType()
	t.min, t.max, t.hasMax = m.bounds(r, "table", ^uint32(0))
	if r.err == nil && int64(t.min) > int64(m.lim.TableEntries) {
		r.limit(at, "table entries", uint64(t.min), m.lim.TableEntries)
	}
	return t
}

// bounds reads the limits of a table or memory.
func (m *module) bounds(r *reader, what string, most uint32) (min, max uint32, hasMax bool) {
	at := r.pos
	switch flag := r.byte(); flag {
	case 0:
	case 1:
		hasMax = true
	case 2, 3:
		r.unsupported(at, "shared %s (%s)", what, threads)
	case 4, 5, 6, 7:
		r.unsupported(at, "%s of 64-bit indices (%s)", what, memory64)
	case 8, 9, 10, 11, 12, 13, 14, 15:
		r.unsupported(at, "%s of small pages (%s)", what, pageSizes)
	default:
		r.malformed(at, "%s limits 0x%02x", what, flag)
	}
	min = r.u32()
	if hasMax {
		max = r.u32()
	}
	if r.err == nil && (min > most || max > most || hasMax && max < min) {
		r.malformed(at, "%s limits %d to %d", what, min, max)
	}
	return min, max, hasMax
}

func (m *module) memorySection(r *reader) {
	at := r.pos
	n := r.count("memories", 2, len(r.b))
	if n+len(m.memories) > 1 {
		r.unsupported(at, "a second memory (%s)", multiMemory)
	}
	for i := 0; i < n && r.err == nil; i++ {
		m.memories = append(m.memories, m.memory(r))
	}
}

// memory reads a memory type.
func (m *module) memory(r *reader) (mem memory) {
	at := r.pos
	mem.at = at
	mem.min, mem.max, mem.hasMax = m.bounds(r, "memory", maxPages)
	if r.err == nil && int(mem.min) > m.lim.MemoryPages {
		r.limit(at, "memory pages", uint64(mem.min), m.lim.MemoryPages)
	}
	return mem
}

// codeSection passes over the bodies; see body.go for what is in them.
func (m *module) codeSection(r *reader) {
	at := r.pos
	n := r.count("bodies", 1, m.lim.Functions)
	if r.err == nil && n != m.defined() {
		r.malformed(at, "%d bodies for %d functions", n, m.defined())
	}
	for i := 0; i < n && r.err == nil; i++ {
		at := r.pos
		size := r.u32()
		if int64(size) > int64(m.lim.BodyBytes) {
			r.limit(at, "body bytes", uint64(size), m.lim.BodyBytes)
		}
		r.skip(int(size))
	}
}
