//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotHere = errors.New("measured on Linux only")

func cpuTime() time.Duration { return 0 }

func resident() (int64, error) { return 0, errNotHere }

func written() (int64, error) { return 0, errNotHere }

// usage is what a process has used so far.
type usage struct {
	cpu, workers time.Duration
	rss, private int64
	files        int
}

func usageOf(int) (usage, error) { return usage{}, errNotHere }
