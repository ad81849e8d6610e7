package ledger

import (
	"errors"
	"time"

	"github.com/peersea/sea/identity"
)

// A node whose file was put back from an old copy is fenced on the lines on which
// it lacks something, and its owner has it rebuild each of them with the peer, as
// `credit rebuild` does, however often a message is lost or a process ends.

// backup keeps a copy of a node's file, and of the model.
func (s *sim) backup(n *simNode) {
	c := simCopy{disk: n.disk.disk, links: map[int]simLink{}}
	for _, k := range n.links {
		// The model does not know what became of a commit that failed, if it was a
		// payment, or the end of a rebuild.
		if len(k.maybe) > 0 || k.lost && s.onDisk(n, k.to) != StateFenced {
			return
		}
		c.links[k.to] = *k
	}
	n.copies = append(n.copies, c)
}

// onDisk reads a line's state from a node's disk, where a commit may be that its
// process was told had failed.
func (s *sim) onDisk(n *simNode, j int) (state State) {
	err := (&memStore{cache: n.disk.disk}).view(func(g getter) (err error) {
		state, _, err = book{g}.state(LineOf(s.entity(n.i), s.entity(j)))
		return err
	})
	if err != nil {
		s.fail("node %d: %w", n.i, err)
	}
	return state
}

// restore puts an old copy in the place of a node's file.
func (s *sim) restore(n *simNode) {
	if len(n.copies) == 0 {
		return
	}
	c := n.copies[s.rnd.IntN(len(n.copies))]
	s.crash(n)
	if n.up {
		return
	}
	n.copies = nil // later ones are of a file that is gone
	s.counts["restores"]++
	s.note("%d is restored", n.i)
	n.disk.disk = c.disk
	n.disk.reboot()
	n.restores++
	for _, k := range n.links {
		old := c.links[k.to]
		k.sum, k.granted, k.limit, k.expiry = old.sum, old.granted, old.limit, old.expiry
		k.mine, k.theirs, k.agreed, k.maybe = half{}, half{}, 0, nil
		k.own, k.other = chainModel{}, chainModel{}
		for _, t := range k.jobs {
			t.restored = true
		}
		k.restored, k.lost = true, s.state(n.i, k.to) == StateFenced // as it was then
		s.forget(n.i, k.to)
		s.forget(k.to, n.i)
		s.nodes[k.to].link[n.i].acked = 0 // by this node, which does not know
	}
}

// rebuild has node i rebuild its line with j, until that is done.
func (s *sim) rebuild(i, j int) {
	n, k := s.nodes[i], s.nodes[i].link[j]
	if !n.up || !k.lost || k.forked || s.state(i, j) != StateFenced {
		return
	}
	k.recalls++
	now, life := k.recalls, n.life
	s.after(5*time.Second+s.some(5*time.Second), func() { // something may be lost
		if n.life == life && k.recalls == now {
			s.rebuild(i, j)
		}
	})
	if s.bug != nil && s.bug.alone != nil {
		err := n.l.submit(background, LineOf(n.l.self, s.entity(j)), func(b *batch) error { return s.bug.alone(b, s.entity(j)) })
		if err != nil {
			s.refused(n, "rebuild alone", err)
			return
		}
		s.rebuilt(i, j)
		return
	}
	m, err := n.l.Recall(s.entity(j))
	if err != nil {
		s.refused(n, "recall", err)
		return
	}
	s.recall(i, j, now, m)
}

// recall sends the next message of a rebuild.
func (s *sim) recall(i, j, now int, m []byte) {
	n, k, to := s.nodes[i], s.nodes[i].link[j], s.nodes[j]
	s.send(i, j, m, false, func() {
		answer, err := to.l.AnswerRecall(background, s.entity(i), m)
		s.check(j, i)
		if errors.Is(err, ErrOutOfStep) {
			return // an old one
		} else if err != nil {
			s.refused(to, "answer a recall", err)
			return
		}
		s.send(j, i, answer, false, func() {
			next, err := n.l.TakeRecalled(background, s.entity(j), answer)
			s.check(i, j)
			switch {
			case errors.Is(err, ErrFork): // it signed something before it met the peer
				s.counts["forks"]++
				k.forked = true
			case errors.Is(err, ErrLine) || errors.Is(err, ErrOutOfStep): // an answer that came twice
			case err != nil:
				s.refused(n, "take what was recalled", err)
			case next == nil:
				s.rebuilt(i, j)
			case k.recalls == now:
				s.recall(i, j, now, next)
			}
		})
	})
}

// rebuilt notes that a line is open again: everything that left and that anybody
// still has must be here.
func (s *sim) rebuilt(i, j int) {
	k, a := s.nodes[i].link[j], s.account(i, j)
	if s.state(i, j) != StateOpen {
		s.fail("stuck: node %d has rebuilt its line with %d, which is %s", i, j, s.state(i, j))
		return
	}
	if !k.lost {
		return // a message that came twice
	}
	s.counts["rebuilt"]++
	s.note("%d has rebuilt its line with %d, epoch %d", i, j, a.own.epoch)
	k.lost, k.restored, k.met = false, false, false
	if a.own.seq < uint64(len(k.left)) {
		s.fail("I3: node %d has rebuilt %d entries for %d, of which %d left", i, a.own.seq, j, len(k.left))
	}
	s.follow(i, &k.own, a.mine, a.own)
	s.follow(i, &k.other, a.theirs, a.other)
	k.sum = a.own.cum - k.own.jobs
	s.regrant(i, j)
	s.check(i, j)
	s.deliver(i, j)
}

// regrant reads what node i grants j: the peer may have shown it a grant that it
// had lost.
func (s *sim) regrant(i, j int) {
	k, h := s.nodes[i].link[j], s.account(i, j).own
	k.granted, k.limit, k.expiry = h.grantSeq > 0, h.grantLimit, 0
	if h.grantExpiry > 0 {
		k.expiry = time.Unix(h.grantExpiry, 0).Sub(s.start)
	}
}

// unfenced takes the fence away and asks nobody.
func unfenced(b *batch, peer identity.Entity) error {
	a, _, err := b.open(peer)
	if err != nil {
		return err
	}
	state, err := b.unfence(a)
	if err != nil {
		return err
	}
	return b.keep(a, state)
}

// reused begins an epoch that the peer knows nothing of.
func reused(b *batch, peer identity.Entity) error {
	a, _, err := b.open(peer)
	if err != nil {
		return err
	}
	v := Recovery{Line: a.mine.line, Side: a.mine.side, Epoch: a.own.epoch + 1, Seq: a.own.seq, Tip: a.own.tip, Cum: a.own.cum}
	a.own.epoch++
	if err := b.put(bRecovery, a.mine.recoveryKey(v.Epoch), v.Encode()); err != nil {
		return err
	}
	state, err := b.unfence(a)
	if err != nil {
		return err
	}
	return b.keep(a, state)
}

// anyRestorable finds a node that has a copy, of those that run.
func (s *sim) anyRestorable() *simNode {
	first := s.rnd.IntN(len(s.nodes))
	for i := range s.nodes {
		if n := s.nodes[(first+i)%len(s.nodes)]; n.up && len(n.copies) > 0 {
			return n
		}
	}
	return nil
}
