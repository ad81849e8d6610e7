package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// Our own side of certificates: what this key may still promise under them, and
// the words that it gives.

// promised is all that this key has promised or locked on all lines, as far as
// it is on the disk. l.mu is held.
func (l *Ledger) promised() Amount {
	var sum Amount
	for _, s := range l.standing {
		sum = min(sum+s.own.most(), maxAmount) // both are at most that, so nothing wraps
	}
	return sum
}

// allowed is what this key may promise in all, if anything bounds it: its
// certificate while that holds, whether or not it has given its word yet, and the
// words it gave. l.mu is held.
func (l *Ledger) allowed() (limit Amount, bound bool) {
	now, c := l.cfg.Now(), &l.certs
	limit = maxAmount
	if c.self != nil && c.own.ValidAt(now) == nil && !c.isRevoked(c.self.By, c.own, now) {
		limit, bound = limitOf(c.own), true
	}
	for _, a := range c.acts {
		if a.act.Until >= now.Unix() { // one that begins later too: the clock may go back
			limit, bound = min(limit, a.limit), true
		}
	}
	return limit, bound
}

// MaySell says whether this key may sell work: not while it acts under a
// certificate without the word for it.
func (l *Ledger) MaySell() bool {
	now := l.cfg.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := &l.certs
	return c.self == nil || c.own.ValidAt(now) != nil || c.isRevoked(c.self.By, c.own, now) || c.own.Allows(CanSell)
}

// affords refuses to set most aside for ref where it could not be promised. Of
// what is set aside for an order and locked for it only one counts, the larger.
// l.mu is held.
func (l *Ledger) affords(peer identity.Entity, most Amount, ref identity.Hash) error {
	limit, bound := l.allowed()
	if !bound {
		return nil
	}
	used := l.promised()
	for h := range l.holds {
		if h.debtor {
			used = min(used+l.unlocked(h.peer, h.most, h.ref), maxAmount) // each is at most that, so nothing wraps
		}
	}
	if min(used+l.unlocked(peer, most, ref), maxAmount) > limit {
		return fmt.Errorf("%w: this node may promise %s credits in all, has promised or reserved %s, and would reserve %s more",
			ErrBudget, limit, used, most)
	}
	return nil
}

// unlocked is what of most, set aside for ref, no lock of ours is over. l.mu is
// held.
func (l *Ledger) unlocked(peer identity.Entity, most Amount, ref identity.Hash) Amount {
	if ref == (identity.Hash{}) {
		return most
	}
	for _, k := range l.standing[peer].own.locks {
		if k.ref == ref {
			most -= min(most, k.amount)
		}
	}
	return most
}

// spend refuses a promise of more than our certificates let us: the lowest of all
// under which our word still holds. What this transaction promised before counts.
func (b *batch) spend(amount Amount) error {
	l := b.l
	l.mu.Lock()
	defer l.mu.Unlock()
	limit, bound := l.allowed()
	if !bound {
		b.spent = min(b.spent+amount, maxAmount)
		return nil
	}
	if !b.summed {
		b.spent, b.summed = min(b.spent+l.promised(), maxAmount), true
	}
	if sum := min(b.spent+amount, maxAmount); sum > limit {
		return fmt.Errorf("%w: this node may promise %s credits in all, has promised %s, and would promise %s more",
			ErrBudget, limit, b.spent, amount)
	}
	b.spent += amount
	return nil
}

// Credentials returns the message that shows a peer for whom this key acts, and
// what its entity has revoked; nil is for nobody, and nothing. The word in it is
// on the disk. Hand it to peers before what is signed, and again when it changes:
// each half hour. The peer gives it to TakeCredentials. Errors are ErrReadOnly
// and ErrClosed.
func (l *Ledger) Credentials(ctx context.Context) ([]byte, error) {
	now := l.cfg.Now()
	l.mu.Lock()
	c := &l.certs
	if c.message != nil && now.Unix() < c.renew {
		defer l.mu.Unlock()
		return c.message, nil
	}
	entity, acts := l.entity(), false
	if c.self != nil {
		acts = c.own.ValidAt(now.Add(time.Second)) == nil && !c.isRevoked(entity, c.own, now)
	}
	silent, changes := !acts && len(c.revoked[entity]) == 0, c.changes
	l.mu.Unlock()
	if silent {
		return nil, nil
	}
	var out credentials
	renew := now.Add(actLife / 2).Unix()
	if acts {
		w, fresh, err := l.ownWarrant(ctx, now)
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		if out.warrant = &w; fresh {
			changes++
		}
		if renew = w.act.Until; renew < c.own.NotAfter {
			renew -= int64(actLife/time.Second) / 2
		}
	}
	err := l.store.view(func(g getter) error {
		return book{g}.certs(certRevoked, func(key, payload []byte) error {
			if !bytes.Equal(key[1:33], entity[:]) {
				return nil
			}
			s, err := decodeStatement(payload)
			out.revoked = append(out.revoked, s)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	message := out.encode()
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.changes == changes { // nothing was revoked meanwhile
		c.message, c.renew = message, renew
	}
	return message, nil
}

// ownWarrant returns our word that has longest to go, or gives a fresh one.
func (l *Ledger) ownWarrant(ctx context.Context, now time.Time) (out warrant, fresh bool, err error) {
	said := l.certs.self.Hash(identity.CertificatePurpose) // set once, by Open
	// From the next second on: what was promised in this one was not under it. Nor
	// was what bears a later time, of before the clock was put back.
	from, err := l.promisedAt(limitOf(l.certs.own))
	if err != nil {
		return out, false, err
	}
	from = max(from, now.Unix()+1)
	find := func(k book) error {
		return k.certs(certOwn, func(_, payload []byte) error {
			w, err := keptWarrant(payload)
			if err == nil && w.act.Certificate == said && w.act.From <= from && w.act.Until > out.act.Until {
				out = w
			}
			return err
		})
	}
	if err := l.store.view(func(g getter) error { return find(book{g}) }); err != nil {
		return out, false, err
	}
	last := l.certs.own.NotAfter
	if out.act.Until == last || out.act.Until >= now.Add(actLife/2).Unix() {
		return out, false, nil
	}
	if from > last {
		return out, false, fmt.Errorf("%w: the clock was ahead, and what was promised then bears a time after it", identity.ErrExpired)
	}
	act := Act{Certificate: said, From: from, Until: min(from-1+int64(actLife/time.Second), last)}
	word, err := l.sign(ActPurpose, act.Encode())
	if err != nil {
		return out, false, err
	}
	if out, err = newWarrant(*l.certs.self, word); err != nil {
		return out, false, err
	}
	w := out
	return out, true, l.submit(ctx, LineID{}, func(b *batch) error { return b.act(w) })
}

// promisedAt is the first second, Unix time, after our newest entry on any line on
// which we have promised and locked more than limit; 0 when there is none.
func (l *Ledger) promisedAt(limit Amount) (after int64, err error) {
	var above []identity.Entity
	l.mu.Lock()
	for peer, s := range l.standing {
		if s.own.most() > limit {
			above = append(above, peer)
		}
	}
	l.mu.Unlock()
	err = l.store.view(func(g getter) error {
		for _, peer := range above {
			a, err := book{g}.account(l.self, peer)
			if err != nil {
				return err
			}
			newest, _, err := book{g}.entryAt(a.mine, a.own.epoch, a.own.seq)
			switch {
			case errors.Is(err, ErrSegment): // lost, and old
			case err != nil:
				return err
			default:
				after = max(after, int64(newest.Tick+1)*tickLength)
			}
		}
		return nil
	})
	return after, err
}

// sign is the signer's, or ErrReadOnly.
func (l *Ledger) sign(p identity.Purpose, body []byte) (identity.Statement, error) {
	if l.signer == nil {
		return identity.Statement{}, ErrReadOnly
	}
	return l.signer.Sign(p, body)
}

// act writes our own word, before it leaves, and forgets those that have ended.
func (b *batch) act(w warrant) error {
	l := b.l
	now := l.cfg.Now().Unix()
	var over [][]byte
	held := 0
	err := b.certs(certOwn, func(key, payload []byte) error {
		old, err := keptWarrant(payload)
		if err == nil && old.act.Until+forgetActs < now {
			over = append(over, bytes.Clone(key))
		}
		held++
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if held-len(over) >= maxActs {
		return fmt.Errorf("%w: %d words of ours are kept", ErrCertificates, maxActs)
	}
	for _, key := range over {
		if err := b.remove(bCert, key); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
	}
	id := identity.HashOf(w.act.Encode())
	if err := b.put(bCert, certKey(certOwn, id[:]), encodeWarrant(w)); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	// At once, and not with the commit: what follows in this transaction is bound
	// by it, and if the transaction fails nothing is written any more.
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.certs.acts[:0]
	for _, a := range l.certs.acts {
		if a.act.Until+forgetActs >= now {
			kept = append(kept, a)
		}
	}
	l.certs.acts = append(kept, ownAct{w.act, limitOf(w.cert)})
	l.certs.stale()
	return nil
}
