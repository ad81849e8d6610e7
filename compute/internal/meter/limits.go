package meter

// Limits bound what a module may declare, so that neither reading nor compiling
// it can hurt. Zero fields mean the default that each names.
type Limits struct {
	ModuleBytes    int // the whole module: 64 MiB
	Functions      int // functions it defines: 100,000
	BodyBytes      int // one function's body: 1 MiB
	FunctionLocals int // locals of one function, its parameters among them: 49,991
	ModuleLocals   int // locals of all functions: 1,000,000
	Nesting        int // blocks within blocks: 8,192
	Operands       int // values on one function's operand stack at once: 50,000
	Targets        int // entries of one br_table: 8,192
	ModuleTargets  int // entries of all br_tables: 1,000,000
	Types          int // function types: 100,000
	TypeValues     int // parameters, and as many results, of one type: 1,000
	Imports        int // 10,000
	Exports        int // 10,000
	Globals        int // 10,000
	References     int // functions that ref.func names in code: 10,000
	Tables         int // 4
	TableEntries   int // of one table, now or ever: 100,000
	Segments       int // element segments, and as many data segments: 100,000
	Elements       int // entries of all element segments: 1,000,000
	MemoryPages    int // pages of 64 KiB the memory may begin with: 65,536
	// Work bounds what the code makes a compiler do beyond its bytes: each call
	// counts the results it makes and the mutable globals it may have changed,
	// each block its parameters and results: 100,000,000.
	Work int
}

// orDefault fills the zero fields.
func (l Limits) orDefault() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.ModuleBytes, 64 << 20},
		{&l.Functions, 100_000},
		{&l.BodyBytes, 1 << 20},
		{&l.FunctionLocals, engineLocals - maxExtras},
		{&l.ModuleLocals, 1_000_000},
		{&l.Nesting, 8192},
		{&l.Operands, 50_000},
		{&l.Targets, 8192},
		{&l.ModuleTargets, 1_000_000},
		{&l.Types, 100_000},
		{&l.TypeValues, 1000},
		{&l.Imports, 10_000},
		{&l.Exports, 10_000},
		{&l.Globals, 10_000},
		{&l.References, 10_000},
		{&l.Tables, 4},
		{&l.TableEntries, 100_000},
		{&l.Segments, 100_000},
		{&l.Elements, 1_000_000},
		{&l.MemoryPages, maxPages},
		{&l.Work, 100_000_000},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// engineLocals is how many locals, parameters among them, a function may have in
// any engine: V8 and wazero take no more than 50,000.
const engineLocals = 50_000

// maxPages is all of a 32-bit memory.
const maxPages = 1 << 16
