package ledger

import (
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// MaxLocks is how many locks a half-chain has at most that are not closed for
// good.
const MaxLocks = 64

// tally is where a half-chain stands. It comes from its entries alone, one by
// one through apply, which knows no store, no clock and no key: whoever has the
// same entries has the same tally. It is a value; apply changes no other.
type tally struct {
	epoch uint32
	seq   uint64
	cum   Amount
	held  Amount // the rest of each open lock
	tip   identity.Hash
	locks []lock // open or void, by id; MaxLocks at most
}

// lock is a LOCK entry of which something may still come.
//
//	      VOID alone
//	open ────────────▶ void
//	  │                  │ FOLD or SETTLE of all, VOID with a release,
//	  └────────┬─────────┘ VOID of a preimage's lock after its expiry
//	           ▼
//	         closed, and forgotten
type lock struct {
	id             identity.Hash // of the entry
	seq            uint64        // its number
	ref            identity.Hash
	amount, folded Amount // folded is the part that FOLDs made part of cum
	terms          LockTerms
	void           bool // the payer took the rest back, the payee may still claim of it
}

func (k lock) rest() Amount { return k.amount - k.folded }

// byPreimage says whether a preimage pays k out, and not vouchers.
func (k lock) byPreimage() bool { return k.terms.Hash != identity.Hash{} }

// find returns the lock of this id.
func (t tally) find(id identity.Hash) (lock, bool) {
	i, ok := t.search(id)
	if !ok {
		return lock{}, false
	}
	return t.locks[i], true
}

func (t tally) search(id identity.Hash) (int, bool) {
	return slices.BinarySearchFunc(t.locks, id, func(k lock, id identity.Hash) int { return slices.Compare(k.id[:], id[:]) })
}

// with returns t with k in place of the lock of its id, or beside the others.
func (t tally) with(k lock) tally {
	t.locks = slices.Clone(t.locks)
	if i, ok := t.search(k.id); ok {
		t.locks[i] = k
	} else {
		t.locks = slices.Insert(t.locks, i, k)
	}
	return t
}

// without returns t without the lock of this id.
func (t tally) without(id identity.Hash) tally {
	if i, ok := t.search(id); ok {
		t.locks = slices.Delete(slices.Clone(t.locks), i, i+1)
	}
	if len(t.locks) == 0 {
		t.locks = nil
	}
	return t
}

// most is all that can ever be claimed by what t holds.
func (t tally) most() Amount {
	sum := t.cum
	for _, k := range t.locks {
		sum += k.rest() // move keeps this below 2^62
	}
	return sum
}

// apply returns where the half-chain stands after e, whose body is b, or says
// why e cannot come next.
func (t tally) apply(e Entry, b body) (tally, error) {
	switch {
	case e.Epoch != t.epoch:
		return t, fmt.Errorf("entry %d is of epoch %d, not %d", e.Seq, e.Epoch, t.epoch)
	case e.Seq != t.seq+1:
		return t, fmt.Errorf("entry %d follows entry %d", e.Seq, t.seq)
	case e.Prev != t.tip:
		return t, fmt.Errorf("prev of entry %d is not the hash of entry %d", e.Seq, t.seq)
	}
	n, err := t.move(e, b)
	switch {
	case err != nil:
		return t, fmt.Errorf("entry %d, %s: %w", e.Seq, e.Kind, err)
	case e.Cum != n.cum && e.Kind.moves():
		return t, fmt.Errorf("cum of entry %d is %d, not %d and its amount of %d", e.Seq, e.Cum, t.cum, e.Amount)
	case e.Cum != n.cum:
		return t, fmt.Errorf("cum of entry %d is %d, not %d", e.Seq, e.Cum, n.cum)
	case e.Held != n.held:
		return t, fmt.Errorf("held of entry %d is %d, not %d", e.Seq, e.Held, n.held)
	}
	return n.reach(e, b), nil
}

// reach names e as the newest entry: what move cannot, before all of e is known.
func (t tally) reach(e Entry, b body) tally {
	t.seq, t.tip = e.Seq, e.Hash()
	if terms, ok := b.(LockTerms); ok {
		t = t.with(lock{id: t.tip, seq: e.Seq, ref: e.Ref, amount: e.Amount, terms: terms})
	}
	return t
}

// move carries out what e does to the sums and the locks. It reads the kind,
// amount, ref and tick of e.
func (t tally) move(e Entry, b body) (tally, error) {
	switch b := b.(type) {
	case nil:
		if e.Kind != KindPay {
			return t, fmt.Errorf("it has no body")
		}
		if _, err := t.most().add(e.Amount); err != nil {
			return t, err
		}
		t.cum += e.Amount
		return t, nil
	case LockTerms:
		if len(t.locks) >= MaxLocks {
			return t, fmt.Errorf("%w: %d are not closed", ErrLocks, len(t.locks))
		}
		if _, err := t.most().add(e.Amount); err != nil {
			return t, err
		}
		t.held += e.Amount
		return t, nil
	case Voucher:
		k, err := t.of(b.Lock, e.Ref)
		switch {
		case err != nil:
			return t, err
		case !b.fits(k):
			return t, fmt.Errorf("its voucher does not fit its lock of %s", k.amount)
		case b.Cum <= k.folded || e.Amount != b.Cum-k.folded:
			return t, fmt.Errorf("amount is %d, the voucher is over %d and %d is folded", e.Amount, b.Cum, k.folded)
		}
		return t.take(k, e.Amount), nil
	case settlement:
		k, err := t.of(b.lock, e.Ref)
		switch {
		case err != nil:
			return t, err
		case !b.fits(k):
			return t, fmt.Errorf("its preimage is not the lock's")
		case e.Amount != k.amount:
			return t, fmt.Errorf("amount is %d, the lock's is %d", e.Amount, k.amount)
		}
		return t.take(k, e.Amount), nil
	case voiding:
		k, err := t.of(b.lock, e.Ref)
		switch {
		case err != nil:
			return t, err
		case e.Amount != k.rest():
			return t, fmt.Errorf("amount is %d, the rest of the lock is %d", e.Amount, k.rest())
		case b.release != nil && b.release.Cum > k.folded:
			return t, fmt.Errorf("the release is at %d, and only %d is folded", b.release.Cum, k.folded)
		case b.release == nil && k.void:
			return t, fmt.Errorf("the lock is void already, and there is no release")
		}
		if !k.void {
			t.held -= e.Amount
		}
		if b.release != nil || k.byPreimage() && e.Tick >= k.terms.Expiry {
			return t.without(k.id), nil
		}
		k.void = true
		return t.with(k), nil
	}
	return t, fmt.Errorf("%w: %s", ErrKind, e.Kind)
}

// of returns the lock that an entry for ref names.
func (t tally) of(id, ref identity.Hash) (lock, error) {
	k, ok := t.find(id)
	switch {
	case !ok:
		return lock{}, fmt.Errorf("%w: %s", ErrLock, id.Short())
	case k.ref != ref:
		return lock{}, fmt.Errorf("its ref is not the lock's")
	}
	return k, nil
}

// take makes amount of k part of cum.
func (t tally) take(k lock, amount Amount) tally {
	t.cum += amount
	if !k.void {
		t.held -= amount
	}
	if k.folded += amount; k.rest() == 0 {
		return t.without(k.id)
	}
	return t.with(k)
}

// steps says whether e can stand right after an entry with this cum and held,
// as far as the two show.
func (e Entry) steps(cum, held Amount) bool {
	moved, less := e.Cum-cum, held-e.Held
	switch e.Kind {
	case KindPay:
		return moved == e.Amount && less == 0
	case KindLock:
		return moved == 0 && less == -e.Amount
	case KindVoid:
		return moved == 0 && (less == 0 || less == e.Amount)
	}
	return moved == e.Amount && (less == 0 || less == e.Amount)
}
