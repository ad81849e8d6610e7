package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/peersea/sea/identity"
)

// Lost is a sealed segment that Check could not read, or that is not as it was
// sealed.
type Lost struct {
	File  string `json:"file"`
	First uint64 `json:"first"` // record of the log
	Last  uint64 `json:"last"`
	Why   string `json:"why"`

	// Peers are those of the lines that have records in it, as far as what is left
	// of the log tells: when several lie side by side, in any of those.
	// maxLostPeers at most, and Lines says how many there are.
	Peers []identity.Entity `json:"peers"`
	Lines int               `json:"lines"`

	err   *DamageError
	lines map[identity.Entity]bool
}

// maxLostPeers is how many lines are named of each lost segment.
const maxLostPeers = 20

// A gap is what the checker knows of the log behind a segment that is lost. What
// the locks were is not known there, so it verifies each checksum, signature,
// number, link and sum that does not need them, and takes what the live file says
// of each line for what the log makes it, once its newest entries agree.
type gap struct {
	*checker
	round int                // grows with each lost segment: what was seen before may not be the newest
	ends  map[writer]*reach  // of half-chains
	backs map[LineID]*backAt // the newest record of each line
}

type reach struct {
	round int
	epoch uint32
	seq   uint64
	cum   Amount
	tip   identity.Hash
}

type backAt struct {
	round int
	at    uint64
}

// beyond goes on behind the first of parts, which is lost as why says, and leaves
// out what cannot be read.
func (c *checker) beyond(parts []sealedPart, why *DamageError) error {
	g := &gap{checker: c, ends: map[writer]*reach{}, backs: map[LineID]*backAt{}}
	c.run = run{}
	for id, a := range c.lines {
		g.backs[id] = &backAt{0, a.back()}
		for w, h := range map[writer]half{a.mine: a.own, a.theirs: a.other} {
			g.ends[w] = &reach{0, h.epoch, h.seq, h.cum, h.tip}
		}
	}
	before := parts[0]
	if err := g.lose(before, why); err != nil {
		return err
	}
	for _, p := range parts[1:] {
		s, err := c.readPart(p, before)
		bad := new(DamageError)
		switch {
		case err == nil:
		case errors.As(err, &bad) && bad.File != "":
			if err := g.lose(p, bad); err != nil {
				return err
			}
			before = p
			continue
		default:
			return err
		}
		c.part = &s
		for i, value := range s.records {
			if err := g.record(s.first+uint64(i), value); err != nil {
				return err
			}
		}
		c.part, before = nil, p
		c.rep.Segments++
	}
	next := before.last + 1
	err := c.scan(bLog, number(next), func(key, value []byte) (bool, error) {
		if !bytes.Equal(key, number(next)) {
			return false, damage(c, bLog, key, value, fmt.Sprintf("record %d should stand here", next))
		}
		next++
		return true, g.record(next-1, value)
	})
	if err == nil {
		err = c.settle()
	}
	if err == nil && c.run.entries != nil {
		err = damage(c, bLog, number(next-1), nil, "the last entry is not signed")
	}
	if err == nil {
		err = g.halves()
	}
	return err
}

// lose notes that p cannot be read. What the live file still has of it is looked
// at.
func (g *gap) lose(p sealedPart, why *DamageError) error {
	g.round++
	g.run = run{}
	l := &Lost{File: why.File, First: p.first, Last: p.last, err: why, lines: map[identity.Entity]bool{}}
	l.Why, _, _ = strings.Cut(why.Why, partText)
	if n := len(g.lost); n > 0 && g.lost[n-1].Last+1 == p.first {
		l.lines = g.lost[n-1].lines // who has records in which of the two nobody can tell
	}
	g.lost = append(g.lost, l)
	return g.scan(bLog, number(p.first), func(key, value []byte) (bool, error) {
		if bytes.Compare(key, number(p.last)) > 0 {
			return false, nil
		}
		payload, err := unseal(g, bLog, key, value)
		if err != nil {
			return false, err
		}
		rec, err := decodeRecord(payload)
		if err != nil {
			return false, damage(g, bLog, key, value, err.Error())
		}
		g.touched(binary.BigEndian.Uint64(key), rec.peer)
		return true, nil
	})
}

// touched says whether record n is in a lost segment, and notes that it is peer's.
func (g *gap) touched(n uint64, peer identity.Entity) bool {
	for _, l := range g.lost {
		if l.First <= n && n <= l.Last {
			l.lines[peer] = true
			return true
		}
	}
	return false
}

// record verifies record n.
func (g *gap) record(n uint64, value []byte) error {
	key := number(n)
	err := g.look(n, value)
	if err == nil || errors.Is(err, ErrDamaged) {
		return err
	}
	return damage(g, bLog, key, value, err.Error())
}

func (g *gap) look(n uint64, value []byte) error {
	payload, err := unseal(g, bLog, number(n), value)
	if err != nil {
		return err
	}
	rec, err := decodeRecord(payload)
	if err != nil {
		return err
	}
	if rec.peer == g.self {
		return errors.New("its peer is the owner")
	}
	if err := rec.peer.Check(); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	a := accountOf(g.self, rec.peer)
	back := g.backs[a.mine.line]
	if back == nil {
		back = &backAt{}
		g.backs[a.mine.line] = back
	}
	if g.run.entries != nil && (rec.entry == nil || g.of != (writer{rec.entry.Line, rec.entry.Side})) {
		return errors.New("it stands between the entries of a run")
	}
	if rec.back != back.at && (back.round == g.round || !g.touched(rec.back, rec.peer)) {
		return fmt.Errorf("the line's record before it is %d, not %d", back.at, rec.back)
	}
	*back = backAt{g.round, n}
	g.rep.Records++
	if rec.grant != nil {
		return g.grantBeyond(a, *rec.grant, n, value)
	}
	return g.entryBeyond(a, rec, n, value)
}

func (g *gap) grantBeyond(a account, x Grant, n uint64, value []byte) error {
	if x.Line != a.mine.line || x.Creditor != a.peer && x.Creditor != g.self {
		return errors.New("it is of another line")
	}
	g.rep.Grants++
	g.signed.grant(x)
	return g.later(n, value)
}

func (g *gap) entryBeyond(a account, rec record, n uint64, value []byte) error {
	e := *rec.entry
	w, signer, payee := a.theirs, a.peer, g.self
	if e.Side == a.mine.side {
		w, signer, payee = a.mine, g.self, a.peer
	}
	if e.Line != w.line {
		return errors.New("its line is not the one with its peer")
	}
	if g.of = w; len(g.run.entries) >= MaxRun {
		return fmt.Errorf("more than %d entries without a signature", MaxRun)
	}
	end := g.ends[w]
	if end == nil {
		end = &reach{}
		g.ends[w] = end
	}
	if err := end.follow(e, g.round); err != nil {
		return err
	}
	g.run.add(e, rec.body)
	if e.Kind.moves() {
		if in, err := g.inRefsBeyond(w, e.Ref, n); err != nil || !in {
			return errors.Join(err, errors.New("it is missing from the payments by reference"))
		}
		g.rep.Payments++
	}
	g.rep.Entries++
	if !rec.signed {
		return nil
	}
	r := g.run
	r.sig = rec.sig
	g.run = run{}
	for _, x := range r.bodies {
		had := len(g.signed.batch)
		if g.signed.body(signer, payee, x); len(g.signed.batch) > had {
			if err := g.later(n, value); err != nil {
				return err
			}
		}
	}
	g.signed.head(signer, r.head())
	if err := g.later(n, value); err != nil {
		return err
	}
	g.rep.Heads++
	return g.head(w.headKey(e.Epoch, e.Seq), span{n - uint64(len(r.entries)) + 1, n})
}

// follow moves the end of a half-chain to e. What came just before e may be lost.
func (s *reach) follow(e Entry, round int) error {
	cum := e.Cum
	if e.Kind.moves() {
		cum -= e.Amount
	}
	switch {
	case e.Epoch < s.epoch || e.Epoch == s.epoch && (e.Seq <= s.seq || cum < s.cum):
		return fmt.Errorf("entry %d of epoch %d, cum %d, follows entry %d of epoch %d, cum %d", e.Seq, e.Epoch, e.Cum, s.seq, s.epoch, s.cum)
	case s.round == round && e.Epoch == s.epoch && (e.Seq != s.seq+1 || e.Prev != s.tip || cum != s.cum):
		return fmt.Errorf("entry %d does not follow entry %d", e.Seq, s.seq)
	}
	*s = reach{round, e.Epoch, e.Seq, e.Cum, e.Hash()}
	return nil
}

// inRefsBeyond is inRefs without a look at the records that are lost.
func (g *gap) inRefsBeyond(w writer, of identity.Hash, n uint64) (bool, error) {
	if g.indexed {
		if found, err := g.hasRef(g.runs, refOf(w, of, n)); found || err != nil {
			return found, err
		}
	}
	numbers, err := g.taggedIn(g.runs, g.indexed, nil, w, of)
	return slices.ContainsFunc(numbers, func(at uint64) bool { return at <= n }), err
}

// halves compares the newest entry of each half-chain with what the live file says
// of it, and takes the rest from there.
func (g *gap) halves() error {
	found := map[LineID]*account{}
	err := g.accounts(g.self, func(a account) error {
		found[a.mine.line] = &a
		for _, h := range []struct {
			w writer
			half
		}{{a.mine, a.own}, {a.theirs, a.other}} {
			g.touched(h.grantAt, a.peer)
			if h.seq == 0 || g.touched(h.at, a.peer) {
				continue
			}
			end := g.ends[h.w]
			if end == nil || end.seq != h.seq || end.cum != h.cum || end.tip != h.tip {
				return damage(g, bLine, h.w.key(), g.get(bLine, h.w.key()),
					fmt.Sprintf("it says entry %d, cum %d, which is not the newest in the log", h.seq, h.cum))
			}
		}
		g.rep.Lines++
		g.rep.Balance += a.balance()
		return nil
	})
	if err != nil {
		return err
	}
	for id := range g.backs {
		if found[id] == nil {
			return damage(g, bLine, id[:], nil, "the log has records of this line")
		}
	}
	g.lines = found
	for _, b := range []bucket{bRecovery, bHead} { // how many there should be is not known
		if err := g.sumsOf(b); err != nil {
			return err
		}
	}
	if g.indexed {
		_, err = g.countRefs()
	}
	return err
}

// sumsOf looks at the checksums of a bucket.
func (c *checker) sumsOf(b bucket) error {
	return c.scan(b, nil, func(key, value []byte) (bool, error) {
		_, err := unseal(c, b, key, value)
		return err == nil, err
	})
}

// lostParts are those that were found lost, for the report.
func (c *checker) lostParts() (all []Lost) {
	for _, l := range c.lost {
		for peer := range l.lines {
			l.Peers = append(l.Peers, peer)
		}
		slices.SortFunc(l.Peers, func(a, b identity.Entity) int { return bytes.Compare(a[:], b[:]) })
		l.Lines = len(l.Peers)
		l.Peers = l.Peers[:min(l.Lines, maxLostPeers)]
		all = append(all, *l)
	}
	return all
}
