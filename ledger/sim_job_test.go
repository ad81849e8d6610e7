package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
)

// Jobs that are paid as they run, as plugins/market has them: the seller sets room
// aside, the buyer locks the ceiling, work is shown and vouchers follow, the
// seller stands still when it is ahead by a quantum and a quarter, and at the end
// the bill is folded and the seller's release closes the lock.

// simFault is what a buyer does wrong.
type simFault int

const (
	faultNone     simFault = iota
	faultNoFold            // vouches to the end and never folds
	faultVanish            // says nothing more after half of the work
	faultVoid              // takes the lock back half way, without the seller, and goes on vouching
	faultCancel            // gives up half way and asks for a release: no fault, but another way out
	faultPreimage          // none, of a lock that a preimage pays
	faults
)

type simJob struct {
	seller, buyer   int
	ref, quote      identity.Hash
	preimage        [32]byte
	fault           simFault
	ceiling, total  Amount // what it costs in the end
	quantum         Amount
	expiry          uint64
	hold            *simHold
	life            int // of the seller's process
	tries           int
	asked           bool // the buyer has made the lock, or tried to
	voided          bool
	ended           bool   // the seller does nothing more for it
	worked          Amount // what the seller has done
	shown           Amount // what of it the buyer has seen
	lost            Amount // vouchers that went with the seller's process
	restored        bool   // and with its file, so that nobody knows
	before, sellers Amount // what the seller had before its process ended
}

// ahead is how far the seller works without a voucher at most.
func (t *simJob) ahead() Amount { return t.quantum + t.quantum/4 + 1 }

func (s *sim) newJob(seller, buyer int, fault simFault) *simJob {
	s.refs++
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(s.refs)<<8|uint64(buyer))
	t := &simJob{
		seller: seller, buyer: buyer, fault: fault, ref: identity.HashOf(b[:]),
		ceiling: 1000 + Amount(s.rnd.IntN(3_000_000)), expiry: tickOf(s.clock()) + 1 + uint64(s.rnd.IntN(3)),
		life: s.nodes[seller].life,
	}
	t.quote, t.preimage = identity.HashOf(t.ref[:]), sha256.Sum256(t.ref[:])
	t.total = 1 + Amount(s.rnd.Int64N(int64(t.ceiling)))
	t.quantum = t.total/Amount(2+s.rnd.IntN(6)) + 1
	s.jobs = append(s.jobs, t)
	k := s.linkOf(seller, buyer)
	k.jobs = append(k.jobs, t)
	s.after(time.Unix(int64(t.expiry*tickLength), 0).Sub(s.clock())+s.some(10*time.Second), func() { s.sweep(t) })
	return t
}

func (t *simJob) terms() LockTerms {
	terms := LockTerms{Expiry: t.expiry, Quote: t.quote}
	if t.fault == faultPreimage {
		terms.Hash = sha256.Sum256(t.preimage[:])
	}
	return terms
}

// lockJob has node i work for j, paid as it goes.
func (s *sim) lockJob(i, j int) {
	n := s.nodes[i]
	k := s.linkOf(i, j)
	fault := simFault(s.rnd.IntN(int(faults)))
	if s.rnd.IntN(2) == 0 {
		fault = faultNone
	}
	if !n.up {
		return
	}
	if fault == faultPreimage {
		s.hop(s.newJob(i, j, fault))
		return
	}
	most := Amount(1000 + s.rnd.IntN(3_000_000))
	hold, err := n.l.Hold(s.entity(j), most)
	switch {
	case errors.Is(err, ErrLimit), errors.Is(err, ErrLine) && k.lost:
		s.counts["jobs refused"]++
		return
	case err != nil:
		s.refused(n, "hold", err)
		return
	}
	s.counts["jobs by vouchers"]++
	t := s.newJob(i, j, fault)
	t.ceiling = most
	t.total = 1 + Amount(s.rnd.Int64N(int64(most)))
	t.quantum = t.total/Amount(2+s.rnd.IntN(6)) + 1
	t.hold = &simHold{hold, j, most, t.ref}
	n.holds = append(n.holds, t.hold)
	hold.For(t.ref)
	s.note("%d holds %d for a job of %d", i, most, j)
	s.exposed(n, t.hold)
	s.send(i, j, t.ref[:], false, func() { s.lock(t) })
	s.after(s.some(300*time.Millisecond), func() { s.workOn(t) })
}

// lock has the buyer lock the ceiling.
func (s *sim) lock(t *simJob) {
	n, k := s.nodes[t.buyer], s.linkOf(t.buyer, t.seller)
	if t.asked {
		return
	}
	t.asked = true
	_, err := n.l.Lock(background, s.entity(t.seller), t.ceiling, t.ref, t.terms())
	switch {
	case err == nil:
		s.counts["locks"]++
		s.note("%d locks %d for %d", t.buyer, t.ceiling, t.seller)
	case errors.Is(err, ErrLocks), errors.Is(err, ErrLine) && k.lost:
	default:
		s.refused(n, "lock", err)
	}
	s.check(t.buyer, t.seller)
	s.wake(t.buyer, t.seller)
}

// workOn has the seller do the next part, if it may.
func (s *sim) workOn(t *simJob) {
	n := s.nodes[t.seller]
	if !n.up || n.life != t.life || t.ended {
		return
	}
	k := n.link[t.buyer]
	hold, err := n.l.Hold(s.entity(t.buyer), 0)
	switch {
	case errors.Is(err, ErrLimit), errors.Is(err, ErrLine) && k.lost:
		t.tries++
	case err != nil:
		s.refused(n, "hold", err)
		return
	case t.worked-s.covered(t) >= t.quantum:
		hold.Release()
		t.tries++
	default:
		hold.Release()
		s.exposed(n, t.hold)
		t.worked = min(t.worked+t.quantum/4+1, t.total)
	}
	switch {
	case t.worked == t.total:
		s.delivered(t)
		return
	case t.tries > 30:
		s.endJob(t)
		return
	}
	shown := t.worked
	s.send(t.seller, t.buyer, binary.BigEndian.AppendUint64(t.ref[:], uint64(shown)), false, func() {
		t.shown = max(t.shown, shown)
		s.vouch(t)
	})
	s.check(t.seller, t.buyer)
	s.after(50*time.Millisecond+s.some(200*time.Millisecond), func() { s.workOn(t) })
}

// covered is what the seller takes for paid.
func (s *sim) covered(t *simJob) Amount {
	if s.bug != nil && s.bug.credulous {
		return t.sellers
	}
	return s.nodes[t.seller].link[t.buyer].other.got(t.ref)
}

// vouch has the buyer promise what it has seen.
func (s *sim) vouch(t *simJob) {
	n, k := s.nodes[t.buyer], s.linkOf(t.buyer, t.seller)
	if t.shown > t.total/2 {
		switch t.fault {
		case faultVanish:
			return
		case faultVoid:
			s.voidEarly(t)
		case faultCancel:
			s.send(t.buyer, t.seller, t.ref[:], false, func() { s.cancelled(t) })
			return
		}
	}
	lock := k.own.of(t.ref)
	if lock == nil || !n.up || t.shown == 0 {
		return
	}
	v, err := n.l.SignVoucher(s.entity(t.seller), lock.id, t.shown, uint64(t.shown))
	if err == nil && s.bug != nil && s.bug.credulous {
		v.Cum = 2 * t.ceiling
		v, err = v.sign(n.key)
	}
	if err != nil {
		s.linkRefused(t.buyer, t.seller, "voucher", err)
		return
	}
	s.counts["vouchers"]++
	lock.said = max(lock.said, min(v.Cum, t.shown))
	s.check(t.buyer, t.seller)
	s.send(t.buyer, t.seller, v.Encode(), false, func() { s.takeVoucher(t, v) })
}

// linkRefused is refused for what a fenced line forbids.
func (s *sim) linkRefused(i, j int, what string, err error) {
	if k := s.nodes[i].link[j]; errors.Is(err, ErrLine) && k.lost {
		return
	}
	s.refused(s.nodes[i], what, err)
}

func (s *sim) takeVoucher(t *simJob, v Voucher) {
	n, k := s.nodes[t.seller], s.nodes[t.seller].link[t.buyer]
	lock, before := k.other.locks[v.Lock], k.other.got(t.ref)
	err := n.l.TakeVoucher(background, s.entity(t.buyer), v)
	if t.sellers = max(t.sellers, v.Cum); s.bug != nil && s.bug.credulous {
		return
	}
	switch {
	case errors.Is(err, ErrLock) && lock == nil:
		return // it has not come yet, or is closed
	case errors.Is(err, ErrVoucher) && lock != nil && lock.void:
		return
	case err != nil:
		s.refused(n, "take a voucher", err)
		return
	case lock == nil:
		s.fail("claim: node %d takes a voucher of %d without its lock", t.seller, t.buyer)
		return
	}
	s.note("%d has a voucher over %d of %d", t.seller, v.Cum, t.buyer)
	lock.said = max(lock.said, v.Cum)
	if t.hold != nil {
		t.hold.most -= min(t.hold.most, k.other.got(t.ref)-before)
	}
	if err := flush(n.l); err != nil {
		s.check(t.seller, t.buyer)
		s.refused(n, "keep a voucher", err)
		return
	}
	lock.disk = lock.said
	s.tamper(t.seller, t.buyer)
	s.check(t.seller, t.buyer)
}

// flush waits until the vouchers that were taken are on the disk. Whoever takes
// the nudge, they are written once.
func flush(l *Ledger) error {
	select {
	case <-l.nudge:
	default:
	}
	return l.submit(background, LineID{}, func(*batch) error { return nil })
}

// delivered has the seller ask for its bill.
func (s *sim) delivered(t *simJob) {
	n, k := s.nodes[t.seller], s.nodes[t.seller].link[t.buyer]
	if !n.up || n.life != t.life || k.other.paid[t.ref] >= t.total {
		return
	}
	if !t.ended {
		s.after(8*time.Second, func() { s.endJob(t) })
	}
	t.ended = true
	rel := s.release(t, t.total)
	s.send(t.seller, t.buyer, append(t.ref[:], 1), false, func() {
		t.shown = t.total
		if t.fault == faultNone || t.fault == faultCancel {
			s.payBill(t, t.total, rel)
		}
	})
	if t.tries++; t.tries < 40 {
		s.after(time.Second+s.some(time.Second), func() { s.delivered(t) })
	}
}

// release is the seller's word that the lock may be closed for cost; nil when
// the lock is not there.
func (s *sim) release(t *simJob, cost Amount) *Release {
	n, k := s.nodes[t.seller], s.nodes[t.seller].link[t.buyer]
	lock := k.other.of(t.ref)
	if lock == nil {
		return nil
	}
	cost = max(cost, lock.folded+lock.due())
	rel, err := n.l.Release(s.entity(t.buyer), lock.id, cost)
	if err == nil && s.bug != nil && s.bug.generous {
		rel.Cum = lock.folded
		rel, err = rel.sign(n.key)
	}
	if err != nil {
		s.linkRefused(t.seller, t.buyer, "release", err)
		return nil
	}
	return &rel
}

// payBill has the buyer pay a job out of its lock.
func (s *sim) payBill(t *simJob, cost Amount, rel *Release) {
	n, k := s.nodes[t.buyer], s.linkOf(t.buyer, t.seller)
	lock := k.own.of(t.ref)
	if !n.up || lock == nil {
		return
	}
	if s.bug != nil && s.bug.generous {
		n.l.mu.Lock()
		delete(n.l.said, lock.id)
		n.l.mu.Unlock()
	} else if cost > 0 {
		v, err := n.l.SignVoucher(s.entity(t.seller), lock.id, cost, uint64(cost))
		if err != nil {
			s.linkRefused(t.buyer, t.seller, "voucher", err)
			return
		}
		lock.said = max(lock.said, v.Cum)
	}
	s.fold(t, lock, rel)
}

// fold has the buyer fold what it vouched, and take back the rest if it may.
func (s *sim) fold(t *simJob, lock *lockModel, rel *Release) {
	n := s.nodes[t.buyer]
	err := n.l.Fold(background, s.entity(t.seller), lock.id, rel)
	if errors.Is(err, ErrVoucher) && rel.Cum > lock.folded+lock.due() {
		s.counts["vouchers forgotten"]++ // by a payer that crashed: the payee will show it
	} else if err != nil {
		s.linkRefused(t.buyer, t.seller, "fold", err)
		if !n.up {
			return
		}
	} else {
		s.counts["folds"]++
		s.note("%d folds for %d", t.buyer, t.seller)
	}
	s.check(t.buyer, t.seller)
	s.wake(t.buyer, t.seller)
}

// cancelled has the seller end a job that its buyer gave up.
func (s *sim) cancelled(t *simJob) {
	n := s.nodes[t.seller]
	if n.life != t.life {
		return
	}
	t.ended = true
	rel := s.release(t, 0)
	s.after(3*time.Second, func() { s.endJob(t) })
	if rel == nil {
		return
	}
	s.send(t.seller, t.buyer, append(t.ref[:], 2), false, func() { s.payBill(t, 0, rel) })
}

// voidEarly writes the VOID that no honest ledger writes: before the expiry, and
// without the payee.
func (s *sim) voidEarly(t *simJob) {
	n, k := s.nodes[t.buyer], s.linkOf(t.buyer, t.seller)
	lock := k.own.of(t.ref)
	if t.voided || lock == nil || !n.up || lock.void {
		return
	}
	t.voided = true
	if err := voidRaw(n.l, s.entity(t.seller), lock.id); err != nil {
		s.linkRefused(t.buyer, t.seller, "void", err)
		return
	}
	s.counts["voids before expiry"]++
	s.note("%d takes back what it locked for %d", t.buyer, t.seller)
	s.check(t.buyer, t.seller)
	s.wake(t.buyer, t.seller)
}

func voidRaw(l *Ledger, peer identity.Entity, lock identity.Hash) error {
	return l.submit(background, LineOf(l.self, peer), func(b *batch) error {
		d, err := b.begin(peer, 1)
		if err != nil {
			return err
		}
		k, ok := d.t.find(lock)
		if !ok {
			return ErrLock
		}
		_, err = b.add(d, KindVoid, k.rest(), k.ref, voiding{lock, nil})
		return err
	})
}

// endJob gives the seller's room back.
func (s *sim) endJob(t *simJob) {
	n := s.nodes[t.seller]
	t.ended = true
	if n.life != t.life || t.hold == nil {
		return
	}
	t.hold.hold.Release()
	n.holds = slices.DeleteFunc(n.holds, func(o *simHold) bool { return o == t.hold })
}

// sweep has the buyer take back what is left of a lock that has expired.
func (s *sim) sweep(t *simJob) {
	n, k := s.nodes[t.buyer], s.nodes[t.buyer].link[t.seller]
	if t.fault == faultNoFold || t.fault == faultVanish || !n.up {
		return
	}
	if lock := k.own.of(t.ref); lock != nil && !k.lost {
		s.fold(t, lock, nil)
	}
}

// hop has the buyer lock what a preimage pays, which the seller may come to know.
func (s *sim) hop(t *simJob) {
	s.counts["hops"]++
	s.send(t.seller, t.buyer, t.ref[:], false, func() { s.lock(t) })
	if s.rnd.IntN(3) == 0 {
		return
	}
	s.after(s.some(12*time.Second), func() {
		n, k := s.nodes[t.seller], s.nodes[t.seller].link[t.buyer]
		lock := k.other.of(t.ref)
		if !n.up || lock == nil {
			return
		}
		err := n.l.Reveal(background, s.entity(t.buyer), lock.id, t.preimage)
		lock.revealed = n.l.saidOf(lock.id).preimage != nil
		s.check(t.seller, t.buyer)
		if errors.Is(err, ErrVoucher) && tickOf(s.clock()) >= t.expiry {
			return // its payer may be taking it back
		} else if err != nil {
			s.refused(n, "reveal", err)
			return
		}
		s.send(t.seller, t.buyer, t.preimage[:], false, func() {
			err := s.nodes[t.buyer].l.Settle(background, s.entity(t.seller), lock.id, t.preimage)
			switch {
			case err == nil:
				s.counts["settled by preimage"]++
				s.note("%d settles with %d", t.buyer, t.seller)
			case !errors.Is(err, ErrLock): // it has expired
				s.linkRefused(t.buyer, t.seller, "settle", err)
			}
			s.check(t.buyer, t.seller)
			s.wake(t.buyer, t.seller)
		})
	})
}

// losses holds the jobs that node i does for j to what ledger.md says may be lost.
func (s *sim) losses(i, j int) {
	k, back := s.nodes[i].link[j], s.nodes[j].link[i]
	for _, t := range k.jobs {
		if t.fault == faultPreimage {
			continue
		}
		if !t.restored {
			if loss := t.worked - k.other.got(t.ref); loss > t.ahead()+t.lost {
				s.fail("loss: node %d worked for %d, and %d of it is not promised by %d: a quantum is %d", i, t.worked, loss, j, t.quantum)
			}
			if t.lost > t.ahead() {
				s.fail("loss: node %d lost vouchers over %d in a crash: a quantum is %d", i, t.lost, t.quantum)
			}
		}
		if spent := back.own.got(t.ref); spent > t.shown || spent > t.ceiling {
			s.fail("loss: node %d promised %d of %d, and has seen %d", j, spent, t.ceiling, t.shown)
		}
	}
}

// jobsCrash notes what each job's seller i has, before its process ends, and
// after what went with it.
func (s *sim) jobsCrash(i int, after bool) {
	for _, k := range s.nodes[i].links {
		for _, t := range k.jobs {
			if got := k.other.got(t.ref); !after {
				t.before = got
			} else if t.life < s.nodes[i].life {
				t.lost += max(0, t.before-got)
			}
		}
		k.jobs = slices.DeleteFunc(k.jobs, func(t *simJob) bool {
			return t.ended && k.other.of(t.ref) == nil && k.other.paid[t.ref] >= t.worked
		})
	}
}

// shows notes what a position showed node i of its own vouchers to j.
func (s *sim) shows(i, j int, b []byte, err error) {
	p, err2 := decodePosition(b)
	if err2 != nil {
		s.fail("node %d sends what cannot be read: %w", j, err2)
		return
	}
	for _, x := range p.shown {
		if x.voucher == nil {
			continue
		}
		said := s.nodes[i].l.saidOf(x.voucher.Lock)
		if lock := s.nodes[i].link[j].own.locks[x.voucher.Lock]; lock != nil && (err == nil || said.voucher != nil && said.voucher.Cum >= x.voucher.Cum) {
			lock.said = max(lock.said, x.voucher.Cum)
		}
	}
}

// jobsAtRest looks at all jobs once all messages have come.
func (s *sim) jobsAtRest() {
	for _, t := range s.jobs {
		k, back := s.nodes[t.seller].link[t.buyer], s.nodes[t.buyer].link[t.seller]
		if k.lost || back.lost {
			continue
		}
		open := back.own.of(t.ref)
		switch {
		case t.fault == faultNoFold || t.fault == faultVanish:
			continue
		case open != nil:
			s.fail("stuck: the lock of %d for %d over %d, of which %d is folded and %d due, is still open", t.buyer, t.seller, open.amount, open.folded, open.due())
		case k.other.of(t.ref) != nil:
			s.fail("stuck: the lock of %d is closed, and open at %d", t.buyer, t.seller)
		}
	}
}
