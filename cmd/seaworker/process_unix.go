//go:build unix

package main

import "syscall"

// ownGroup keeps Ctrl-C from the demo's nodes: the demo stops them in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
