// Package meter makes WebAssembly modules count what they do. Wazero has no
// fuel, so the counting is written into the module's own bytecode before any
// engine sees it, and every engine arrives at the same number.
//
// [Admit] reads a module's raw bytes and refuses, with a name and a byte
// offset, what would hurt whoever compiles it. [Rewrite] does the same and
// returns a [Module]: the guest's code with the meter in it. Both are pure
// functions of their arguments and may be called at once from many goroutines.
//
// # What the host does
//
// A metered module has no start section and exports, beside the guest's own
// names, a few that begin with [Prefix]; a guest that uses the prefix itself is
// refused. All are zero after instantiation, so a module whose limit nobody
// sets stops at once.
//
//	instantiate (without calling _start), then
//	Limit    = the job's fuel     may be lowered at any moment, also while
//	                              the guest runs: it stops at its next check
//	MaxDepth = the job's depth    in frames, weighted: see body.weight
//	for each call from the host into the guest (Start first, when not empty):
//	    Depth, Status = 0, 0
//	    call
//	    read Status, Fuel and the memory's size (its peak: it never shrinks)
//
// When a call ends in a trap, Status tells ours from the guest's. Fuel counts
// up and never wraps. It may end above Limit by what lies between two checks
// or looks (look.go), under 12 M at a depth of 4,096, or by the price of one
// operation paid by size, which is not done then. Whatever the way a call
// ended, if Fuel is above the job's own limit, the end is "out of fuel" and the
// bill is the limit. Host functions read Fuel, add their price, and end the
// guest when the sum is above Limit; at a host call the counter is exact,
// nothing is paid ahead.
//
// Where nobody can write Limit while the guest runs, as in a browser, whose
// globals belong to one thread, Options.Hold gives a second form: a check or look
// that fails calls the host, which raises Limit and returns, or throws. Its fuel,
// its checks and its ends are those of the first form.
//
// # Tariff 1
//
// wasmtime's default costs: nop, drop, block, loop, unreachable, return, else
// and end are free, every other instruction costs 1, a tail call too, entering a
// function costs 1. memory.copy, fill and init cost 1 more a byte, table.copy, fill, init and
// grow 1 more an element, memory.grow 65,536 more a page; they are paid and
// checked before they run, and a grow that cannot fit pays only its 1.
// Where payments and checks stand is part of the tariff: see run.go, and tail.go
// for what a tail call does to the depth. docs/TARIFF.md has all of it.
//
// # What is known
//
// WebAssembly 2.0, tail calls and extended constant expressions. Everything else
// is refused by the name of its proposal.
//
// # Caveats
//
// Rewrite checks indices and structure, so that a guest cannot name what was
// appended, but leaves types to the engine's validator: an ill-typed module
// comes out ill-typed. Custom sections, names among them, are dropped.
package meter
