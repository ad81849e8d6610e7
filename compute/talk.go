package compute

import (
	"io"
	"sync"
	"time"
)

// patience is how long who watches a job may take for a piece of output when the
// job is to end.
const patience = 100 * time.Millisecond

// talk hands output to Live's writers, from a goroutine of its own that begins
// with the first piece. One that blocks holds the guest, until the job is to
// end: nobody waits for it then.
//
//	         say, and it is written             hush
//	talking ◀──────────────────────▶ waiting ──────────▶ silent, if it takes
//	                                                     longer than patience
type talk struct {
	once   sync.Once
	hushed chan struct{} // closed by hush
	silent bool          // nobody is spoken to any more

	pieces chan piece // to the goroutine; nil before there is one
	wrote  chan error // from it, for each piece
	buf    []byte     // the piece
}

type piece struct {
	to    io.Writer
	bytes []byte
}

// say writes b to w, which becomes nil when it fails. One goroutine calls it.
func (t *talk) say(w *io.Writer, b []byte) {
	if *w == nil || t.silent {
		return
	}
	if t.pieces == nil {
		t.pieces, t.wrote = make(chan piece), make(chan error, 1)
		go t.write()
	}
	t.buf = append(t.buf[:0], b...) // whoever is not waited for keeps it
	t.pieces <- piece{*w, t.buf}
	var err error
	select {
	case err = <-t.wrote:
	case <-t.hushed:
		late := time.NewTimer(patience)
		defer late.Stop()
		select {
		case err = <-t.wrote:
		case <-late.C:
			t.silent = true
		}
	}
	if err != nil {
		*w = nil
	}
}

// write ends with end, or after that, when a writer that nobody waits for lets
// go of it.
func (t *talk) write() {
	for p := range t.pieces {
		_, err := p.to.Write(p.bytes)
		t.wrote <- err
	}
	close(t.wrote)
}

// hush is called when the job is to end. It may be called at any time.
func (t *talk) hush() { t.once.Do(func() { close(t.hushed) }) }

// end returns when nobody is spoken to any more, or never will be waited for. It
// is called by who calls say, last.
func (t *talk) end() {
	if t.pieces == nil {
		return
	}
	close(t.pieces)
	if !t.silent {
		<-t.wrote
	}
}
