//go:build !unix

package state

// syncDir does nothing where folders cannot be synced.
func syncDir(string) error { return nil }
