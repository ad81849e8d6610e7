package compute

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/peersea/sea/identity/cbor"
)

// The pipes between an engine and its worker carry frames: one byte of kind, the
// payload's length in four bytes, big-endian, and the payload.
//
//	engine ─▶ worker   job, data… (module, stdin, files, end to end), answer…, cancel
//	worker ─▶ engine   hello, taken once, then for each job
//	                   begun, (stdout, stderr, progress, ask)…, stopped,
//	                   result, (entry, data…)…, end          or failure
//
// Jobs of one worker are counted from 1. Begun and cancel carry the number of
// theirs, so that nothing of one job is taken for the next one's. A worker that
// sent a failure, or an end that says so, ends.

// frameKind says what a frame is.
type frameKind byte

const (
	frameHello    frameKind = 'h' // the protocol's version, one byte; the walls
	frameJob      frameKind = 'j' // startWire
	frameData     frameKind = 'd' // bytes
	frameAnswer   frameKind = 'a' // of a power to an ask, see answerBytes
	frameCancel   frameKind = 'c' // the job's number, eight bytes, and why, as text
	frameTaken    frameKind = 't' // nothing: the first job is read, and is compiled now
	frameBegun    frameKind = 'b' // the job's number, eight bytes, and a fresh cache's hash: the guest runs
	frameStdout   frameKind = '1' // bytes
	frameStderr   frameKind = '2' // bytes
	frameAsk      frameKind = 'q' // askWire: the guest waits for the answer
	frameProgress frameKind = 'p' // fuel, eight bytes
	frameStopped  frameKind = 's' // fuel, eight bytes: the guest has ended
	frameResult   frameKind = 'r' // outcome
	frameEntry    frameKind = 'e' // entryWire; a file's data follows
	frameEnd      frameKind = 'z' // 1 when the worker takes another job, or 0
	frameFailure  frameKind = 'x' // failureWire
)

const (
	workerVersion = 4
	// maxFrame is the longest payload. Only data comes near it.
	maxFrame  = 256 << 10
	dataFrame = 64 << 10 // of our own frames of bytes
)

// errFrame is returned when a pipe carries what is not a frame.
var errFrame = errors.New("bad frame")

// startWire is what a worker is told.
type startWire struct {
	Number      uint64   `cbor:"number"` // of the job, counted by the worker from 1
	Job         []byte   `cbor:"job"`
	Module      bool     `cbor:"module"` // its bytes follow; otherwise it is the last job's
	Interpreter bool     `cbor:"interpreter"`
	Cache       string   `cbor:"cache"`
	Fresh       bool     `cbor:"fresh"` // fill it, and say its hash
	StopAt      uint64   `cbor:"stop_at"`
	Slowest     uint64   `cbor:"slowest"`
	Powers      []string `cbor:"powers"` // what the guest may import from wasi.HostModule
}

// entryWire is a file or folder of the output.
type entryWire struct {
	Path string `cbor:"path"`
	Dir  bool   `cbor:"dir"`
	Size uint64 `cbor:"size"`
}

// failureWire is an error of the worker.
type failureWire struct {
	Kind string `cbor:"kind"` // see failures
	Text string `cbor:"text"`
}

// failures are the errors that keep their identity across the pipe. One that
// wraps another stands before it.
var failures = []struct {
	kind string
	is   error
}{
	{"import", ErrImport}, {"entry", ErrEntry}, {"memory", ErrMemory}, {"module", ErrModule},
	{"engine", ErrEngine}, {"blob", ErrNoBlob},
}

func failureOf(err error) failureWire {
	for _, f := range failures {
		if errors.Is(err, f.is) {
			return failureWire{f.kind, err.Error()}
		}
	}
	return failureWire{"engine", fmt.Sprintf("%v: %v", ErrEngine, err)}
}

// failure is an error that came over the pipe: its text is complete.
type failure struct {
	text string
	kind error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }

func (w failureWire) err() error {
	for _, f := range failures {
		if f.kind == w.Kind {
			return &failure{clip(w.Text), f.is}
		}
	}
	return fmt.Errorf("%w: failure of unknown kind %.20q", errFrame, w.Kind)
}

// frameWriter writes frames. Its methods may be called at once.
type frameWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{w: bufio.NewWriterSize(w, dataFrame+1024)}
}

// send writes one frame, and everything before it, to the pipe.
func (f *frameWriter) send(kind frameKind, payload []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.write(kind, payload); err != nil {
		return err
	}
	return f.w.Flush()
}

// put writes one frame, which waits for others or for flush.
func (f *frameWriter) put(kind frameKind, payload []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(kind, payload)
}

// flush writes what waits to the pipe.
func (f *frameWriter) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.w.Flush()
}

// write is called with mu held.
func (f *frameWriter) write(kind frameKind, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("%w: payload of %d bytes", errFrame, len(payload))
	}
	head := binary.BigEndian.AppendUint32(append(f.w.AvailableBuffer(), byte(kind)), uint32(len(payload)))
	if _, err := f.w.Write(head); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

// data puts bytes as frames of kind, as many as it takes.
func (f *frameWriter) data(kind frameKind, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), dataFrame)
		if err := f.put(kind, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// number puts a frame that begins with a number.
func (f *frameWriter) number(kind frameKind, n uint64, rest ...byte) error {
	return f.put(kind, append(binary.BigEndian.AppendUint64(nil, n), rest...))
}

// value puts a frame of CBOR.
func (f *frameWriter) value(kind frameKind, v any) error {
	b, err := cbor.Marshal(v)
	if err != nil {
		return err
	}
	return f.put(kind, b)
}

// frameReader reads frames from the other side, which it does not trust.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, dataFrame+1024), buf: make([]byte, 0, dataFrame)}
}

// next reads one frame. The payload is valid until the next call. io.EOF means
// that the pipe closed between two frames.
func (f *frameReader) next() (frameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:1]); err != nil {
		return 0, nil, err
	}
	if _, err := io.ReadFull(f.r, head[1:]); err != nil {
		return 0, nil, fmt.Errorf("%w: cut off in its head: %w", errFrame, err)
	}
	kind, n := frameKind(head[0]), binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("%w: payload of %d bytes, at most %d are allowed", errFrame, n, maxFrame)
	}
	if uint32(cap(f.buf)) < n {
		f.buf = make([]byte, n)
	}
	f.buf = f.buf[:n]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return 0, nil, fmt.Errorf("%w: cut off in its payload: %w", errFrame, err)
	}
	return kind, f.buf, nil
}

// want reads one frame, which must be of kind.
func (f *frameReader) want(kind frameKind) ([]byte, error) {
	got, b, err := f.next()
	if err == nil && got != kind {
		err = fmt.Errorf("%w: kind %q, want %q", errFrame, got, kind)
	}
	return b, err
}

// quiet tells that nothing more has come, as far as one knows without waiting.
func (f *frameReader) quiet() bool { return f.r.Buffered() == 0 }

// readNumber reads a payload that is a number.
func readNumber(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: a number of %d bytes", errFrame, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// dataReader is the payloads of data frames, end to end.
type dataReader struct {
	r    *frameReader
	rest []byte
}

func (d *dataReader) Read(b []byte) (int, error) {
	if len(d.rest) == 0 {
		var err error
		if d.rest, err = d.r.want(frameData); err != nil {
			return 0, err
		}
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}
