//go:build !unix

package compute

// ranOutOfTime tells whether a process died of its limit of processor time, which
// this system does not have.
func ranOutOfTime(error) bool { return false }

// endedItself tells whether a process died of what it did, as far as this system
// tells who ends one.
func endedItself(error) bool { return false }
