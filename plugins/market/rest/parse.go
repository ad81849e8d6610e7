package rest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// parsePower reads what "pmset -g batt" writes: its first line says where power
// is drawn from.
func parsePower(out []byte) (battery bool, err error) {
	line, _, _ := bytes.Cut(out, []byte{'\n'})
	switch {
	case bytes.Contains(line, []byte("'Battery Power'")):
		return true, nil
	case bytes.Contains(line, []byte("'AC Power'")), bytes.Contains(line, []byte("'UPS Power'")):
		return false, nil
	}
	return false, fmt.Errorf("%w what it runs on: pmset says %.60q", ErrUnknown, line)
}

var idleTime = regexp.MustCompile(`"HIDIdleTime" = (\d+)`)

// parseInput reads from what ioreg writes of IOHIDSystem how long ago the last
// input was; it is there in nanoseconds.
func parseInput(out []byte) (time.Duration, error) {
	found := idleTime.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("%w who is at it: ioreg has no HIDIdleTime", ErrUnknown)
	}
	ns, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w who is at it: %w", ErrUnknown, err)
	}
	return time.Duration(ns), nil
}
