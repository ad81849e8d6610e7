package main

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sync/errgroup"
)

// plain is wazero in this process with the tiny module compiled: nothing is
// metered, traded or kept. It is what no market can be faster than.
type plain struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

func newPlain(ctx context.Context) (*plain, error) {
	r := wazero.NewRuntime(ctx)
	m, err := r.CompileModule(ctx, tiny)
	if err != nil {
		_ = r.Close(ctx)
		return nil, err
	}
	return &plain{r, m}, nil
}

// run makes an instance, whose start function is the job, and ends it.
func (p *plain) run(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	m, err := p.runtime.InstantiateModule(ctx, p.module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return 0, err
	}
	err = m.Close(ctx)
	return time.Since(start), err
}

// many is how many there are in a second, flight at a time.
func (p *plain) many(ctx context.Context, n, flight int) (perSecond float64, err error) {
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(flight)
	for range n {
		group.Go(func() error {
			_, err := p.run(ctx)
			return err
		})
	}
	err = group.Wait()
	return float64(n) / time.Since(start).Seconds(), err
}

func (p *plain) close(ctx context.Context) { _ = p.runtime.Close(ctx) }

// spinning is a command that counts to loops, at most 2^31 - 1, and ends:
//
//	(module (memory (export "memory") 1) (func (export "_start") (local i32)
//	  (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const LOOPS))))))
func spinning(loops int32) []byte {
	body := []byte("\x01\x01\x7f" + "\x03\x40" + "\x20\x00\x41\x01\x6a\x22\x00\x41")
	body = appendSigned(body, loops)
	body = append(body, "\x49\x0d\x00\x0b\x0b"...)
	code := append([]byte{1, byte(len(body))}, body...)
	head := "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" + "\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00"
	return append(append([]byte(head), 0x0a, byte(len(code))), code...)
}

// appendSigned appends a number in signed LEB128.
func appendSigned(b []byte, n int32) []byte {
	for {
		low := byte(n & 0x7f)
		if n >>= 7; n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
