package rest

import (
	"context"
	"fmt"
	"os/exec"
)

// This is the machine that the program runs on, as pmset(1) and ioreg(8) tell of
// it. Others use it for five minutes after each key or move of the mouse.
type This struct{}

// NewThis makes it.
func NewThis() *This { return &This{} }

// OnBattery is whether pmset says that power is drawn from a battery.
func (*This) OnBattery(ctx context.Context) (bool, error) {
	out, err := exec.CommandContext(ctx, "/usr/bin/pmset", "-g", "batt").Output()
	if err != nil {
		return false, fmt.Errorf("%w what it runs on: pmset: %w", ErrUnknown, err)
	}
	return parsePower(out)
}

// Use looks how long ago the last input was.
func (*This) Use(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "/usr/sbin/ioreg", "-c", "IOHIDSystem", "-d", "4").Output()
	if err != nil {
		return "", fmt.Errorf("%w who is at it: ioreg: %w", ErrUnknown, err)
	}
	ago, err := parseInput(out)
	if err != nil || ago >= typed {
		return "", err
	}
	return "somebody is at it", nil
}
