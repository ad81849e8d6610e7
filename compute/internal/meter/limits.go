package meter

// Limits bound what a module may declare, so that neither reading nor compiling
// it can hurt. Zero fields mean the default that each names.
type Limits struct {
	ModuleBytes    int    // the whole module: 64 MiB
	Functions      int    // functions it defines: 100,000
	BodyBytes      int    // one function's body: 1 MiB
	FunctionLocals int    // locals of one function, its parameters among them: 50,000
	ModuleLocals   int    // locals of all functions: 1,000,000
	Nesting        int    // blocks within blocks: 8,192
	Operands       int    // operand values at once in one function: 50,000
	Targets        int    // entries of one br_table: 8,192
	ModuleTargets  int    // entries of all br_tables: 1,000,000
	Types          int    // function types: 100,000
	TypeValues     int    // parameters or results of one function type: 1,000
	Imports        int    // 10,000
	Exports        int    // 100,000
	Globals        int    // 10,000
	Tables         int    // 4
	TableEntries   uint32 // of one table, now or later: 100,000
	Elements       int    // entries of all element segments: 1,000,000
	Segments       int    // data and element segments, each: 100,000
	MemoryPages    uint32 // pages of 64 KiB it may ask for at its start: 65,536
	// Work bounds what code makes a compiler do beyond its bytes: for each
	// call, the mutable globals it reloads and the results it makes, and for
	// each block its results: 100,000,000.
	Work int
}
