package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
)

// carry does one operation on the code in production, once.
func (s *search) carry(c call) result {
	if r, done := s.results[c]; done {
		return r
	}
	i := int(c.side)
	peer := s.keys[1-i].Entity()
	m := &memStore{cache: s.contents[c.at].kv}
	l := s.open(i, m)
	if c.mind.asked {
		l.met[peer] = struct{}{}
	}
	if c.mind.epoch > 0 {
		l.recalled[peer] = c.mind.epoch
	}
	r := result{reply: -1}
	var in *sent
	switch c.do {
	case doPay:
		n := s.contents[c.at].pays + 1
		_, r.err = l.Pay(background, peer, Amount(10*n)+Amount(c.arg), identity.HashOf([]byte{byte(i), byte(n), byte(c.arg)}))
	case doGrant:
		n := s.contents[c.at].line.Signed.Grant + 1
		r.err = l.Grant(peer, Amount(100*n)+Amount(c.arg), time.Time{})
	case doPropose:
		var b []byte
		if s.proposes && SideOf(l.self, peer) == High {
			b, r.err = proposeAsLow(l, peer)
		} else {
			b, r.err = l.Checkpoint(background, peer)
		}
		if b != nil {
			r.reply = s.message(sent{to: 1 - i, kind: typeCheckpoint, b: b})
		}
	case doTake:
		in = &s.messages[c.arg]
		switch in.kind {
		case typePosition:
			if r.err = l.Compare(background, peer, in.b); r.err == nil {
				r.err = flush(l) // vouchers that it had lost
			}
		case typePush:
			var answer []byte
			if answer, r.err = l.Receive(background, peer, in.b); r.err == nil {
				r.reply = s.message(sent{to: 1 - i, kind: typeAck, b: answer})
			}
		case typeCheckpoint:
			var answer []byte
			if answer, r.err = l.TakeCheckpoint(background, peer, in.b); errors.Is(r.err, ErrOutOfStep) {
				r.err = nil // a proposal that is early or late
			} else if answer != nil {
				r.reply = s.message(sent{to: 1 - i, kind: typeCheckpoint, b: answer})
			}
		case typeAck:
			if r.err = l.Acked(background, peer, in.b); errors.Is(r.err, ErrOutOfStep) {
				r.err = nil // an answer that is late
			}
		case typeRecall:
			var answer []byte
			if answer, r.err = l.AnswerRecall(background, peer, in.b); errors.Is(r.err, ErrOutOfStep) {
				r.err = nil // an old one
			} else if r.err == nil {
				r.reply = s.message(sent{to: 1 - i, kind: typeRecalled, b: answer})
			}
		case typeRecalled:
			var next []byte
			if next, r.err = l.TakeRecalled(background, peer, in.b); errors.Is(r.err, ErrOutOfStep) || errors.Is(r.err, ErrLine) {
				r.err = nil // an answer that came twice
			} else if next != nil {
				r.reply = s.message(sent{to: 1 - i, kind: typeRecall, b: next})
			}
		case letterVoucher, letterRelease:
			r.err = s.takeLock(l, peer, *in)
		}
	case doRecall:
		var b []byte
		if b, r.err = l.Recall(peer); r.err == nil {
			r.reply = s.message(sent{to: 1 - i, kind: typeRecall, b: b})
		}
	default:
		r.reply, r.err = s.lockAct(l, peer, c)
	}
	if s.bug != nil && r.err == nil {
		r.err = s.bug(l, peer, c.do, in)
	}
	r.at = s.content(i, m.cache)
	if fresh := s.contents[r.at].standing; c.do != doVouchLost && !reflect.DeepEqual(l.standing[peer], fresh) {
		r.err = errors.Join(r.err, fmt.Errorf("I10: in memory the line stands at %+v, read again at %+v", l.standing[peer], fresh))
	}
	_, r.mind.asked = l.met[peer]
	r.mind.epoch = l.askedEpoch(peer)
	l.Close()
	s.results[c] = r
	return r
}

// proposeAsLow has the high side of a line sign a proposal.
func proposeAsLow(l *Ledger, peer identity.Entity) (message []byte, err error) {
	line := LineOf(l.self, peer)
	l.met[peer] = struct{}{}
	err = l.submit(background, line, func(b *batch) error {
		m, err := b.propose(peer)
		if m != nil {
			message = m.encode()
		}
		return err
	})
	return message, err
}

func (s *search) open(i int, m *memStore) *Ledger {
	cfg, err := Config{Now: func() time.Time { return testTime }}.filled()
	if err != nil {
		panic(err)
	}
	l, err := start(m, s.keys[i].Entity(), s.keys[i], true, cfg)
	if err != nil {
		panic(err)
	}
	return l
}

// content numbers what is in a file, and looks at each once.
func (s *search) content(i int, kv image) int32 {
	h := sha256.New()
	var b []byte
	for _, name := range buckets {
		_, err := kv[name].scan("", func(key, value []byte) (bool, error) {
			b = binary.BigEndian.AppendUint32(b[:0], uint32(len(key)))
			b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
			b = append(append(append(b, name...), key...), value...)
			h.Write(b)
			return true, nil
		})
		if err != nil {
			panic(err)
		}
	}
	digest := [33]byte(append(h.Sum(nil), byte(i)))
	if at, known := s.byDigest[digest]; known {
		return at
	}
	at := int32(len(s.contents))
	c := &holding{kv: kv, next: -1}
	s.byDigest[digest], s.contents = at, append(s.contents, c)

	m := &memStore{cache: kv}
	l := s.open(i, m)
	defer l.Close()
	peer := s.keys[1-i].Entity()
	c.line, c.standing = l.Line(peer), l.standing[peer]
	c.locks, c.said = [2][]lock{c.standing.own.locks, c.standing.other.locks}, l.said
	c.bad = m.view(func(g getter) error {
		a := accountOf(l.self, peer)
		var err error
		if c.pact, err = (book{g}).pact(a.mine.line, peer); err != nil {
			return err
		}
		if a, err = (book{g}).account(l.self, peer); err != nil {
			return err
		}
		for n, w := range []writer{a.mine, a.theirs} {
			h := []half{a.own, a.other}[n]
			for seq := uint64(1); seq <= h.seq; seq++ {
				e, _, err := book{g}.entryAt(w, h.epoch, seq)
				if err != nil {
					return err
				}
				c.hashes[n] = append(c.hashes[n], e.Hash())
				if n == 0 && e.Kind == KindPay {
					c.pays++
				}
				c.locked = c.locked || n == 0 && e.Kind == KindLock
			}
		}
		return errors.Join(c.byModel(book{g}, a), newChecker(g, &Report{}).all())
	})
	if c.line.State == StateDisputed || c.line.State == StateDamaged {
		c.bad = errors.Join(c.bad, fmt.Errorf("I4: side %d is %s: %s", i, c.line.State, c.line.Reason))
	}
	b, err := l.Position(peer)
	if err != nil {
		panic(err)
	}
	c.position = s.message(sent{to: 1 - i, kind: typePosition, b: b})
	b, err = l.Next(peer)
	if err != nil {
		c.bad = errors.Join(c.bad, err)
	} else if b != nil {
		c.next = s.message(sent{to: 1 - i, kind: typePush, b: b})
	}
	return at
}

// message numbers a message.
func (s *search) message(m sent) int {
	key := string(append([]byte{byte(m.to)}, m.b...))
	if n, known := s.byBytes[key]; known {
		return n
	}
	n := len(s.messages)
	if n >= len(bits{})*64 {
		panic("search: too many messages for a set")
	}
	var err error
	switch m.kind {
	case typePush:
		var p push
		if p, err = decodePush(m.b); err == nil {
			for _, r := range p.runs {
				m.entries = append(m.entries, r.entries...)
			}
		}
	case typeAck:
		m.ack, err = decodeAck(m.b)
	case typeCheckpoint:
		var p pactMessage
		if p, err = decodePactMessage(m.b); err == nil {
			for _, c := range []*Checkpoint{p.agreed, p.proposed} {
				if c != nil {
					m.pacts = append(m.pacts, *c)
				}
			}
		}
	}
	if err != nil {
		panic(err)
	}
	if m.kind == typeRecall || m.kind == typeRecalled {
		s.calls.set(n)
	}
	s.byBytes[key], s.messages, s.clashes = n, append(s.messages, m), append(s.clashes, bits{})
	clash := func(k int) {
		s.clashes[n].set(k)
		s.clashes[k].set(n)
	}
	for k, other := range s.messages {
		for _, c := range m.pacts {
			for _, d := range other.pacts {
				if c.N == d.N && c.Hash() != d.Hash() {
					clash(k)
				}
			}
		}
		for _, e := range m.entries {
			for _, f := range other.entries {
				if e.Side == f.Side && e.Epoch == f.Epoch && e.Seq == f.Seq && e.Hash() != f.Hash() {
					clash(k)
				}
			}
		}
	}
	return n
}

// check holds a state to the invariants.
func (s *search) check(g global) error {
	for m := range s.messages {
		if !g.net.has(m) {
			continue
		}
		for k, word := range s.clashes[m] {
			if word&g.net[k] != 0 && s.messages[m].kind == typeCheckpoint {
				return fmt.Errorf("I6: two checkpoints of one number have left")
			}
			if word&g.net[k] != 0 {
				return fmt.Errorf("I2: two entries of one number have left")
			}
		}
		if in := s.messages[m]; in.kind == typeAck {
			from := 1 - in.to
			if !g.restored[from] && !s.stillHolds(g.sees[from], int32(m)) {
				return fmt.Errorf("I3: side %d acknowledged entry %d and no longer has it", from, in.ack.seq)
			}
		}
	}
	for i := range 2 {
		c := s.contents[g.sees[i]]
		if c.bad != nil {
			return c.bad
		}
		if c.line.State == StateFenced && !g.restored[i] {
			return fmt.Errorf("I4: side %d is fenced: %s", i, c.line.Reason)
		}
	}
	if !g.restored[0] && !g.restored[1] { // else until they meet, somebody lacks something
		for i := range 2 {
			if err := s.pair(g.sees[i], g.sees[1-i]); err != nil {
				return err
			}
		}
	}
	return s.agree(g.sees)
}

// stillHolds says whether what was acknowledged is there.
func (s *search) stillHolds(at, m int32) bool {
	key := [2]int32{at, m}
	ok, known := s.acked[key]
	if !known {
		a, h := s.messages[m].ack, s.contents[at].hashes[1]
		ok = a.seq <= uint64(len(h)) && (a.seq == 0 || h[a.seq-1] == a.tip)
		s.acked[key] = ok
	}
	return ok
}

// pair holds what one counts against what its writer has.
func (s *search) pair(writer, holder int32) error {
	key := [2]int32{writer, holder}
	err, known := s.pairs[key]
	if known {
		return err
	}
	w, h := s.contents[writer], s.contents[holder]
	switch {
	case len(h.hashes[1]) > len(w.hashes[0]):
		err = fmt.Errorf("I3: entry %d is counted, its writer has %d", len(h.hashes[1]), len(w.hashes[0]))
	case !slices.Equal(h.hashes[1], w.hashes[0][:len(h.hashes[1])]):
		err = errors.New("I1: the sides hold different entries")
	case len(h.hashes[1]) == len(w.hashes[0]) && !sameHalf(w.line.Mine, h.line.Theirs):
		err = fmt.Errorf("I1: %+v and %+v", w.line, h.line)
	case w.line.Agreed.N == h.line.Agreed.N && w.line.Agreed.Hash != h.line.Agreed.Hash:
		err = fmt.Errorf("I6: checkpoints %+v and %+v", w.line.Agreed, h.line.Agreed)
	case w.line.Acked.Entry > h.line.Theirs.Seq:
		err = fmt.Errorf("I3: entry %d was acknowledged, %d is held", w.line.Acked.Entry, h.line.Theirs.Seq)
	}
	s.pairs[key] = err
	return err
}

// agree has both sides meet on a network that works: then they must hold the
// same, whatever state they were in. Otherwise they are stuck.
func (s *search) agree(at [2]int32) error {
	err, known := s.ends[at]
	if !known {
		err = s.meet(at)
		s.ends[at] = err
	}
	return err
}

func (s *search) meet(at [2]int32) error {
	var mind [2]memory
	take := func(i, m int) error {
		for m >= 0 {
			r := s.carry(call{uint8(i), doTake, at[i], int32(m), mind[i]})
			if r.err != nil && !errors.Is(r.err, ErrLine) && !errors.Is(r.err, ErrFork) { // which the state tells of
				return fmt.Errorf("stuck: when they meet, side %d refuses: %w", i, r.err)
			}
			at[i], mind[i] = r.at, r.mind
			m, i = r.reply, 1-i
		}
		return nil
	}
	compare := func() error {
		for i := range 2 {
			if err := take(1-i, s.contents[at[i]].position); err != nil {
				return err
			}
		}
		return nil
	}
	deliver := func() error {
		for i := range 2 {
			for range 2 * (s.entries[i] + s.grants[i] + entriesOfLock) {
				if m := s.contents[at[i]].next; m >= 0 {
					if err := take(1-i, m); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	rebuild := func() error {
		for i := range 2 {
			if s.recalls == 0 || s.contents[at[i]].line.State != StateFenced {
				continue
			}
			r := s.carry(call{uint8(i), doRecall, at[i], 0, mind[i]})
			if r.err != nil {
				return fmt.Errorf("stuck: side %d cannot ask for what it lost: %w", i, r.err)
			}
			if err := take(1-i, r.reply); err != nil {
				return err
			}
		}
		return nil
	}
	vouch := func() error { // a payer says its word again
		for i := range 2 {
			for _, m := range s.vouchers(i, at[i]) {
				if err := take(1-i, m); err != nil {
					return err
				}
			}
		}
		return nil
	}
	steps := []func() error{compare, deliver}
	if s.recalls > 0 {
		steps = append(steps, rebuild, compare, deliver)
	}
	if s.locks != [2]bool{} {
		steps = append(steps, vouch, compare, deliver, compare, deliver)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	for i := range 2 {
		for range 2 + s.pacts { // one to ask, and what is new
			r := s.carry(call{uint8(i), doPropose, at[i], 0, mind[i]})
			if at[i], mind[i] = r.at, r.mind; s.pacts > 0 && r.err == nil && r.reply >= 0 {
				r.err = take(1-i, r.reply)
			}
			if r.err != nil {
				return fmt.Errorf("stuck: side %d cannot propose: %w", i, r.err)
			}
		}
	}
	for i := range 2 {
		a, b := s.contents[at[i]].line, s.contents[at[1-i]].line
		if a.State == StateFenced {
			continue // it says nothing more
		}
		if a.Undelivered || a.Mine != b.Theirs || !a.Stranger && a.TheyMayOwe != b.IMayOwe {
			return fmt.Errorf("stuck: all messages have arrived, and the sides hold %+v and %+v", a, b)
		}
		if s.pacts > 0 && b.State != StateFenced && (a.Agreed.Mine != a.Mine || a.Agreed.Theirs != a.Theirs || a.Agreed.Hash != b.Agreed.Hash) {
			return fmt.Errorf("stuck: all has arrived, and the checkpoints are %+v and %+v", a.Agreed, b.Agreed)
		}
		if b.State != StateFenced && a.Balance+b.Balance != 0 {
			return fmt.Errorf("I1: %d and %d do not add up to nothing", a.Balance, b.Balance)
		}
	}
	return nil
}
