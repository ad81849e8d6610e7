//go:build !linux

package compute

func probe(string) {}
