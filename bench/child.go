package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// childArg makes this program a process that is measured by itself: it reads one
// JSON value a line and answers each with one.
const childArg = "bench-child"

// children are what such a process can be.
var children = map[string]func(ctx context.Context, ask func(any) error, answer func(any) error) error{
	"channel": channelChild,
	"dial":    dialChild,
	"hold":    holdChild,
}

func isChild() bool { return len(os.Args) == 3 && os.Args[1] == childArg }

// actAsChild is such a process. It ends with its input.
func actAsChild() int {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	err := children[os.Args[2]](context.Background(), in.Decode, out.Encode)
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", os.Args[2], err)
		return 1
	}
	return 0
}

// A child is such a process, seen from here.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func startChild(ctx context.Context, kind string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, childArg, kind)}
	c.cmd.Stderr = os.Stderr
	c.cmd.Cancel = func() error { return c.in.Close() }
	c.cmd.WaitDelay = 10 * time.Second
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(bufio.NewReader(out))
	return c, c.cmd.Start()
}

// ask sends a question and waits for its answer.
func (c *child) ask(question, answer any) error {
	if err := json.NewEncoder(c.in).Encode(question); err != nil {
		return err
	}
	if err := c.out.Decode(answer); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}

// close ends the child and waits for it.
func (c *child) close() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }
