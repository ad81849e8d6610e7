package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryOf is what the machine has, and what it could give without swapping.
func memoryOf() (total, free uint64) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	of := func(key string) uint64 {
		_, rest, _ := strings.Cut(string(b), key)
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
		n, _ := strconv.ParseUint(number, 10, 54) // 0 is unknown
		return n << 10
	}
	return of("MemTotal:"), of("MemAvailable:")
}

// diskOf is what is free where dir is, or will be.
func diskOf(dir folder) uint64 {
	for path := string(dir); ; path = filepath.Dir(path) {
		var s unix.Statfs_t
		if err := unix.Statfs(path, &s); err == nil {
			return s.Bavail * uint64(s.Bsize)
		}
		if path == filepath.Dir(path) {
			return 0
		}
	}
}

// clockSet asks the kernel whether something keeps its clock right.
func clockSet() string {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return "unknown"
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return "no"
	}
	return "yes"
}
