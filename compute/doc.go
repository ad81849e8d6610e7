// Package compute runs WebAssembly programs so that the bill can be recomputed.
//
// A [Job] is a pure function of its bytes: module, arguments, environment,
// standard input, input files, limits, seed and the start of its clock. An
// [Engine] runs it and gives a [Result] and its fuel; every honest engine gives
// the same of both, to the unit. A [Receipt] is the signed statement of what was
// done. It never says what it cost: that is the market's business.
//
// A guest sees only the world of internal/wasi: WASI preview 1 over a tree of
// files in memory, a virtual clock and a seeded stream of random bytes. It pays
// for what it executes through code that internal/meter writes into it.
//
// # Commands and reactors
//
// A command is a program: its _start runs once. A reactor is a library: the
// job's Entry names one of its functions, which takes the bytes of Stdin and
// returns bytes, appended to Stdout. The reactor's malloc gives room for the
// input; PROTOCOL has the steps.
//
// # Processes
//
// A guest without calls stalls Go's garbage collector for its whole run, so
// guests do not run in the caller's process but in a child of the same binary.
// A program (and a TestMain) that uses an Engine therefore begins with
//
//	if compute.IsWorker() {
//		os.Exit(compute.Worker())
//	}
//
// A child serves jobs of one tenant, one module and the same limits, one after
// the other. Each has an instance and a world of its own: nothing of one guest,
// neither memory nor a lowered limit, is there when the next one starts. A guest
// that got out of its engine would meet its own buyer's jobs alone.
//
// On Linux a child has walls: resource limits, no capabilities, Landlock and
// seccomp; [Engine.Walls] tells which of them stand.
//
// # Caveats
//
// Fuel is prices by convention (tariff 1), not time. A guest that hits its
// process's walls, for example because the engine itself fails, is an error of
// Run and never a Result.
package compute
