//go:build !linux && !darwin && !windows

package rest

import (
	"context"
	"fmt"
)

// This is the machine that the program runs on. On this system it tells nothing.
type This struct{}

// NewThis makes it.
func NewThis() *This { return &This{} }

// OnBattery is ErrUnknown.
func (*This) OnBattery(context.Context) (bool, error) {
	return false, fmt.Errorf("%w what it runs on: that is read on Linux, macOS and Windows only", ErrUnknown)
}

// Use is ErrUnknown.
func (*This) Use(context.Context) (string, error) {
	return "", fmt.Errorf("%w who uses it: that is read on Linux, macOS and Windows only", ErrUnknown)
}
