package ledger

import (
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// chainModel is what a half-chain's entries and the vouchers beside them come to,
// by rules written a second time. It is of one node's file; the node at the other
// end has its own.
type chainModel struct {
	seq   uint64
	cum   Amount
	jobs  Amount // the part of cum that FOLDs and SETTLEs made
	locks map[identity.Hash]*lockModel
	paid  map[identity.Hash]Amount // by ref, of jobs
	most  Amount                   // that was ever claimed by vouchers and entries
}

// lockModel is a lock that may still be claimed of.
type lockModel struct {
	id, ref        identity.Hash
	amount, folded Amount
	expiry         uint64
	hash           bool // a preimage pays it
	void           bool

	said     Amount // the highest voucher that the node knows
	revealed bool   // it knows the preimage
	disk     Amount // the highest voucher that its disk is known to have
}

// advance takes in the next entry.
func (m *chainModel) advance(e Entry, b body) error {
	if m.locks == nil {
		m.locks, m.paid = map[identity.Hash]*lockModel{}, map[identity.Hash]Amount{}
	}
	if e.Seq != m.seq+1 {
		return fmt.Errorf("entry %d comes after %d", e.Seq, m.seq)
	}
	m.seq = e.Seq
	take := func(id identity.Hash) (*lockModel, error) {
		k := m.locks[id]
		if k == nil || k.ref != e.Ref {
			return nil, fmt.Errorf("entry %d, %s, is of no open lock", e.Seq, e.Kind)
		}
		if e.Kind == KindVoid {
			return k, nil
		}
		if k.folded += e.Amount; k.folded > k.amount {
			return nil, fmt.Errorf("entry %d takes %d of a lock of %d", e.Seq, k.folded, k.amount)
		}
		m.cum += e.Amount
		m.jobs += e.Amount
		m.paid[e.Ref] += e.Amount
		if k.folded == k.amount {
			delete(m.locks, id)
		}
		return k, nil
	}
	switch b := b.(type) {
	case nil:
		m.cum += e.Amount
	case LockTerms:
		m.locks[e.Hash()] = &lockModel{id: e.Hash(), ref: e.Ref, amount: e.Amount, expiry: b.Expiry, hash: b.Hash != identity.Hash{}}
	case Voucher:
		k, err := take(b.Lock)
		if err != nil {
			return err
		}
		if k.said = max(k.said, b.Cum); b.Cum != k.folded {
			return fmt.Errorf("entry %d folds up to %d by a voucher over %d", e.Seq, k.folded, b.Cum)
		}
	case settlement:
		if _, err := take(b.lock); err != nil {
			return err
		}
	case voiding:
		k, err := take(b.lock)
		if err != nil {
			return err
		}
		k.void = true
		if b.release != nil || k.hash && e.Tick >= k.expiry {
			delete(m.locks, b.lock)
		}
		if b.release != nil && b.release.Cum > k.folded {
			return fmt.Errorf("entry %d closes a lock at %d with a release at %d", e.Seq, k.folded, b.release.Cum)
		}
	}
	if m.cum != e.Cum {
		return fmt.Errorf("cum of entry %d is %d, not %d", e.Seq, e.Cum, m.cum)
	}
	return nil
}

// due is what is promised of k and not folded.
func (k *lockModel) due() Amount {
	switch {
	case k.hash && k.revealed:
		return k.amount
	case k.hash:
		return 0
	}
	return max(0, min(k.said, k.amount)-k.folded)
}

// claim is what the half-chain's writer owes in all.
func (m *chainModel) claim() Amount {
	sum := m.cum
	for _, k := range m.locks {
		sum += k.due()
	}
	return sum
}

// sure is the part of claim that never falls while nothing is lost: a preimage's
// lock closes at its expiry, revealed or not.
func (m *chainModel) sure() Amount {
	sum := m.cum
	for _, k := range m.locks {
		if !k.hash {
			sum += k.due()
		}
	}
	return sum
}

// held is what is set aside.
func (m *chainModel) held() Amount {
	var sum Amount
	for _, k := range m.locks {
		if !k.void {
			sum += k.amount - k.folded
		}
	}
	return sum
}

// of returns the open lock of a ref, nil when there is none.
func (m *chainModel) of(ref identity.Hash) *lockModel {
	for _, k := range m.locks {
		if k.ref == ref {
			return k
		}
	}
	return nil
}

// got is what came of a ref: what was folded, and what is due beside it.
func (m *chainModel) got(ref identity.Hash) Amount {
	sum := m.paid[ref]
	if k := m.of(ref); k != nil {
		sum += k.due()
	}
	return sum
}

// read takes in what a file has of a half-chain since.
func (c *chainModel) read(k book, w writer, h half) error {
	for c.seq < h.seq {
		_, r, err := k.entryAt(w, h.epoch, c.seq+1)
		if err != nil {
			return err
		}
		for n := int(c.seq + 1 - r.first().Seq); n < len(r.entries); n++ {
			if err := c.advance(r.entries[n], r.body(n)); err != nil {
				return fmt.Errorf("I5: %w", err)
			}
		}
	}
	return nil
}

// forget drops what of a half-chain's vouchers a file does not have.
func (c *chainModel) forget(b book, w writer) error {
	for id, k := range c.locks {
		e, err := b.evidence(w, id)
		if err != nil {
			return err
		}
		k.said, k.revealed = k.folded, e.preimage != nil
		if e.voucher != nil {
			k.said = max(k.said, e.voucher.Cum)
		}
		if k.said < k.disk {
			return fmt.Errorf("I3: a voucher over %d that was on the disk is lost, there is one over %d", k.disk, k.said)
		}
	}
	return nil
}

// follow has m take in what node i's file has of w's half-chain since.
func (s *sim) follow(i int, m *chainModel, w writer, h half) {
	err := s.nodes[i].disk.view(func(g getter) error { return m.read(book{g}, w, h) })
	if err != nil {
		s.fail("node %d: %w", i, err)
	}
}

// reread takes what is known of vouchers from a node's disk, as a process does
// that starts.
func (s *sim) reread(i, j int) {
	k, a := s.nodes[i].link[j], s.account(i, j)
	s.follow(i, &k.own, a.mine, a.own)
	s.follow(i, &k.other, a.theirs, a.other)
	err := s.nodes[i].disk.view(func(g getter) error {
		return errors.Join(k.own.forget(book{g}, a.mine), k.other.forget(book{g}, a.theirs))
	})
	if err != nil {
		s.fail("I3: node %d with %d: %w", i, j, err)
	}
	k.other.most = k.other.sure()
}

// claims holds what node i claims and owes on its line with j to the model.
func (s *sim) claims(i, j int) {
	n, k := s.nodes[i], s.nodes[i].link[j]
	if sure := k.other.sure(); sure < k.other.most {
		s.fail("claim: what %d may claim of %d fell from %d to %d", i, j, k.other.most, sure)
	} else {
		k.other.most = sure
	}
	if !n.up {
		return
	}
	n.l.mu.Lock()
	got, known := n.l.standing[s.entity(j)]
	n.l.mu.Unlock()
	if !known {
		return
	}
	if want := k.other.claim() - k.own.claim(); got.balance != want {
		s.fail("claim: node %d claims %d of %d, by what was signed it is %d", i, got.balance, j, want)
	}
	if got.own.held != k.own.held() || got.other.held != k.other.held() {
		s.fail("claim: node %d with %d has %d and %d locked, by the entries it is %d and %d",
			i, j, got.own.held, got.other.held, k.own.held(), k.other.held())
	}
}
