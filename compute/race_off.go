//go:build !race

package compute

const (
	raceEnabled = false
	slowdown    = 1
)
