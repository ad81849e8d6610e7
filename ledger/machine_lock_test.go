package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/peersea/sea/identity"
)

// Locks in the machine: either side locks, gives vouchers, folds, takes back early
// or late, settles by preimage; the other takes what comes of that, in any order,
// and releases. Each side's file is followed by the rules of sim_model_test.go.

// The kinds of letters beside the ledger's own messages.
const (
	letterVoucher = 'v'
	letterRelease = 'r'
)

// bargains are the two half-chains as one side's file has them, and which locks
// of the other it has released.
type bargains struct {
	own, other chainModel
	released   map[identity.Hash]bool
}

// preimage is the secret of locks for ref.
func preimage(ref identity.Hash) [32]byte { return sha256.Sum256(ref[:]) }

// anyLock draws one of a half-chain's open locks, nil when there is none.
func (m *machine) anyLock(c chainModel) *lockModel {
	if len(c.locks) == 0 {
		return nil
	}
	ids := slices.SortedFunc(maps.Keys(c.locks), func(a, b identity.Hash) int { return slices.Compare(a[:], b[:]) })
	return c.locks[ids[m.draw(len(ids))]]
}

// lockStep has side i do one thing with a lock.
func (m *machine) lockStep(i int) error {
	l, to, d := m.ls[i], m.peer(i), &m.deals[i]
	mine, theirs := m.anyLock(d.own), m.anyLock(d.other)
	switch m.draw(8) {
	case 0:
		m.refs++
		ref := m.ref(i, m.refs)
		terms := LockTerms{Expiry: tickOf(m.now()) + uint64(m.draw(4)), Quote: testQuote}
		if m.draw(3) == 0 {
			secret := preimage(ref)
			terms.Hash = sha256.Sum256(secret[:])
		}
		_, err := l.Lock(background, to, Amount(1+m.draw(9)), ref, terms)
		return err
	case 1, 2: // a voucher
		if mine == nil || mine.hash {
			return nil
		}
		v, err := l.SignVoucher(to, mine.id, Amount(1+m.draw(int(mine.amount))), 1)
		if err == nil {
			mine.said = max(mine.said, v.Cum)
			m.wire = append(m.wire, letter{1 - i, letterVoucher, v.Encode()})
		}
		return err
	case 3:
		if mine == nil {
			return nil
		}
		return l.Fold(background, to, mine.id, nil)
	case 4: // what no honest ledger writes
		if mine == nil || mine.void {
			return nil
		}
		return voidRaw(l, to, mine.id)
	case 5:
		if theirs == nil || theirs.hash {
			return nil
		}
		least := theirs.folded + theirs.due()
		r, err := l.Release(to, theirs.id, least+Amount(m.draw(int(theirs.amount-least)+1)))
		if err == nil {
			d.released[theirs.id] = true
			m.wire = append(m.wire, letter{1 - i, letterRelease, r.Encode()})
		}
		return err
	case 6: // who knows the secret, and who has to pay for it
		if theirs != nil && theirs.hash {
			err := l.Reveal(background, to, theirs.id, preimage(theirs.ref))
			if errors.Is(err, ErrVoucher) && tickOf(m.now()) >= theirs.expiry {
				return nil
			}
			theirs.revealed = l.saidOf(theirs.id).preimage != nil
			return err
		}
		if mine != nil && mine.hash {
			return l.Settle(background, to, mine.id, preimage(mine.ref))
		}
	case 7:
		m.late += tickLength / 2
	}
	return nil
}

// arriveLock takes in a letter about a lock.
func (m *machine) arriveLock(x letter) error {
	l, from, d := m.ls[x.to], m.peer(x.to), &m.deals[x.to]
	if x.kind == letterRelease {
		r, err := DecodeRelease(x.b)
		if err != nil {
			return err
		}
		k := d.own.locks[r.Lock]
		switch err := l.Fold(background, from, r.Lock, &r); {
		case k == nil && errors.Is(err, ErrLock):
			return nil
		case k != nil && errors.Is(err, ErrVoucher) && r.Cum > k.folded+k.due():
			return nil // a crash took its vouchers: the payee will show them
		default:
			return err
		}
	}
	v, err := DecodeVoucher(x.b)
	if err != nil {
		return err
	}
	k := d.other.locks[v.Lock]
	if d.released[v.Lock] {
		return nil
	}
	switch err := l.TakeVoucher(background, from, v); {
	case k == nil && errors.Is(err, ErrLock):
		return nil
	case k == nil:
		return fmt.Errorf("claim: a voucher of no lock was taken: %v", err)
	case k.void && errors.Is(err, ErrVoucher) && v.Cum > k.said:
		return nil
	case err != nil:
		return err
	}
	k.said = max(k.said, v.Cum)
	if err := flush(l); err != nil { // it is lost in a crash
		return err
	}
	k.disk = k.said
	return nil
}

// shown takes in what a position told side i of its own vouchers.
func (m *machine) shown(i int, b []byte) error {
	p, err := decodePosition(b)
	if err != nil {
		return err
	}
	for _, x := range p.shown {
		if x.voucher == nil {
			continue
		}
		said := m.ls[i].saidOf(x.voucher.Lock)
		if k := m.deals[i].own.locks[x.voucher.Lock]; k != nil && said.voucher != nil && said.voucher.Cum >= x.voucher.Cum {
			k.said = max(k.said, x.voucher.Cum)
		}
	}
	return nil
}

// follow takes in what the files have of both half-chains since.
func (m *machine) follow(i int) error {
	d, a := &m.deals[i], account{}
	return m.ls[i].store.view(func(g getter) (err error) {
		if a, err = (book{g}).account(m.ls[i].self, m.peer(i)); err != nil {
			return err
		}
		return errors.Join(d.own.read(book{g}, a.mine, a.own), d.other.read(book{g}, a.theirs, a.other))
	})
}

// reread takes what was promised of locks from side i's disk, as a process does
// that starts.
func (m *machine) reread(i int) error {
	if err := m.follow(i); err != nil {
		return err
	}
	d, a := &m.deals[i], accountOf(m.ls[i].self, m.peer(i))
	err := m.ls[i].store.view(func(g getter) error {
		return errors.Join(d.own.forget(book{g}, a.mine), d.other.forget(book{g}, a.theirs))
	})
	d.other.most = d.other.sure()
	return err
}

// checkLocks holds side i's claims to the model.
func (m *machine) checkLocks(i int) error {
	if err := m.follow(i); err != nil {
		return err
	}
	d, l := &m.deals[i], m.ls[i]
	if sure := d.other.sure(); sure < d.other.most {
		return fmt.Errorf("claim: what side %d may claim fell from %d to %d", i, d.other.most, sure)
	} else {
		d.other.most = sure
	}
	l.mu.Lock()
	got, known := l.standing[m.peer(i)]
	l.mu.Unlock()
	if !known {
		return nil
	}
	if want := d.other.claim() - d.own.claim(); got.balance != want {
		return fmt.Errorf("claim: side %d claims %d, by what was signed it is %d", i, got.balance, want)
	}
	if got.own.held != d.own.held() || got.other.held != d.other.held() {
		return fmt.Errorf("claim: side %d has %d and %d locked, by the entries it is %d and %d",
			i, got.own.held, got.other.held, d.own.held(), d.other.held())
	}
	return nil
}
