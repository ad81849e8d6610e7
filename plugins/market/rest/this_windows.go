package rest

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	powerStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")
	tickCount   = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetTickCount")
	lastInput   = windows.NewLazySystemDLL("user32.dll").NewProc("GetLastInputInfo")
)

// This is the machine that the program runs on, as Windows tells of it. Others use
// it for five minutes after each input in the session that the program runs in.
type This struct{}

// NewThis makes it.
func NewThis() *This { return &This{} }

// OnBattery is whether the line gives no power.
func (*This) OnBattery(context.Context) (bool, error) {
	var status struct { // SYSTEM_POWER_STATUS
		line, flag, percent, saver byte
		left, full                 uint32
	}
	if ok, _, err := powerStatus.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return false, fmt.Errorf("%w what it runs on: %w", ErrUnknown, err)
	}
	const offline, online = 0, 1
	switch status.line {
	case offline, online:
		return status.line == offline, nil
	}
	return false, fmt.Errorf("%w what it runs on", ErrUnknown)
}

// Use looks how long ago the last input was.
func (*This) Use(context.Context) (string, error) {
	info := struct{ size, at uint32 }{size: 8} // LASTINPUTINFO
	if ok, _, err := lastInput.Call(uintptr(unsafe.Pointer(&info))); ok == 0 {
		return "", fmt.Errorf("%w who is at it: %w", ErrUnknown, err)
	}
	now, _, _ := tickCount.Call()
	ago := time.Duration(uint32(now)-info.at) * time.Millisecond // both go round after 49 days
	if ago >= typed {
		return "", nil
	}
	return "somebody is at it", nil
}
