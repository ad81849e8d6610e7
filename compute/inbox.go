package compute

import (
	"encoding/binary"
	"io"
	"os"
	"slices"
	"sync"
)

// inbox is where a worker reads what its engine says. Between jobs main reads;
// while a guest runs for longer than a moment a listener does, and hands the
// next job to main.
type inbox struct {
	frames  *frameReader
	awake   chan struct{} // to the listener: read
	jobs    chan []byte   // from it: a job, its turn is over
	answers chan []byte   // from it: to the guest's one ask

	mu        sync.Mutex // guards listening
	listening bool       // it is the listener's turn, until main has its job
}

func newInbox(in io.Reader) *inbox {
	return &inbox{frames: newFrameReader(in), awake: make(chan struct{}, 1), jobs: make(chan []byte), answers: make(chan []byte, 1)}
}

// job is main's: it waits for the next job. The payload is valid until the next
// frame is read. io.EOF means that there is none.
func (i *inbox) job() ([]byte, error) {
	i.mu.Lock()
	listening := i.listening
	i.mu.Unlock()
	if listening {
		b := <-i.jobs
		i.mu.Lock()
		i.listening = false
		i.mu.Unlock()
		return b, nil
	}
	return i.next(func(uint64, string) {}) // a cancel that came too late
}

// next reads up to the next job, and hands on the cancels and answers before it.
func (i *inbox) next(cancel func(number uint64, why string)) ([]byte, error) {
	for {
		kind, b, err := i.frames.next()
		switch {
		case err != nil:
			return nil, err
		case kind == frameJob:
			return b, nil
		case kind == frameCancel && len(b) >= 8:
			cancel(binary.BigEndian.Uint64(b), string(b[8:]))
		case kind == frameAnswer && len(i.answers) == 0:
			i.answers <- slices.Clone(b)
		default:
			return nil, errFrame
		}
	}
}

// wake gives the listener its turn. It is called while a guest runs only.
func (i *inbox) wake() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.listening {
		i.listening = true
		i.awake <- struct{}{}
	}
}

// answer waits for the engine's answer to a guest's ask.
func (i *inbox) answer() ([]byte, int32, error) {
	i.wake()
	return readAnswer(<-i.answers)
}

// listen hands on cancels and answers as they come, while it is its turn, and ends the
// process when the engine is gone: nobody is left to read what it does.
func (i *inbox) listen(cancel func(number uint64, why string)) {
	for range i.awake {
		b, err := i.next(cancel)
		if err != nil {
			os.Exit(3)
		}
		i.jobs <- b
	}
}
