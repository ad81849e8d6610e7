package ledger

import (
	"encoding/binary"

	"github.com/peersea/sea/identity"
)

// MaxRun is how many entries one Head may cover beyond the Head before it.
const MaxRun = 64

// run is 1 to MaxRun entries of one half-chain, each naming the one before, the
// last with the signature that covers them all. It is the unit in which entries
// are signed, sent and stored: nobody keeps half of one.
type run struct {
	entries []Entry
	bodies  []body // of the entries; may be shorter when the last have none
	sig     [64]byte
}

// body is what entry i says beside its fields, nil for PAY.
func (r run) body(i int) body {
	if i < len(r.bodies) {
		return r.bodies[i]
	}
	return nil
}

// add appends an entry. It leaves the signature as it is.
func (r *run) add(e Entry, b body) {
	if b != nil {
		r.bodies = append(r.bodies, make([]body, len(r.entries)-len(r.bodies))...)
		r.bodies = append(r.bodies, b)
	}
	r.entries = append(r.entries, e)
}

// from is the part of r that begins with its i-th entry. The signature still
// covers it.
func (r run) from(i int) run {
	return run{entries: r.entries[i:], bodies: r.bodies[min(i, len(r.bodies)):], sig: r.sig}
}

func (r run) first() Entry { return r.entries[0] }
func (r run) last() Entry  { return r.entries[len(r.entries)-1] }
func (r run) head() Head   { return Head{Entry: r.last(), Sig: r.sig} }

// encode appends the number of entries, the entries, each with its body behind
// it, and the signature.
func (r run) encode(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.entries)))
	for i, e := range r.entries {
		b = e.append(b)
		if x := r.body(i); x != nil {
			b = x.append(b)
		}
	}
	return append(b, r.sig[:]...)
}

func (r run) size() int {
	n := 2 + len(r.entries)*EntrySize + 64
	for _, x := range r.bodies {
		if x != nil {
			n += len(x.append(nil))
		}
	}
	return n
}

// run reads what encode wrote. The links inside are checked, because what they
// do not hold together the signature does not cover; the signature is not.
func (r *reader) run() run {
	n := int(r.u16())
	if n < 1 || n > MaxRun {
		r.fail(ErrFormat, "a run of %d entries, not 1 to %d", n, MaxRun)
		return run{}
	}
	if r.err != nil || len(r.b)-r.at < n*EntrySize {
		r.fail(ErrFormat, "it ends in a run of %d entries", n) // before anything is allocated
		return run{}
	}
	out := run{entries: make([]Entry, 0, n)}
	var tip identity.Hash
	for i := range n {
		at := r.at
		e := r.entry()
		raw := r.b[at:r.at]
		x := r.body(e)
		if r.err != nil {
			return run{}
		}
		if i > 0 {
			switch last := out.last(); {
			case e.Line != last.Line || e.Side != last.Side:
				r.fail(ErrFormat, "a run over two half-chains")
			case e.Epoch != last.Epoch:
				r.fail(ErrFormat, "a run over two epochs")
			case e.Seq != last.Seq+1:
				r.fail(ErrFormat, "entry %d follows entry %d in a run", e.Seq, last.Seq)
			case e.Prev != tip:
				r.fail(ErrFormat, "prev of entry %d is not the hash of entry %d", e.Seq, last.Seq)
			}
		}
		tip = identity.HashOf(raw)
		out.add(e, x)
	}
	out.sig = r.sig()
	return out
}

// follows returns where the half-chain stands after r, or why r cannot come next
// after t.
func (r run) follows(t tally) (tally, error) {
	var err error
	for i, e := range r.entries {
		if t, err = t.apply(e, r.body(i)); err != nil {
			return t, err
		}
	}
	return t, nil
}
