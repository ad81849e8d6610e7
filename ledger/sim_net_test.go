package ledger

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
)

// deliver has node i's carrier empty its outbox for j, after they have met. It
// keeps the rules of plugins/credit: a position is exchanged after each start and
// each failure, in a call that ends with either process.
func (s *sim) deliver(i, j int) {
	n, k := s.nodes[i], s.linkOf(i, j)
	if !n.up || k.busy {
		return
	}
	k.busy = true
	s.attempt(i, j)
}

func (s *sim) attempt(i, j int) {
	n, k := s.nodes[i], s.nodes[i].link[j]
	k.attempt++
	now, life := k.attempt, n.life
	s.after(2*time.Second+s.some(4*time.Second), func() { // an answer may have been lost
		if n.up && n.life == life && k.attempt == now && k.busy {
			k.met, k.busy = false, false
			if s.account(i, j).known {
				s.deliver(i, j)
			}
		}
	})
	if k.met {
		s.push(i, j)
		return
	}
	b, err := n.l.Position(s.entity(j))
	if err != nil {
		s.refused(n, "position", err)
		return
	}
	s.send(i, j, b, false, func() {
		to := s.nodes[j]
		if err := s.compare(to, i, b); err != nil && !errors.Is(err, ErrLine) {
			s.refused(to, "compare", err)
			return
		}
		s.met(j, i)
		s.check(j, i)
		s.wake(j, i)
		mine, err := to.l.Position(s.entity(i))
		if err != nil {
			s.refused(to, "position", err)
			return
		}
		s.send(j, i, mine, false, func() {
			switch err := s.compare(n, j, mine); {
			case errors.Is(err, ErrLine):
				s.met(i, j)
				s.check(i, j)
				k.busy = false // fenced: there is nothing to send
			case err != nil:
				s.refused(n, "compare", err)
			default:
				k.met = true
				s.met(i, j)
				s.check(i, j)
				s.attemptNext(i, j)
			}
		})
	})
}

func (s *sim) compare(n *simNode, with int, b []byte) error {
	if s.bug != nil && s.bug.unfenced && n.restores > 0 {
		return nil
	}
	err := n.l.Compare(background, s.entity(with), b)
	s.shows(n.i, with, b, err)
	if n.restores > 0 && err == nil {
		s.regrant(n.i, with)
	}
	return err
}

// met notes that node i has seen what j holds of it.
func (s *sim) met(i, j int) {
	k := s.nodes[i].link[j]
	if k.restored {
		k.restored = false
		k.lost = s.state(i, j) == StateFenced
		s.note("%d met %d after its restore, fenced %v", i, j, k.lost)
		if k.lost {
			s.counts["fenced"]++
			s.after(s.some(5*time.Second), func() { s.rebuild(i, j) })
		}
	}
}

func (s *sim) attemptNext(i, j int) {
	if s.nodes[i].up && s.nodes[i].link[j].busy {
		s.nodes[i].link[j].attempt++
		s.attempt(i, j)
	}
}

// push sends the next of the outbox.
func (s *sim) push(i, j int) {
	n, k := s.nodes[i], s.nodes[i].link[j]
	b, err := n.l.Next(s.entity(j))
	if err != nil {
		s.refused(n, "next", err)
		return
	}
	if b == nil {
		k.busy = false
		return
	}
	s.leaves(i, j, b)
	restores := n.restores
	s.send(i, j, b, true, func() {
		if n.restores != restores {
			return
		}
		to := s.nodes[j]
		before := s.account(j, i).other.seq
		answer, err := to.l.Receive(background, s.entity(i), b)
		if errors.Is(err, errOldEpoch) && to.restores > 0 {
			s.check(j, i)
			return // it lacks a recovery, which i shows when they meet again
		} else if err != nil {
			s.refused(to, "receive", err)
			return
		}
		s.arrived(j, i, before, b, answer)
		s.tamper(j, i)
		s.check(j, i)
		s.wake(j, i)
		s.send(j, i, answer, false, func() {
			err := n.l.Acked(background, s.entity(j), answer)
			s.check(i, j)
			if errors.Is(err, ErrOutOfStep) {
				k.met = false
			} else if err != nil {
				s.refused(n, "acked", err)
				return
			}
			s.attemptNext(i, j)
		})
	})
}

// agree has the low side of a line ask for a checkpoint, and propose one.
func (s *sim) agree(i, j, rounds int) {
	if SideOf(s.entity(i), s.entity(j)) == High {
		i, j = j, i
	}
	n, to := s.nodes[i], s.nodes[j]
	if n.link[j] == nil || !n.up || rounds == 0 {
		return
	}
	b, err := n.l.Checkpoint(background, s.entity(j))
	s.check(i, j)
	if err != nil || b == nil {
		if err != nil {
			s.refused(n, "checkpoint", err)
		}
		return
	}
	s.proposes(i, j, b)
	s.send(i, j, b, false, func() {
		if s.bug != nil && s.bug.replies {
			to.disk.late = func([]bucket) bool { return true }
		}
		answer, err := to.l.TakeCheckpoint(background, s.entity(i), b)
		if s.bug != nil {
			to.disk.late = s.bug.late
		}
		if !s.took(j, i, err) {
			return
		}
		s.proposes(i, j, answer)
		s.send(j, i, answer, false, func() {
			_, err := n.l.TakeCheckpoint(background, s.entity(j), answer)
			if s.took(i, j, err) {
				s.agree(i, j, rounds-1)
			}
		})
	})
}

// took looks at what came of a message about checkpoints. A node whose file was
// put back may know of what it signed from them first.
func (s *sim) took(i, j int, err error) bool {
	k := s.nodes[i].link[j]
	if k.restored && s.state(i, j) == StateFenced {
		s.met(i, j)
	}
	s.check(i, j)
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrOutOfStep), errors.Is(err, ErrLine) && k.lost, errors.Is(err, ErrContradiction) && k.restored:
	case errors.Is(err, ErrContradiction) && s.nodes[i].restores+s.nodes[j].restores > 0: // two grants of one number, until a third
	default:
		s.refused(s.nodes[i], "take a checkpoint", err)
	}
	return false
}

// send has f done when a message comes from i to j: late, twice, or never. One
// that may come late may do so after its sender's end, too.
func (s *sim) send(i, j int, b []byte, late bool, f func()) {
	s.counts["messages"]++
	from, to := s.nodes[i], s.nodes[j]
	if s.side[i] != s.side[j] || s.chance(12) {
		s.counts["lost"]++
		return
	}
	fromLife, toLife := from.life, to.life
	s.note("%d to %d: %s", i, j, identity.HashOf(b).Short())
	arrive := func() {
		switch {
		case !to.up || s.side[i] != s.side[j]:
		case !late && (from.life != fromLife || to.life != toLife):
		default:
			s.note("%d has from %d: %s", j, i, identity.HashOf(b).Short())
			f()
		}
	}
	s.after(time.Millisecond+s.some(300*time.Millisecond), arrive)
	if s.chance(15) {
		s.counts["doubled"]++
		s.after(time.Millisecond+s.some(10*time.Second), arrive)
	}
}

// refused looks at an error of an operation: only a disk that failed explains
// one. Its process then ends, now or later.
func (s *sim) refused(n *simNode, what string, err error) {
	s.note("%d %s: %v", n.i, what, err)
	switch {
	case errors.Is(err, errCrash):
		s.counts["commits that failed"]++
		if s.chance(2) {
			s.crash(n)
			return
		}
		life := n.life // it goes on showing what it has, until somebody starts it again
		s.after(s.some(10*time.Second), func() {
			if n.life == life {
				s.crash(n)
			}
		})
	case errors.Is(err, ErrReadOnly) && n.l.Writable() != nil:
	default:
		s.fail("I4: node %d, %s: %w", n.i, what, err)
	}
}

// wake has the carrier of i look at its outbox for j.
func (s *sim) wake(i, j int) {
	if out, err := s.undelivered(i, j); err != nil {
		s.fail("node %d: %w", i, err)
	} else if out {
		s.deliver(i, j)
	}
}

// work begins the next payment and whatever else may happen.
func (s *sim) work() {
	if s.paid >= s.payments {
		return
	}
	s.after(s.some(40*time.Millisecond), s.work)
	i := s.rnd.IntN(len(s.nodes))
	j := s.peerOf(i)
	n := s.nodes[i]
	switch s.rnd.IntN(60) {
	case 0:
		n.disk.crash = 1 + s.rnd.IntN(2)
	case 1:
		s.crash(n)
	case 2, 3:
		if s.rnd.IntN(5) > 1 {
			s.backup(n)
		} else if n := s.anyRestorable(); n != nil {
			s.restore(n)
		}
	case 4:
		if s.rnd.IntN(4) == 0 {
			s.cut()
		}
	case 5, 6, 7:
		s.grant(i, j)
	case 8, 9, 10, 11:
		s.job(i, j)
	case 12, 13:
		s.burst(i)
	case 14:
		s.again(i, j)
	case 19, 20, 21:
		s.lockJob(i, j)
	case 15, 16, 17, 18:
		s.agree(i, j, 4)
	default:
		s.refs++
		s.pay(i, j, identity.HashOf([]byte{byte(s.refs), byte(s.refs >> 8), byte(s.refs >> 16), byte(i)}), Amount(1+s.rnd.IntN(1_000_000)))
	}
}

// peerOf chooses whom node i deals with: mostly a few, and others than those with
// whom a line has come to its end.
func (s *sim) peerOf(i int) int {
	n := len(s.nodes)
	j := (i + []int{1, 2, 5, n - 1, n - 2}[s.rnd.IntN(5)]) % n
	if s.rnd.IntN(20) == 0 || s.ended(i, j) {
		j = (i + 1 + s.rnd.IntN(n-1)) % n
	}
	return j
}

// ended says whether the line between i and j cannot be rebuilt by one of them.
func (s *sim) ended(i, j int) bool {
	a, b := s.nodes[i].link[j], s.nodes[j].link[i]
	return a != nil && (a.forked || b.forked)
}

func (s *sim) pay(i, j int, ref identity.Hash, amount Amount) {
	n := s.nodes[i]
	s.linkOf(i, j)
	if !n.up {
		return
	}
	_, err := n.l.Pay(background, s.entity(j), amount, ref)
	s.settled(i, j, simPay{ref, amount}, err)
	s.check(i, j)
	s.wake(i, j)
}

// settled notes what became of a payment.
func (s *sim) settled(i, j int, p simPay, err error) {
	k := s.nodes[i].link[j]
	switch {
	case err == nil:
		k.sum += p.amount
		s.paid++
		s.counts["payments"]++
		s.note("%d pays %d %d", i, j, p.amount)
	case errors.Is(err, ErrLine) && k.lost:
	case errors.Is(err, errCrash):
		k.maybe = append(k.maybe, p)
		s.refused(s.nodes[i], "pay", err)
	default:
		s.refused(s.nodes[i], "pay", err)
	}
}

// again pays for what was paid before: nothing may come of it.
func (s *sim) again(i, j int) {
	n, k := s.nodes[i], s.linkOf(i, j)
	if !n.up || len(k.left) == 0 || k.lost || k.restored {
		return
	}
	e := k.left[s.rnd.IntN(len(k.left))]
	if e.Kind != KindPay {
		return
	}
	got, err := n.l.Pay(background, s.entity(j), e.Amount, e.Ref)
	if err != nil {
		s.refused(n, "pay again", err)
	} else if got != e {
		s.fail("node %d paid %+v, and again %+v", i, e, got)
	}
	s.check(i, j)
}

// burst makes many payments wait for the same commit, so that they share runs.
func (s *sim) burst(i int) {
	n := s.nodes[i]
	if !n.up || n.l.Writable() != nil {
		return
	}
	peers := [2]int{s.peerOf(i), s.peerOf(i)}
	type one struct {
		to  int
		pay simPay
		err error
	}
	all := make([]*one, 2+s.rnd.IntN(20))
	done := make(chan struct{}, len(all))
	n.disk.gate, n.disk.waiting = make(chan struct{}), make(chan struct{}, len(all))
	for k := range all {
		s.refs++
		o := &one{to: peers[s.rnd.IntN(2)], pay: simPay{
			identity.HashOf([]byte{byte(s.refs), byte(s.refs >> 8), byte(s.refs >> 16), byte(i)}), Amount(1 + s.rnd.IntN(1000))}}
		all[k] = o
		s.linkOf(i, o.to)
		go func() {
			_, o.err = n.l.Pay(background, s.entity(o.to), o.pay.amount, o.pay.ref)
			done <- struct{}{}
		}()
		if k == 0 {
			<-n.disk.waiting
		}
		for len(n.l.queue) < k { // the first is in its commit
			runtime.Gosched()
		}
	}
	gate := n.disk.gate
	n.disk.gate = nil
	close(gate)
	for range all {
		<-done
	}
	for _, o := range all {
		s.settled(i, o.to, o.pay, o.err)
	}
	for _, j := range slices.Compact(peers[:]) {
		if n.link[j] != nil {
			s.check(i, j)
			s.wake(i, j)
		}
	}
}

func (s *sim) grant(i, j int) {
	n, k := s.nodes[i], s.linkOf(i, j)
	if !n.up || len(k.maybe) > 0 {
		return
	}
	limit, expiry := Amount(s.rnd.IntN(5_000_000)), time.Duration(0)
	var until time.Time
	if s.rnd.IntN(2) == 0 {
		expiry = (s.now + time.Second + s.some(20*time.Second)).Truncate(time.Second)
		until = s.start.Add(expiry)
	}
	err := n.l.Grant(s.entity(j), limit, until)
	switch {
	case err == nil:
		k.granted, k.limit, k.expiry = true, limit, expiry
	case errors.Is(err, ErrLine) && k.lost:
	default:
		s.refused(n, "grant", err)
		if errors.Is(err, errCrash) {
			s.crash(n) // and look what became of it
			h := s.account(i, j).own
			k.granted, k.limit, k.expiry = h.grantSeq > 0, h.grantLimit, 0
			if h.grantExpiry > 0 {
				k.expiry = time.Unix(h.grantExpiry, 0).Sub(s.start)
			}
			return
		}
	}
	s.check(i, j)
	s.wake(i, j)
}

// job has node i work for j: room is set aside, and a while later j pays.
func (s *sim) job(i, j int) {
	n, k := s.nodes[i], s.linkOf(i, j)
	if !n.up {
		return
	}
	most := Amount(s.rnd.IntN(3_000_000))
	hold, err := n.l.Hold(s.entity(j), most)
	switch {
	case errors.Is(err, ErrLimit), errors.Is(err, ErrLine) && k.lost:
		return
	case err != nil:
		s.refused(n, "hold", err)
		return
	}
	s.counts["jobs"]++
	s.refs++
	h := &simHold{hold, j, most, identity.HashOf([]byte{byte(s.refs), byte(s.refs >> 8), byte(s.refs >> 16), byte(j)})}
	n.holds = append(n.holds, h)
	hold.For(h.ref)
	s.note("%d holds %d for %d", i, most, j)
	s.exposed(n, h)
	life := n.life
	s.after(s.some(3*time.Second), func() {
		if most > 0 && !s.chance(5) { // else the buyer never pays
			s.pay(j, i, h.ref, 1+Amount(s.rnd.Int64N(int64(most))))
		}
	})
	s.after(3*time.Second+s.some(5*time.Second), func() {
		if n.life == life {
			hold.Release()
			n.holds = slices.DeleteFunc(n.holds, func(o *simHold) bool { return o == h })
		}
	})
}

// cut parts the network in two for a while.
func (s *sim) cut() {
	s.counts["cuts"]++
	for i := range s.side {
		s.side[i] = s.rnd.IntN(2)
	}
	s.after(s.some(10*time.Second), func() { clear(s.side) })
}

// calm ends all trouble and has everybody meet everybody it knows.
func (s *sim) calm() {
	s.quiet = true
	clear(s.side)
	for _, n := range s.nodes {
		s.crash(n)
	}
	meet := func() { // and again: a claim is folded, a release shown, a lock closed
		for _, n := range s.nodes {
			for _, k := range n.links {
				k.met = false
				s.deliver(n.i, k.to)
			}
		}
	}
	s.after(2*time.Minute, func() {
		for _, t := range s.jobs {
			s.sweep(t)
		}
	})
	s.after(3*time.Minute, meet)
	s.after(4*time.Minute, meet)
	s.after(5*time.Minute, func() {
		for _, n := range s.nodes {
			for _, k := range n.links {
				s.agree(n.i, k.to, 4)
			}
		}
	})
}
