//go:build race

package compute

// With the race detector a process maps far more memory than a worker may have,
// and takes about ten times as long.
const (
	raceEnabled = true
	slowdown    = 10
)
