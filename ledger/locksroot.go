package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// locksRoot is what a checkpoint says of the locks that are not closed on either
// half-chain, by the hashes of their LOCK entries in order:
//
//	SHA-256("sea/locks/1" || u16 how many of the low side || those || u16 how many of the high side || those)
//
// Each hash names amount, expiry and terms; what is left of a lock follows from
// the tip. Without any lock it is not zero: zero is a checkpoint of a program
// that says nothing of locks.
func locksRoot(low, high []identity.Hash) identity.Hash {
	b := []byte("sea/locks/1")
	for _, side := range [][]identity.Hash{low, high} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(side))) // MaxLocks
		for _, id := range side {
			b = append(b, id[:]...)
		}
	}
	return identity.HashOf(b)
}

// rootAt is the root of the locks where sides say that a's half-chains were. It
// is theirs for good, because nothing is ever written before them.
func (k book) rootAt(a account, sides [2]Reach) (identity.Hash, error) {
	var ids [2][]identity.Hash
	for _, h := range []struct {
		w    writer
		half half
	}{{a.mine, a.own}, {a.theirs, a.other}} {
		var err error
		if ids[h.w.side], err = k.locksAt(h.w, h.half, sides[h.w.side].Seq); err != nil {
			return identity.Hash{}, err
		}
	}
	return locksRoot(ids[Low], ids[High]), nil
}

// locksAt returns the ids of the locks that were not closed after entry seq of
// w, whose half-chain has come to h. It takes back what the entries since did,
// so it reads those: hardly any, because a checkpoint names the newest.
func (k book) locksAt(w writer, h half, seq uint64) ([]identity.Hash, error) {
	if seq == 0 {
		return nil, nil
	}
	open := map[identity.Hash]bool{}
	for _, one := range h.locks {
		open[one.id] = true
	}
	for at := h.seq; at > seq; {
		r, _, found, err := k.runFrom(w, h.epoch, at)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, damage(k, bHead, w.headKey(h.epoch, at), nil, "it is missing")
		}
		for i := int(at - r.first().Seq); i >= 0 && r.entries[i].Seq > seq; i-- {
			switch x := r.body(i).(type) { // whatever closed a lock, it was open before
			case LockTerms:
				delete(open, r.entries[i].Hash())
			case Voucher:
				open[x.Lock] = true
			case settlement:
				open[x.lock] = true
			case voiding:
				open[x.lock] = true
			}
		}
		at = r.first().Seq - 1
	}
	ids := make([]identity.Hash, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b identity.Hash) int { return bytes.Compare(a[:], b[:]) })
	return ids, nil
}

// roots are those of the checkpoints that a peer showed, as found here before the
// transaction that takes them: reading back far is not for the one who commits.
type roots map[identity.Hash]identity.Hash // by the checkpoint's hash; 2 at most

// findRoots computes the roots that m's checkpoints should have. Of one that is
// ahead of this ledger there is none.
func (l *Ledger) findRoots(peer identity.Entity, m pactMessage) (roots, error) {
	found := roots{}
	err := l.store.view(func(g getter) error {
		k := book{g}
		a, err := k.account(l.self, peer)
		if err != nil {
			return err
		}
		for _, c := range []*Checkpoint{m.agreed, m.proposed} {
			if c == nil || c.Locks == (identity.Hash{}) || c.Sides[a.mine.side].Seq > a.own.seq || c.Sides[a.theirs.side].Seq > a.other.seq {
				continue
			}
			root, err := k.rootAt(a, c.Sides)
			if err != nil {
				return err
			}
			found[c.Hash()] = root
		}
		return nil
	})
	return found, err
}

// check returns why c's root is not the one that both sides' entries make. A
// checkpoint of a program that knew no roots has none, and is as good.
func (r roots) check(c Checkpoint) error {
	if c.Locks == (identity.Hash{}) {
		return nil
	}
	switch root, found := r[c.Hash()]; {
	case !found: // its entries came just now
		return fmt.Errorf("%w: checkpoint %d was ahead of what is here", ErrOutOfStep, c.N)
	case root != c.Locks:
		return fmt.Errorf("%w: checkpoint %d has another root of the locks", ErrContradiction, c.N)
	}
	return nil
}
