//go:build !linux

package compute

func probe(string) {}

func kernelHas(string) bool { return false }
