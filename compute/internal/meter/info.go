package meter

import "fmt"

// Info is what the host needs to know about a module before it runs it.
type Info struct {
	Imports []Import
	Exports []Export
	// Memory is the guest's memory, nil when it has none.
	Memory *Memory
	// HasStart tells whether the guest has a start function.
	HasStart bool
	// Functions is the number of functions the module defines.
	Functions int
	// CodeBytes is the size of its code section.
	CodeBytes int
}

// info gathers what the host needs to know.
func (m *module) info() Info {
	i := Info{
		Imports:   m.imports,
		Exports:   m.exports,
		HasStart:  m.start >= 0,
		Functions: m.defined(),
		CodeBytes: m.sections[secCode].end - m.sections[secCode].at,
	}
	if len(m.memories) > 0 {
		mem := m.memories[0]
		i.Memory = &Memory{Min: mem.min, Max: mem.max, HasMax: mem.hasMax, Imported: mem.imported}
	}
	return i
}

// Import is one thing the guest wants from the host.
type Import struct {
	Module, Name string
	Kind         Kind
	Func         *FuncType // for KindFunc, otherwise nil
	Offset       int       // where the import stands in the module, for error messages
}

// Export is one thing the guest offers.
type Export struct {
	Name string
	Kind Kind
	Func *FuncType // for KindFunc, otherwise nil
}

// Memory is the guest's memory in pages of 64 KiB.
type Memory struct {
	Min, Max uint32
	HasMax   bool // Max is the guest's own
	Imported bool
}

// FuncType is the signature of a function.
type FuncType struct {
	Params, Results []ValueType
}

// Kind is the kind of an import or export.
type Kind byte

// The kinds, in the numbers of the binary format.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
)

func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "func"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return fmt.Sprintf("kind(%d)", byte(k))
}

// ValueType is the type of a value, in the numbers of the binary format.
type ValueType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("type(0x%02x)", byte(t))
}
