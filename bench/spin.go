package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// spinArg makes this program a process that is only busy: what a worker is to
// the system, without Sea.
const spinArg = "bench-spin"

func isSpinner() bool { return len(os.Args) == 2 && os.Args[1] == spinArg }

// spin begins with a byte, is busy until the next, and answers each.
func spin() int {
	var stop atomic.Bool
	begun := make(chan struct{})
	go func() {
		var b [1]byte
		for i := 0; ; i++ {
			if _, err := os.Stdin.Read(b[:]); err != nil {
				os.Exit(0)
			}
			if i%2 == 0 {
				begun <- struct{}{}
			} else {
				stop.Store(true)
			}
		}
	}()
	for range begun {
		if _, err := os.Stdout.Write([]byte{0}); err != nil {
			return 1
		}
		for !stop.Load() {
		}
		stop.Store(false)
		if _, err := os.Stdout.Write([]byte{0}); err != nil {
			return 1
		}
	}
	return 0
}

// spinner is such a process, seen from here.
type spinner struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func startSpinner() (*spinner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &spinner{cmd: exec.Command(self, spinArg)}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if s.out, err = s.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return s, s.cmd.Start()
}

// stopped is how long the process takes to answer that it has stopped, after it
// was busy for a while.
func (s *spinner) stopped(busy time.Duration) (time.Duration, error) {
	if err := s.say(); err != nil {
		return 0, err
	}
	time.Sleep(busy)
	begin := time.Now()
	err := s.say()
	return time.Since(begin), err
}

func (s *spinner) say() error {
	var b [1]byte
	if _, err := s.in.Write(b[:]); err != nil {
		return fmt.Errorf("the process that spins: %w", err)
	}
	if _, err := io.ReadFull(s.out, b[:]); err != nil {
		return fmt.Errorf("the process that spins: %w", err)
	}
	return nil
}

func (s *spinner) close() error {
	if err := s.in.Close(); err != nil {
		return err
	}
	return s.cmd.Wait()
}
