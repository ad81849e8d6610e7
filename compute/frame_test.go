package compute

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/peersea/sea/identity/cbor"
)

// frames writes what a worker may say.
func frames(t testing.TB, say func(w *frameWriter) error) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newFrameWriter(&b)
	if err := errors.Join(say(w), w.flush()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deaf is a process that is gone.
func deaf(said []byte) *process {
	p := &process{killed: true, out: newFrameReader(bytes.NewReader(said)), in: newFrameWriter(io.Discard)}
	p.once.Do(func() {})
	return p
}

// answer lets a session read what a worker said.
func answer(said []byte) (Result, error) {
	job := Job{Limits: DefaultLimits()}
	job.Limits.OutputBytes = 1000
	job.Limits.Files = 4
	live := Live{Powers: Powers{"echo": func(_ context.Context, b []byte) ([]byte, int32) { return b, 0 }}}
	s := newSession(&Engine{}, job, nil, live, newSink(job, live), deaf(said))
	s.room = &room{} // of a worker's first job
	err := s.read()
	return s.out.result(), err
}

func begin(w *frameWriter) error { return w.number(frameBegun, 1) }

func value(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goodAnswer(t testing.TB) []byte {
	return frames(t, func(w *frameWriter) error {
		return errors.Join(
			w.put(frameTaken, nil),
			w.number(frameBegun, 1),
			w.send(frameStdout, []byte("hello")),
			w.send(frameStderr, []byte("oh")),
			w.number(frameProgress, 10),
			w.value(frameAsk, askWire{"echo", []byte("ping")}),
			w.number(frameStopped, 20),
			w.value(frameResult, outcome{End: Exit, Code: 3, Fuel: 20, PeakPages: 2}),
			w.value(frameEntry, entryWire{Path: "a", Dir: true}),
			w.value(frameEntry, entryWire{Path: "a/b", Size: 3}),
			w.send(frameData, []byte("be")),
			w.send(frameData, []byte("e")),
			w.send(frameEnd, []byte{1}),
		)
	})
}

func TestAnswer(t *testing.T) {
	r, err := answer(goodAnswer(t))
	if err != nil || r.Code != 3 || r.Fuel != 20 || string(r.Stdout) != "hello" || string(r.Stderr) != "oh" || len(r.Files) != 2 || string(r.Files[1].Data) != "bee" {
		t.Errorf("got %+v, %v", r, err)
	}
	for i := range goodAnswer(t) {
		if _, err := answer(goodAnswer(t)[:i]); !errors.Is(err, ErrEngine) {
			t.Errorf("cut off at %d: %v", i, err)
		}
	}
}

// TestBadAnswers: a worker that a guest has taken over cannot give more than
// the job allows, nor anything else than a result.
func TestBadAnswers(t *testing.T) {
	done := outcome{End: Exit, Fuel: 1}
	entry := func(list ...entryWire) func(w *frameWriter) error {
		return func(w *frameWriter) error {
			err := w.value(frameResult, done)
			for _, e := range list {
				err = errors.Join(err, w.value(frameEntry, e))
				if e.Size > 0 {
					err = errors.Join(err, w.data(frameData, make([]byte, min(e.Size, 2000))))
				}
			}
			return errors.Join(err, w.send(frameEnd, []byte{1}))
		}
	}
	for name, tt := range map[string]struct {
		say  func(w *frameWriter) error
		want string
	}{
		"kind": {func(w *frameWriter) error { return w.send('?', nil) }, "kind"},
		"last frame": {func(w *frameWriter) error {
			return errors.Join(w.value(frameResult, done), w.send(frameEnd, []byte{2}))
		}, "an end"},
		"begun twice": {begin, "out of turn"},
		"output":      {func(w *frameWriter) error { return w.send(frameStdout, make([]byte, 1001)) }, "output"},
		"output together": {func(w *frameWriter) error {
			return errors.Join(w.send(frameStdout, make([]byte, 600)), w.send(frameStderr, make([]byte, 600)))
		}, "output"},
		"short fuel": {func(w *frameWriter) error { return w.send(frameProgress, []byte{1}) }, "number"},
		"result":     {func(w *frameWriter) error { return w.send(frameResult, []byte{0xff}) }, "answer"},
		"end":        {func(w *frameWriter) error { return w.value(frameResult, outcome{End: "won"}) }, "end"},
		"trap text":  {func(w *frameWriter) error { return w.value(frameResult, outcome{End: Trap, Trap: "boom"}) }, "trap"},
		"more fuel": {func(w *frameWriter) error {
			return w.value(frameResult, outcome{End: Exit, Fuel: DefaultLimits().Fuel + 1})
		}, "fuel"},
		"more memory": {func(w *frameWriter) error { return w.value(frameResult, outcome{End: Exit, PeakPages: 9000}) }, "memory"},
		"large file":  {entry(entryWire{Path: "a", Size: 1001}), "output"},
		"huge file":   {entry(entryWire{Path: "a", Size: 1 << 63}), "output"},
		"unsorted":    {entry(entryWire{Path: "b"}, entryWire{Path: "a"}), "sorted"},
		"many files":  {entry(entryWire{Path: "a"}, entryWire{Path: "b"}, entryWire{Path: "c"}, entryWire{Path: "d"}, entryWire{Path: "e"}), "more files"},
		"path":        {entry(entryWire{Path: "../../etc/passwd"}), "not clean"},
		"full folder": {entry(entryWire{Path: "a", Dir: true, Size: 1}), "tree"},
		"no folder":   {entry(entryWire{Path: "a"}, entryWire{Path: "a/b"}), "tree"},
		"failure":     {func(w *frameWriter) error { return w.value(frameFailure, failureWire{"other", "x"}) }, "unknown kind"},
		"long": {func(w *frameWriter) error {
			_, err := w.w.Write([]byte("1\xff\xff\xff\xff"))
			return errors.Join(err, w.w.Flush())
		}, "payload of 4294967295"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answer(frames(t, func(w *frameWriter) error { return errors.Join(begin(w), tt.say(w)) }))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}

// TestLateAnswers: what belongs to another job is no answer to this one.
func TestLateAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		say  func(w *frameWriter) error
		want string
	}{
		"other job": {func(w *frameWriter) error { return w.number(frameBegun, 2) }, "job 2"},
		"output":    {func(w *frameWriter) error { return w.put(frameStdout, []byte("x")) }, "out of turn"},
		"not begun": {func(w *frameWriter) error { return w.value(frameResult, outcome{End: Exit, Fuel: 1}) }, "out of turn"},
		"no number": {func(w *frameWriter) error { return w.put(frameBegun, nil) }, "number"},
		"taken twice": {func(w *frameWriter) error {
			return errors.Join(w.put(frameTaken, nil), w.put(frameTaken, nil))
		}, "out of turn"},
		"taken late": {func(w *frameWriter) error { return errors.Join(begin(w), w.put(frameTaken, nil)) }, "kind"},
		"end alone":  {func(w *frameWriter) error { return w.put(frameEnd, []byte{1}) }, "out of turn"},
		"hello once": {func(w *frameWriter) error { return w.put(frameHello, []byte{workerVersion}) }, "out of turn"},
	} {
		if _, err := answer(frames(t, tt.say)); !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, tt.want)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, f := range failures {
		said := frames(t, func(w *frameWriter) error { return w.value(frameFailure, failureOf(f.is)) })
		if _, err := answer(said); !errors.Is(err, f.is) || err.Error() != f.is.Error() || failureOf(err).Kind != f.kind {
			t.Errorf("%s: got %v", f.kind, err)
		}
	}
	if w := failureOf(errors.New("odd")); w.Kind != "engine" {
		t.Errorf("an unknown error is of kind %s", w.Kind)
	}
}

// FuzzFrame: what is read as frames is written as the same bytes.
func FuzzFrame(f *testing.F) {
	f.Add(goodAnswer(f))
	f.Add([]byte("h\x00\x00\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, said []byte) {
		r := newFrameReader(bytes.NewReader(said))
		var again bytes.Buffer
		w := newFrameWriter(&again)
		for {
			kind, b, err := r.next()
			if err != nil {
				break
			}
			if err := w.send(kind, b); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(said, again.Bytes()) {
			t.Errorf("%x is read and written as %x", said, again.Bytes())
		}
	})
}

// FuzzAnswer: no worker can make the engine fail, or its result exceed the job.
func FuzzAnswer(f *testing.F) {
	f.Add(goodAnswer(f))
	f.Add(frames(f, func(w *frameWriter) error { return w.value(frameFailure, failureWire{"module", "no"}) }))
	f.Add(value(f, outcome{}))
	f.Fuzz(func(t *testing.T, said []byte) {
		r, err := answer(said)
		total := len(r.Stdout) + len(r.Stderr)
		for _, file := range r.Files {
			total += len(file.Data)
		}
		if total > 1000 || len(r.Files) > 4 || r.Fuel > DefaultLimits().Fuel {
			t.Errorf("more than the job allows: %d bytes, %d files, %d fuel", total, len(r.Files), r.Fuel)
		}
		if err == nil {
			if _, err := DecodeOutcome(r.Outcome().Encode()); err != nil {
				t.Errorf("a result that cannot be sent on: %v", err)
			}
		}
	})
}
