package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/peersea/sea/identity"
)

// MaxRun is how many entries one Head may cover beyond the Head before it.
const MaxRun = 64

// run is 1 to MaxRun entries of one half-chain, each naming the one before, the
// last with the signature that covers them all. It is the unit in which entries
// are signed, sent and stored: nobody keeps half of one.
type run struct {
	entries []Entry
	sig     [64]byte
}

// from is the part of r that begins with its i-th entry. The signature still
// covers it.
func (r run) from(i int) run { return run{entries: r.entries[i:], sig: r.sig} }

func (r run) first() Entry { return r.entries[0] }
func (r run) last() Entry  { return r.entries[len(r.entries)-1] }
func (r run) head() Head   { return Head{Entry: r.last(), Sig: r.sig} }

// encode appends the number of entries, the entries, and the signature.
func (r run) encode(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.entries)))
	for _, e := range r.entries {
		b = e.append(b)
	}
	return append(b, r.sig[:]...)
}

func (r run) size() int { return 2 + len(r.entries)*EntrySize + 64 }

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
		raw := r.b[r.at : r.at+EntrySize]
		e := r.entry()
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
		out.entries = append(out.entries, e)
	}
	out.sig = r.sig()
	return out
}

// follows says why r cannot come after an entry with this seq, cum and hash, or
// nil. The run's own sums are checked with it.
func (r run) follows(seq uint64, cum Amount, tip identity.Hash) error {
	for i, e := range r.entries {
		switch {
		case e.Seq != seq+1:
			return fmt.Errorf("entry %d follows entry %d", e.Seq, seq)
		case i == 0 && e.Prev != tip: // the others' are held together already
			return fmt.Errorf("prev of entry %d is not the hash of entry %d", e.Seq, seq)
		case e.Cum < cum:
			return fmt.Errorf("cum falls from %d to %d in entry %d", cum, e.Cum, e.Seq)
		case e.Cum-cum != e.Amount:
			return fmt.Errorf("cum of entry %d is %d, not %d and its amount of %d", e.Seq, e.Cum, cum, e.Amount)
		}
		seq, cum = e.Seq, e.Cum
	}
	return nil
}
