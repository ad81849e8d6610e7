package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// CheckpointPurpose is what checkpoints are signed for: the body is the encoded
// terms, which are the same for both sides.
const CheckpointPurpose identity.Purpose = "sea/checkpoint/1"

// Checkpoint says how far both half-chains of a line had come: a receipt that
// both sides signed. Only the low side proposes one. It names a prefix of each
// half-chain, so it stays true whatever is written after it, and can always be
// signed later.
type Checkpoint struct {
	Line LineID
	N    uint64 // from 1, without gaps
	Tick uint64 // the low side's clock when it proposed. Nobody relies on it

	Sides [2]Reach // by Side

	// Locks is the root of the locks that are not closed at these entries, see
	// locksRoot; zero in a checkpoint of a program that knew no roots.
	Locks identity.Hash

	// Prev is the hash of checkpoint N - 1, zero for the first.
	Prev identity.Hash

	Sigs [2][64]byte // by Side; in a proposal the high one's is zero
}

// Reach is how far one side of a line has come: its newest entry and grant.
type Reach struct {
	Epoch uint32        // that this side is in, from 1; the entry may be of one before
	Seq   uint64        // 0 when there is none
	Tip   identity.Hash // of the entry; zero when there is none
	Cum   Amount
	Grant uint64 // number of the newest grant that this side gave, 0 for none
	Limit Amount // of that grant, whether it has expired or not
}

const (
	reachSize = 4 + 8 + 32 + 8 + 8 + 8
	pactSize  = 1 + 32 + 8 + 8 + 2*reachSize + 32 + 32

	// ProposalSize and CheckpointSize are the lengths in bytes of a checkpoint
	// that the low side has signed, and of one that both have.
	ProposalSize   = pactSize + 64
	CheckpointSize = pactSize + 2*64
)

// Time is when the low side says it proposed c, to 10 s.
func (c Checkpoint) Time() time.Time { return time.Unix(int64(c.Tick*tickLength), 0) }

// terms are what both sides sign.
func (c Checkpoint) terms() []byte {
	b := make([]byte, 0, CheckpointSize)
	b = append(b, version)
	b = append(b, c.Line[:]...)
	b = binary.BigEndian.AppendUint64(b, c.N)
	b = binary.BigEndian.AppendUint64(b, c.Tick)
	for _, s := range c.Sides {
		b = binary.BigEndian.AppendUint32(b, s.Epoch)
		b = binary.BigEndian.AppendUint64(b, s.Seq)
		b = append(b, s.Tip[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Cum))
		b = binary.BigEndian.AppendUint64(b, s.Grant)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Limit))
	}
	b = append(b, c.Locks[:]...)
	return append(b, c.Prev[:]...)
}

// Hash names c: the SHA-256 of what both sides sign.
func (c Checkpoint) Hash() identity.Hash { return identity.HashOf(c.terms()) }

// Encode returns the CheckpointSize bytes of c: version, line, n, tick, the low
// and the high side's epoch, seq, tip, cum, grant and limit, locks and prev,
// which are what is signed, and the low and the high side's signature.
func (c Checkpoint) Encode() []byte {
	return append(c.encodeProposal(), c.Sigs[High][:]...)
}

// encodeProposal leaves the high side's signature out.
func (c Checkpoint) encodeProposal() []byte { return append(c.terms(), c.Sigs[Low][:]...) }

// DecodeCheckpoint reads what Encode wrote. It verifies no signature.
func DecodeCheckpoint(b []byte) (Checkpoint, error) {
	r := reader{b: b, what: "checkpoint"}
	c := r.checkpoint()
	return c, r.end()
}

func (r *reader) checkpoint() Checkpoint {
	c := r.proposal()
	c.Sigs[High] = r.sig()
	return c
}

func (r *reader) proposal() Checkpoint {
	r.version()
	c := Checkpoint{Line: LineID(r.hash()), N: r.u64(), Tick: r.u64()}
	for i := range c.Sides {
		c.Sides[i] = r.reach()
	}
	c.Locks, c.Prev = r.hash(), r.hash()
	c.Sigs[Low] = r.sig()
	switch {
	case r.err != nil:
	case c.N == 0 || c.N > maxSeq:
		r.fail(ErrFormat, "the checkpoint's number is not 1 to 2^62 - 1")
	case (c.N == 1) != (c.Prev == identity.Hash{}):
		r.fail(ErrFormat, "prev is zero for the first checkpoint and for no other")
	case c.Tick >= maxTick:
		r.fail(ErrFormat, "the checkpoint's tick is 2^40 or more")
	}
	return c
}

func (r *reader) reach() Reach {
	s := Reach{Epoch: r.u32(), Seq: r.u64(), Tip: r.hash()}
	cum := r.u64()
	s.Grant = r.u64()
	limit := r.u64()
	switch {
	case r.err != nil:
	case s.Epoch < firstEpoch || s.Epoch > maxEpoch:
		r.fail(ErrFormat, "a side's epoch is not 1 to %d", maxEpoch)
	case s.Seq > maxSeq || s.Grant > maxSeq:
		r.fail(ErrFormat, "a side's number is above 2^62 - 1")
	case (s.Seq == 0) != (s.Tip == identity.Hash{}):
		r.fail(ErrFormat, "a side's tip is zero when it has no entry and never else")
	case s.Seq == 0 && cum != 0:
		r.fail(ErrFormat, "a side without an entry has promised something")
	case cum > maxAmount || limit > maxAmount:
		r.fail(ErrFormat, "an amount of a side is 2^62 or more")
	case s.Grant == 0 && limit != 0:
		r.fail(ErrFormat, "a side has a limit and no grant")
	}
	s.Cum, s.Limit = Amount(cum), Amount(limit)
	return s
}

// sign returns c with the signature of the side that s is the key of.
func (c Checkpoint) sign(s identity.Signer, side Side) (Checkpoint, error) {
	said, err := s.Sign(CheckpointPurpose, c.terms())
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint %d: %w", c.N, err)
	}
	c.Sigs[side] = said.Sig
	return c, nil
}

// Verify returns nil when both keys, the low one first, signed c. Errors are
// identity's, and ErrStranger when the line is not theirs.
func (c Checkpoint) Verify(low, high identity.Entity) error {
	if c.Line != LineOf(low, high) || SideOf(low, high) != Low {
		return fmt.Errorf("%w: checkpoint %d is of line %s", ErrStranger, c.N, c.Line)
	}
	return errors.Join(c.verify(low, Low), c.verify(high, High))
}

// verify returns nil when by signed c as side.
func (c Checkpoint) verify(by identity.Entity, side Side) error {
	if err := identity.Verify(by, CheckpointPurpose, c.terms(), c.Sigs[side][:]); err != nil {
		return fmt.Errorf("checkpoint %d: %w", c.N, err)
	}
	return nil
}

// conflicts says whether c and d, both signed by the key of side, cannot be
// parts of one chain of checkpoints: they differ under one number, the later one
// names another as the one before, or a number falls in it. Before and after a
// recovery of that side the other one has agreed to what was lost.
func (c Checkpoint) conflicts(d Checkpoint, side Side) bool {
	if c.N > d.N {
		c, d = d, c
	}
	switch {
	case c.Line != d.Line || c.Sides[side].Epoch != d.Sides[side].Epoch:
		return false
	case c.N == d.N:
		return c.Hash() != d.Hash()
	case c.N+1 == d.N && d.Prev != c.Hash():
		return true
	}
	return c.falls(d)
}

// falls says whether something in the later d is below what c has.
func (c Checkpoint) falls(d Checkpoint) bool {
	for i, s := range c.Sides {
		t := d.Sides[i]
		if t.Epoch < s.Epoch || t.Seq < s.Seq || t.Cum < s.Cum || t.Grant < s.Grant ||
			t.Seq == s.Seq && t.Tip != s.Tip || t.Grant == s.Grant && t.Limit != s.Limit {
			return true
		}
	}
	return false
}

// departs says whether r, a run that side signed, has another entry than the
// one that c says side had: then c is not a prefix of its half-chain.
func (c Checkpoint) departs(side Side, r run) bool {
	s := c.Sides[side]
	first := r.first()
	if first.Line != c.Line || first.Side != side || s.Seq == 0 {
		return false
	}
	if s.Seq == first.Seq-1 && s.Epoch == first.Epoch && first.Kind != KindRecover {
		return s.Tip != first.Prev
	}
	for _, e := range r.entries {
		if e.Seq == s.Seq && e.Epoch == s.Epoch {
			return e.Hash() != s.Tip || e.Cum != s.Cum
		}
	}
	return false
}
