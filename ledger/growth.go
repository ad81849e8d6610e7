package ledger

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/peersea/sea/identity"
)

// A grant grows as its debtor repays: by a tenth of what it has repaid since its
// owner gave it, up to as much again. Each step is a grant like any other, that
// replaces the one before; one that the owner gives begins anew.
const (
	growthShare = 10 // of what is repaid, this part is added
	growthTimes = 2  // at most so many times what the owner granted
	growthStep  = 20 // added when it is at least this part of that: few grants, not one for each payment
)

// Growth is how far a grant has grown by itself.
type Growth struct {
	// By is what was added to what the owner granted, because the peer repaid
	// Repaid. Most is the limit at which it ends.
	By     Amount `json:"by_micro"`
	Repaid Amount `json:"repaid_micro"`
	Most   Amount `json:"most_micro"`
}

// growth is kept beside a grant of ours: seq is the grant's, base what the owner
// granted, since what had been repaid then, and until what when it grew last.
type growth struct {
	peer         identity.Entity
	seq          uint64
	base         Amount
	since, until Amount
}

func (g growth) encode() []byte {
	b := append(make([]byte, 0, 1+32+4*8+sumSize), version)
	b = append(b, g.peer[:]...)
	for _, n := range []uint64{g.seq, uint64(g.base), uint64(g.since), uint64(g.until)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func decodeGrowth(b []byte) (growth, error) {
	r := reader{b: b, what: "growth record"}
	r.version()
	g := growth{peer: identity.Entity(r.hash()), seq: r.u64()}
	for _, to := range []*Amount{&g.base, &g.since, &g.until} {
		n := r.u64()
		if n > maxAmount {
			r.fail(ErrFormat, "an amount is 2^62 or more")
		}
		*to = Amount(n)
	}
	if g.until < g.since {
		r.fail(ErrFormat, "less is repaid than before")
	}
	return g, r.end()
}

// most is the limit at which the growth ends.
func (g growth) most() Amount {
	if g.base > maxAmount/growthTimes {
		return maxAmount
	}
	return g.base * growthTimes
}

// limit is what the grant has grown to once so much is repaid.
func (g growth) limit(repaid Amount) Amount {
	return g.base + min(max(repaid-g.since, 0)/growthShare, g.most()-g.base)
}

// growthOf returns the growth of our newest grant, and what it is to be now: if
// that is another one, the second is to be written, and a grant of limit signed
// when that is above ours.
func (k book) growthOf(a account) (is, next growth, limit Amount, err error) {
	limit = a.own.grantLimit
	is, found, err := read(k, bGrowth, a.mine.line[:], decodeGrowth)
	if err != nil || a.own.grantSeq == 0 {
		return growth{}, growth{}, limit, err
	}
	if !found || is.seq != a.own.grantSeq { // the file is older than the grant, which a peer has brought back
		is = growth{}
		next = growth{peer: a.peer, seq: a.own.grantSeq, base: limit, since: a.repaid(), until: a.repaid()}
		return is, next, limit, nil
	}
	if grown := is.limit(a.repaid()); grown-limit >= max(is.base/growthStep, 1) {
		next = is
		next.seq, next.until = is.seq+1, a.repaid()
		return is, next, grown, nil
	}
	return is, is, limit, nil
}

// Grow lets our grant to peer grow by what the peer has repaid, if it has repaid
// enough for a step, and returns by how much. Without a grant, with one that has
// expired or is zero, and on a line that is not open, nothing grows. Errors are
// those of Grant.
func (l *Ledger) Grow(ctx context.Context, peer identity.Entity) (by Amount, err error) {
	fail := func(err error) (Amount, error) { return 0, fmt.Errorf("grow grant to %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	// Most times there is nothing to write.
	same := false
	err = l.store.view(func(g getter) error {
		a, err := book{g}.account(l.self, peer)
		if err != nil {
			return err
		}
		is, next, _, err := book{g}.growthOf(a)
		same = is == next
		return err
	})
	if err != nil {
		return fail(err)
	}
	if same {
		return 0, nil
	}
	grew := make(chan Amount, 1)
	err = l.submit(ctx, LineOf(l.self, peer), func(b *batch) error {
		by, err := b.grow(peer)
		grew <- by
		return err
	})
	if err != nil {
		return fail(err)
	}
	return <-grew, nil
}

// beginGrowth has a limit that the owner has just given begin to grow.
func (b *batch) beginGrowth(a account, limit Amount) error {
	g := growth{peer: a.peer, seq: a.own.grantSeq + 1, base: limit, since: a.repaid(), until: a.repaid()}
	if err := b.put(bGrowth, a.mine.line[:], g.encode()); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

func (b *batch) grow(peer identity.Entity) (Amount, error) {
	a, state, err := b.open(peer)
	if err != nil {
		return 0, err
	}
	is, next, limit, err := b.growthOf(a)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errStore, err)
	}
	by := limit - a.own.grantLimit
	if is == next || state != StateOpen || a.own.limitAt(b.l.cfg.Now()) == 0 {
		return 0, nil
	}
	if by > 0 {
		if err := b.newGrant(a, state, limit, a.own.grantExpiry); err != nil {
			return 0, err
		}
	}
	if err := b.put(bGrowth, a.mine.line[:], next.encode()); err != nil {
		return 0, fmt.Errorf("%w: %w", errStore, err)
	}
	return by, nil
}

// grown is a growth for people.
func (k book) grown(a account) (Growth, error) {
	is, _, _, err := k.growthOf(a)
	if err != nil || is.seq == 0 || is.until == is.since {
		return Growth{}, err
	}
	return Growth{By: a.own.grantLimit - is.base, Repaid: is.until - is.since, Most: is.most()}, nil
}

// growths looks at the growth records of a file that is checked.
func (c *checker) growths() error {
	return c.scan(bGrowth, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(c, bGrowth, key, value)
		if err != nil {
			return false, err
		}
		g, err := decodeGrowth(payload)
		if err != nil {
			return false, damage(c, bGrowth, key, value, err.Error())
		}
		switch a := c.lines[LineOf(c.self, g.peer)]; {
		case a == nil || string(key) != string(a.mine.line[:]):
			return false, damage(c, bGrowth, key, value, "its key is not a line with its peer")
		case g.seq > a.own.grantSeq:
			return false, damage(c, bGrowth, key, value, "it is of a grant that is not there")
		case g.seq == a.own.grantSeq && (a.own.grantLimit < g.base || a.own.grantLimit > g.most()):
			return false, damage(c, bGrowth, key, value, "the grant is not one that it makes")
		}
		return true, nil
	})
}
