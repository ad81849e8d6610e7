//go:build race

package meter

// raceEnabled leaves out what the race detector makes a hundred times slower and
// has nothing to find in: long runs in the interpreter.
const raceEnabled = true
