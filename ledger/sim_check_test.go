package ledger

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// account reads a line from a node's store, whether its process runs or not.
func (s *sim) account(i, j int) (a account) {
	err := s.nodes[i].disk.view(func(g getter) (err error) {
		a, err = book{g}.account(s.entity(i), s.entity(j))
		return err
	})
	if err != nil {
		s.fail("node %d: %w", i, err)
	}
	return a
}

func (s *sim) state(i, j int) (state State) {
	err := s.nodes[i].disk.view(func(g getter) (err error) {
		state, _, err = book{g}.state(LineOf(s.entity(i), s.entity(j)))
		return err
	})
	if err != nil {
		s.fail("node %d: %w", i, err)
	}
	return state
}

func (s *sim) undelivered(i, j int) (more bool, err error) {
	err = s.nodes[i].disk.view(func(g getter) (err error) {
		_, more, err = book{g}.unsentOf(LineOf(s.entity(i), s.entity(j)))
		return err
	})
	return more, err
}

// pact reads a line's checkpoints.
func (s *sim) pact(i, j int) (p pact) {
	err := s.nodes[i].disk.view(func(g getter) (err error) {
		p, err = book{g}.pact(LineOf(s.entity(i), s.entity(j)), s.entity(j))
		return err
	})
	if err != nil {
		s.fail("node %d: %w", i, err)
	}
	return p
}

// forget takes back what left i for j, or was agreed, and is on neither disk any
// more: nobody can show it, as calls end with the process.
func (s *sim) forget(i, j int) {
	k := s.nodes[i].link[j]
	entries, pacts := 0, 0
	for _, at := range [2]int{i, j} {
		d := s.nodes[at].disk
		for _, kv := range []image{d.cache, d.disk} { // a commit that failed may be on the disk
			err := (&memStore{cache: kv}).view(func(g getter) error {
				a, err := book{g}.account(s.entity(at), s.entity(i+j-at))
				if err != nil {
					return err
				}
				w, h := a.mine, a.own
				if at == j {
					w, h = a.theirs, a.other
				}
				n := sort.Search(min(len(k.left), int(h.seq)), func(n int) bool {
					e, _, err2 := book{g}.entryAt(w, h.epoch, uint64(n+1))
					err = errors.Join(err, err2)
					return e != k.left[n]
				})
				entries = max(entries, n)
				p, err2 := book{g}.pact(w.line, a.peer)
				for _, c := range []*Checkpoint{p.agreed, p.proposed} {
					if c != nil && c.N <= uint64(len(k.pacts)) && c.Hash() == k.pacts[c.N-1].Hash() {
						pacts = max(pacts, int(c.N))
					}
				}
				return errors.Join(err, err2)
			})
			if err != nil {
				s.fail("node %d: %w", at, err)
			}
		}
	}
	k.left, k.pacts = k.left[:entries], k.pacts[:pacts]
}

// proposes notes the checkpoints in a message on the line whose low side is i:
// under one number there is ever only one.
func (s *sim) proposes(i, j int, b []byte) {
	k := s.nodes[i].link[j]
	m, err := decodePactMessage(b)
	if err != nil {
		s.fail("node %d or %d sends what cannot be read: %w", i, j, err)
		return
	}
	for _, c := range []*Checkpoint{m.agreed, m.proposed} {
		if c == nil {
			continue
		}
		switch n := uint64(len(k.pacts)); {
		case c.N > n+1:
			s.fail("I6: checkpoint %d of %d and %d comes after %d", c.N, i, j, n)
		case c.N == n+1:
			s.counts["checkpoints"]++
			k.pacts = append(k.pacts, *c)
		case k.pacts[c.N-1].Hash() != c.Hash():
			s.fail("I6: %d and %d have signed two checkpoints %d", i, j, c.N)
		}
	}
}

// leaves notes the entries in a push of node i: under one number there is ever
// only one.
func (s *sim) leaves(i, j int, b []byte) {
	k := s.nodes[i].link[j]
	p, err := decodePush(b)
	if err != nil {
		s.fail("node %d sends what cannot be read: %w", i, err)
		return
	}
	for _, r := range p.runs {
		for _, e := range r.entries {
			switch n := uint64(len(k.left)); {
			case e.Seq > n+1:
				s.fail("node %d sends entry %d after %d", i, e.Seq, n)
				return
			case e.Seq == n+1:
				k.left = append(k.left, e)
			case k.left[e.Seq-1] != e:
				s.fail("I2: node %d has signed two entries %d for %d", i, e.Seq, j)
			}
		}
	}
}

// arrived notes what node i acknowledges to j, and which holds that pays.
func (s *sim) arrived(i, j int, before uint64, message, answer []byte) {
	a, err := decodeAck(answer)
	if err != nil {
		s.fail("node %d answers what cannot be read: %w", i, err)
		return
	}
	s.nodes[j].link[i].acked = max(s.nodes[j].link[i].acked, a.seq)
	p, err := decodePush(message)
	if err != nil {
		s.fail("%w", err)
		return
	}
	k := s.nodes[i].link[j]
	for _, r := range p.runs {
		for n, e := range r.entries {
			if e.Seq <= before || e.Seq > a.seq || !e.Kind.moves() {
				continue
			}
			more := e.Amount
			if lock := k.other.of(e.Ref); lock != nil && r.body(n) != nil {
				more = max(0, more-lock.due())
			}
			for _, h := range s.nodes[i].holds {
				if h.to == j && h.ref == e.Ref {
					h.most -= min(h.most, more)
				}
			}
		}
	}
}

// check holds the line between i and j to the invariants, after something was
// done at i.
func (s *sim) check(i, j int) {
	s.counts["checks"]++
	a, b := s.account(i, j), s.account(j, i)
	k, back := s.nodes[i].link[j], s.nodes[j].link[i]
	if state := s.state(i, j); state != StateOpen && !(state == StateFenced && (k.lost || k.restored)) {
		s.fail("I4: the line of %d with %d is %s", i, j, state)
	}
	if err := k.follows(a); err != nil {
		s.fail("I5: node %d with %d: %w", i, j, err)
	}
	p := s.pact(i, j)
	if p.n() < k.agreed {
		s.fail("I5: the checkpoints of node %d with %d fell from %d to %d", i, j, k.agreed, p.n())
	}
	low := k
	if SideOf(s.entity(i), s.entity(j)) == High {
		low = back
	}
	if n := p.n(); n > uint64(len(low.pacts)) || n > 0 && low.pacts[n-1].Hash() != p.agreed.Hash() {
		s.fail("I6: node %d has another checkpoint %d with %d than left", i, n, j)
	}
	k.mine, k.theirs, k.agreed = a.own, a.other, p.n()
	s.follow(i, &k.own, a.mine, a.own)
	s.follow(i, &k.other, a.theirs, a.other)
	if !k.lost && len(k.maybe) == 0 && a.own.cum-k.own.jobs != k.sum {
		s.fail("I3: node %d has paid %d to %d, and was told %d", i, a.own.cum-k.own.jobs, j, k.sum)
	}
	s.claims(i, j)
	s.losses(i, j)
	s.counted(i, j, a, b, k)
	s.counted(j, i, b, a, back)
}

// counted holds what j counts of i against what i has.
func (s *sim) counted(i, j int, a, b account, k *simLink) {
	back := s.nodes[j].link[i]
	held := b.other
	if !k.restored && !k.lost {
		switch {
		case held.seq > a.own.seq:
			s.fail("I3: %d counts entry %d of %d, who has %d", j, held.seq, i, a.own.seq)
		case held.seq == a.own.seq && (held.cum != a.own.cum || held.tip != a.own.tip):
			s.fail("I1: %d counts %d of %d, who has %d", j, held.cum, i, a.own.cum)
		}
	}
	if held.seq > 0 && !back.restored {
		if held.seq > uint64(len(k.left)) {
			s.fail("I3: %d counts entry %d of %d, of whom %d left", j, held.seq, i, len(k.left))
		} else if e := k.left[held.seq-1]; e.Hash() != held.tip || e.Cum != held.cum {
			s.fail("I1: %d holds another entry %d of %d than what left", j, held.seq, i)
		}
	}
	if held.seq < k.acked && !back.restored {
		s.fail("I3: %d acknowledged entry %d of %d and has %d", j, k.acked, i, held.seq)
	}
}

// follows says how a line fell back, if it did: I5.
func (k *simLink) follows(a account) error {
	switch {
	case a.own.seq < k.mine.seq || a.own.cum < k.mine.cum || a.own.grantSeq < k.mine.grantSeq:
		return fmt.Errorf("what it promised fell from %d in %d to %d in %d", k.mine.cum, k.mine.seq, a.own.cum, a.own.seq)
	case a.other.seq < k.theirs.seq || a.other.cum < k.theirs.cum:
		return fmt.Errorf("what it was promised fell from %d in %d to %d in %d", k.theirs.cum, k.theirs.seq, a.other.cum, a.other.seq)
	}
	return nil
}

// exposed holds node n's credit to its limits just after it gave some: I7.
func (s *sim) exposed(n *simNode, h *simHold) {
	k := n.link[h.to]
	owed := func(k *simLink) Amount { return max(0, k.other.claim()-k.own.claim()) }
	var used, limit Amount
	if k.granted {
		used, limit = owed(k), k.limit
		if k.expiry > 0 && s.now >= k.expiry {
			limit = 0
		}
		for _, other := range n.holds {
			if other.to == h.to {
				used += other.most
			}
		}
	} else {
		newcomer := func(k *simLink) bool {
			a := s.account(n.i, k.to)
			return min(a.own.cum, a.other.cum) < Credit/10
		}
		var fresh Amount // what newcomers use: half is theirs, and more of it takes nothing from others
		add := func(k *simLink, a Amount) {
			if k.granted {
				return
			} else if newcomer(k) {
				fresh += a
			} else {
				used += a
			}
		}
		for _, other := range n.links {
			add(other, owed(other))
		}
		for _, other := range n.holds {
			add(n.link[other.to], other.most)
		}
		if limit = DefaultStrangers; newcomer(k) && fresh > limit/2 {
			s.fail("I7: node %d lets newcomers owe %d of %d", n.i, fresh, limit/2)
		}
		used += min(fresh, limit/2)
	}
	if used > limit {
		s.fail("I7: node %d lets %d owe %d of %d", n.i, h.to, used, limit)
	}
}

// atRest looks at everything once all messages have come.
func (s *sim) atRest() {
	for _, n := range s.nodes {
		var sum Amount
		err := n.disk.view(func(g getter) error {
			rep := &Report{}
			err := newChecker(g, rep).all()
			sum = rep.Balance
			return err
		})
		if err != nil {
			s.fail("I10: the file of node %d: %w", n.i, err)
		}
		cfg, _ := Config{Now: s.clock}.filled()
		again, err := start(&memStore{cache: n.disk.disk, disk: n.disk.disk}, n.key.Entity(), n.key, true, cfg)
		if err != nil {
			s.fail("I10: node %d: %w", n.i, err)
			return
		}
		was, now := n.l.Lines(), again.Lines()
		again.Close()
		if fmt.Sprint(was) != fmt.Sprint(now) {
			for k := range was {
				if fmt.Sprint(was[k]) != fmt.Sprint(now[k]) {
					s.fail("I10: node %d shows %+v, opened again %+v", n.i, was[k], now[k])
				}
			}
		}
		for _, line := range was {
			sum -= line.Balance
		}
		if sum != 0 {
			s.fail("I1: the lines of node %d and its report differ by %d", n.i, sum)
		}
		for _, k := range n.links {
			s.check(n.i, k.to)
			a, b := n.l.Line(s.entity(k.to)), s.nodes[k.to].l.Line(n.l.self)
			if k.lost {
				continue
			}
			if b.Theirs.Claim > a.Mine.Claim {
				s.fail("claim: %d claims %d of %d, who knows of %d", k.to, b.Theirs.Claim, n.i, a.Mine.Claim)
			}
			b.Theirs.Claim = a.Mine.Claim // the last vouchers may not have come
			if a.Undelivered || a.Mine != b.Theirs || !a.Stranger && a.TheyMayOwe != b.IMayOwe {
				s.fail("stuck: %d and %d have %+v and %+v after %v", n.i, k.to, a, b, s.now.Round(time.Second))
			}
			if s.nodes[k.to].link[n.i].lost {
				continue
			}
			if a.Agreed.Hash != b.Agreed.Hash || !a.Agreed.Mine.reaches(a.Mine) || !a.Agreed.Theirs.reaches(a.Theirs) {
				s.fail("stuck: the checkpoints of %d and %d are %+v and %+v, of %+v", n.i, k.to, a.Agreed, b.Agreed, a)
			}
			if a.Balance+b.Balance != 0 {
				s.fail("I1: between %d and %d there are %d and %d", n.i, k.to, a.Balance, b.Balance)
			}
		}
	}
	s.jobsAtRest()
}

// reaches says whether a checkpoint names the newest entry: of locks and vouchers
// its halves say nothing.
func (h Half) reaches(now Half) bool { return h.Seq == now.Seq && h.Cum == now.Cum && h.Tip == now.Tip }

// tamper has a bug change what node i knows of its line with j.
func (s *sim) tamper(i, j int) {
	if s.bug != nil && s.bug.tamper != nil {
		s.bug.tamper(s.nodes[i].l, s.entity(j))
	}
}
