package compute

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// deafReader is a writer behind which nobody reads.
type deafReader struct {
	once    sync.Once
	written chan struct{} // closed by the first Write
	free    chan struct{} // until which Write blocks
}

func (d *deafReader) Write(b []byte) (int, error) {
	d.once.Do(func() { close(d.written) })
	<-d.free
	return len(b), nil
}

// TestDeafReader: a job whose output nobody reads is cancelled like any other,
// hits its belt, and does not keep its engine from closing.
func TestDeafReader(t *testing.T) {
	module := wasmFile(t, "bombs.wasm")
	for name, here := range map[string]bool{"worker": false, "in process": true} {
		for what, wall := range map[string]uint64{"cancelled": MaxWallMillis, "belt": 200, "closed": MaxWallMillis} {
			t.Run(name+" "+what, func(t *testing.T) {
				e := newEngine(t, Config{Workers: 1, InProcess: here})
				k := argc(module, 1) // writes until it has no more room
				k.Limits.Fuel, k.Limits.OutputBytes, k.Limits.WallMillis = MaxFuel, MaxOutputBytes, wall
				deaf := &deafReader{written: make(chan struct{}), free: make(chan struct{})}
				defer close(deaf.free)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var other sync.WaitGroup
				if what != "belt" {
					other.Go(func() {
						<-deaf.written
						if what == "cancelled" {
							cancel()
						} else if err := e.Close(); err != nil {
							t.Error(err)
						}
					})
				}
				r, err := e.Run(ctx, k.Job, k.blobs, Live{Stdout: deaf})
				other.Wait()
				switch {
				case what == "closed":
					if !errors.Is(err, ErrClosed) {
						t.Errorf("got %v", err)
					}
				case err != nil || r.End != Interrupted:
					t.Errorf("got %s because %q, %d bytes, %v", r.End, r.Cause, len(r.Stdout), err)
				}
			})
		}
	}
}

// TestSlowReader: who reads slowly is waited for, also when the job is to end.
func TestSlowReader(t *testing.T) { synctest.Test(t, testSlowReader) }

func testSlowReader(t *testing.T) {
	var got bytes.Buffer
	s := newSink(Job{Limits: DefaultLimits()}, Live{Stdout: writerFunc(func(b []byte) (int, error) {
		time.Sleep(patience / 2)
		return got.Write(b)
	})})
	for i := range 20 {
		if i == 10 {
			s.talk.hush()
		}
		if err := s.stdout([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.talk.end()
	if !bytes.Equal(got.Bytes(), s.res.Stdout) {
		t.Errorf("it was told %x of %x", got.Bytes(), s.res.Stdout)
	}
}

// TestFailingReader: one that fails is not called again.
func TestFailingReader(t *testing.T) {
	calls := 0
	s := newSink(Job{Limits: DefaultLimits()}, Live{Stderr: writerFunc(func([]byte) (int, error) {
		calls++
		return 0, errors.New("no")
	})})
	for range 3 {
		if err := s.stderr([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s.talk.end()
	if calls != 1 || string(s.res.Stderr) != "xxx" {
		t.Errorf("called %d times, %q", calls, s.res.Stderr)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestCompileWall: a module is not refused because the machine has much to do.
func TestCompileWall(t *testing.T) {
	for _, size := range []uint64{1, 1 << 20, 30 << 20, MaxModuleBytes} {
		if wall, cpu := compileWall(size), compileTime(size); wall < 20*cpu || cpu < 5*time.Second {
			t.Errorf("%d bytes: %v of real time for %v of processor time", size, wall, cpu)
		}
	}
}
