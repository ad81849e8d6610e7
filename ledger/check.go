package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
)

// Report is what Check found in a file that holds, or up to where it does not.
type Report struct {
	Entity     identity.Entity `json:"entity"`
	Bytes      int64           `json:"bytes"`
	Lines      int             `json:"lines"`
	Records    uint64          `json:"records"` // of the log
	Entries    uint64          `json:"entries"`
	Heads      uint64          `json:"heads"` // signatures over entries
	Grants     uint64          `json:"grants"`
	Payments   uint64          `json:"payments"` // entries that promise, of both sides
	Outbox     uint64          `json:"outbox"`   // lines with something to deliver
	Proofs     uint64          `json:"proofs"`
	Agreed     uint64          `json:"agreed"`     // lines with a checkpoint that both sides signed
	Recoveries uint64          `json:"recoveries"` // epochs that both sides agreed to begin
	Locks      uint64          `json:"locks"`      // that are not closed
	Segments   uint64          `json:"segments"`   // files with a sealed part of the log

	Certificates uint64 `json:"certificates"` // ours and our peers', and revocations

	// Fenced and Disputed count the lines that are not open. The file is in
	// order nevertheless.
	Fenced   int `json:"fenced"`
	Disputed int `json:"disputed"`

	// Balance is the sum over all lines, positive when we are owed.
	Balance Amount `json:"balance_micro"`

	// Lost are the sealed segments that are damaged or missing. All else was
	// looked at nevertheless.
	Lost []Lost `json:"lost,omitempty"`
}

// Check reads the ledger file at path, which no process may have open for
// writing, and changes nothing. It first walks every page of the file, then
// replays the log from its first record, through the sealed segments beside the
// file, and verifies every checksum, number, link, sum and signature in it; every
// other bucket must be what the log makes it, and every proof must prove.
//
// The error is ErrDamaged, a *DamageError that names the first bad record, or
// fs.ErrNotExist, ErrInUse or ErrVersion. Where segments are lost it goes on behind
// them: the report lists each, and the error is that of the first unless something
// else is damaged too. Use Snapshot to check a ledger that
// is open. It needs memory for each line, about 300 bytes.
func Check(path string) (Report, error) {
	var rep Report
	fail := func(err error) (Report, error) { return rep, fmt.Errorf("check ledger: %w", err) }
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	rep.Bytes = info.Size()
	o, err := openOverlay(path, true, false, 0, time.Second)
	if err != nil {
		return fail(err)
	}
	if o.file.torn != nil {
		return fail(errors.Join(o.file.torn, o.close()))
	}
	err = o.file.known()
	if err == nil {
		err = withSegments(o, path, false).view(func(g getter) error {
			c := newChecker(g, &rep)
			err := c.all()
			if rep.Lost = c.lostParts(); err == nil && len(rep.Lost) > 0 {
				err = rep.Lost[0].err
			}
			return err
		})
	}
	if err := errors.Join(err, o.close()); err != nil {
		return fail(err)
	}
	return rep, nil
}

// checker replays a file.
type checker struct {
	book
	rep   *Report
	self  identity.Entity
	lines map[LineID]*account // as the log makes them
	part  *segment            // that the record at hand is in, nil for the live file
	lost  []*Lost             // segments; from the first on a gap checks
	heads uint64              // of runs that are in the live file
	run   run                 // entries whose signature has not come yet
	of    writer              // whose they are
	acc   *account
	refs  uint64

	runs    []refRun // of the index of references
	indexed bool     // it has runs: the file is not of the first schema

	signed signatures // that wait until there are enough
	values [][]byte   // the records they stand in
	places []uint64   // and those records' numbers
}

func newChecker(g getter, rep *Report) *checker {
	return &checker{
		book: book{g}, rep: rep, lines: map[LineID]*account{},
		signed: signatures{by: identity.NewVerifier(knownKeys)},
	}
}

// together is how many signatures are verified at once.
const together = 512

// later verifies the signature that was added last with others, at the latest
// when some other record is found to be bad.
func (c *checker) later(n uint64, value []byte) error {
	c.places, c.values = append(c.places, n), append(c.values, value)
	if len(c.places) < together {
		return nil
	}
	return c.settle()
}

// settle verifies what waits, and names the first record whose signature is bad.
func (c *checker) settle() error {
	defer func() { c.places, c.values = c.places[:0], c.values[:0] }()
	if i, err := c.signed.verify(); err != nil {
		return damage(c, bLog, number(c.places[i]), c.values[i], err.Error())
	}
	return nil
}

func (c *checker) all() error {
	whole := func(step func() error) func() error { // one that needs all of the log
		return func() error {
			if len(c.lost) > 0 {
				return nil
			}
			return step()
		}
	}
	for _, step := range []func() error{
		c.meta, c.log, whole(c.halves), c.claims, whole(c.indexes), c.outbox, c.pacts, c.growths, c.evidence, c.certificates,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) meta() (err error) {
	if c.self, err = readMeta(c.book); err != nil {
		return err
	}
	c.rep.Entity = c.self
	if err := c.self.Check(); err != nil {
		return damage(c, bMeta, []byte("self"), nil, err.Error())
	}
	return c.scan(bMeta, nil, func(key, value []byte) (bool, error) {
		switch string(key) {
		case "schema", "self":
		case string(budgetKey):
			_, _, err := read(c.book, bMeta, key, decodeBudget)
			return err == nil, err
		case string(walKey):
			if _, err := unseal(c, bMeta, key, value); err != nil {
				return false, err
			}
		default:
			return false, damage(c, bMeta, key, value, "nobody writes a record of this name")
		}
		return true, nil
	})
}

// log replays the log, record by record.
func (c *checker) log() (err error) {
	if c.runs, c.indexed, err = read(c.book, bRef, refRunsKey, decodeRefRuns); err != nil {
		return err
	}
	var next uint64 = 1
	replay := func(key, value []byte) (bool, error) {
		bad := func(format string, args ...any) (bool, error) {
			if err := c.settle(); err != nil {
				return false, err // an earlier record is bad
			}
			return false, damage(c, bLog, key, value, fmt.Sprintf(format, args...))
		}
		if !bytes.Equal(key, number(next)) {
			return bad("record %d should stand here", next)
		}
		payload, err := unseal(c, bLog, key, value)
		if err != nil {
			return false, cmp.Or(c.settle(), err)
		}
		rec, err := decodeRecord(payload)
		if err != nil {
			return bad("%v", err)
		}
		if rec.peer == c.self {
			return bad("its peer is the owner")
		}
		id := LineOf(c.self, rec.peer)
		a := c.lines[id]
		if a == nil {
			if err := rec.peer.Check(); err != nil {
				return bad("peer: %v", err)
			}
			fresh := accountOf(c.self, rec.peer)
			fresh.own, fresh.other = newHalf(rec.peer), newHalf(rec.peer)
			a = &fresh
			c.lines[id] = a
		}
		if c.run.entries != nil && (c.acc != a || rec.entry == nil || rec.entry.Side != c.of.side) {
			return bad("it stands between the entries of a run")
		}
		back := a.back()
		if c.run.entries != nil {
			back = next - 1
		}
		if rec.back != back {
			return bad("the line's record before it is %d, not %d", back, rec.back)
		}
		if rec.grant != nil {
			err = c.grant(a, *rec.grant, next, value)
		} else {
			err = c.entry(a, rec, next, value)
		}
		if errors.Is(err, ErrDamaged) {
			return false, cmp.Or(c.settle(), err) // names another record
		}
		if err != nil {
			return bad("%v", err)
		}
		next++
		c.rep.Records++
		return true, nil
	}
	if err = c.sealed(replay); err == nil && len(c.lost) > 0 {
		return nil
	}
	if err == nil {
		err = c.scan(bLog, number(next), replay)
	}
	if err == nil {
		err = c.settle()
	}
	if err == nil && c.run.entries != nil {
		err = damage(c, bLog, number(next-1), nil, "the last entry is not signed")
	}
	return err
}

func (c *checker) grant(a *account, g Grant, n uint64, value []byte) error {
	h := &a.other
	creditor := a.peer
	if g.Creditor == c.self {
		h, creditor = &a.own, c.self
	}
	switch {
	case g.Line != a.mine.line:
		return errors.New("its line is not the one with its peer")
	case g.Creditor != creditor:
		return errors.New("its creditor is neither of the line's keys")
	case g.Seq <= h.grantSeq:
		return fmt.Errorf("grant %d after grant %d", g.Seq, h.grantSeq)
	}
	h.grantSeq, h.grantLimit, h.grantExpiry, h.grantAt = g.Seq, g.Limit, g.Expiry, n
	c.rep.Grants++
	c.signed.grant(g)
	return c.later(n, value)
}

// entry takes an entry into the run under way and closes that at its signature.
func (c *checker) entry(a *account, rec record, n uint64, value []byte) error {
	e := *rec.entry
	w, signer, h := a.theirs, a.peer, &a.other
	if e.Side == a.mine.side {
		w, signer, h = a.mine, c.self, &a.own
	}
	if e.Line != w.line {
		return errors.New("its line is not the one with its peer")
	}
	c.acc, c.of = a, w
	c.run.add(e, rec.body)
	if len(c.run.entries) > MaxRun {
		return fmt.Errorf("more than %d entries without a signature", MaxRun)
	}
	if e.Kind.moves() {
		in, err := c.inRefs(w, e.Ref, n)
		if err != nil {
			return err
		}
		if in {
			c.refs++
		}
		c.rep.Payments++
	}
	c.rep.Entries++
	if !rec.signed {
		return nil
	}
	r := c.run
	r.sig = rec.sig
	c.run = run{}
	if err := c.recovered(a, w, h); err != nil {
		return err
	}
	if e.Epoch != h.epoch {
		return fmt.Errorf("it is of epoch %d, nothing begins that after epoch %d", e.Epoch, h.epoch)
	}
	t, err := r.follows(h.tally())
	if err != nil {
		return err
	}
	payee := c.self
	if w == a.mine {
		payee = a.peer
	}
	for _, x := range r.bodies {
		had := len(c.signed.batch)
		if c.signed.body(signer, payee, x); len(c.signed.batch) > had {
			if err := c.later(n, value); err != nil {
				return err
			}
		}
	}
	c.signed.head(signer, r.head())
	if err := c.later(n, value); err != nil {
		return err
	}
	h.stand(t, n)
	want := span{n - uint64(len(r.entries)) + 1, n}
	c.rep.Heads++
	return c.head(w.headKey(h.epoch, h.seq), want)
}

// inRefs tells whether the index has record n as w's payment for ref. Programs
// before this one left out all but the first for a reference; if it has none
// that is not later, that is an error.
func (c *checker) inRefs(w writer, ref identity.Hash, n uint64) (bool, error) {
	if c.indexed {
		if found, err := c.hasRef(c.runs, refOf(w, ref, n)); found || err != nil {
			return found, err
		}
	}
	numbers, err := c.taggedIn(c.runs, c.indexed, nil, w, ref)
	if err != nil || slices.Contains(numbers, n) {
		return true, err
	}
	_, found, err := c.paid(w, ref)
	if err != nil {
		return false, err
	}
	if !found || !slices.ContainsFunc(numbers, func(at uint64) bool { return at < n }) {
		return false, errors.New("it is missing from the payments by reference")
	}
	return false, nil
}

// recovered moves h to the epochs that recoveries begin where it stands.
func (c *checker) recovered(a *account, w writer, h *half) error {
	for {
		v, found, err := c.recovery(w, h.epoch+1)
		if err != nil || !found || !v.begins(*h) {
			return err
		}
		writer, other := a.peer, c.self
		if w == a.mine {
			writer, other = other, writer
		}
		if v.Line != w.line || v.Side != w.side {
			return errors.New("a recovery of it is of another half-chain")
		}
		if err := v.verify(writer, &other); err != nil {
			return err
		}
		h.epoch = v.Epoch
		c.rep.Recoveries++
	}
}

// halves compares the line bucket with what the log made.
func (c *checker) halves() error {
	seen := 0
	err := c.accounts(c.self, func(a account) error {
		want := c.lines[a.mine.line]
		logged := want != nil
		if !logged {
			fresh := accountOf(c.self, a.peer)
			fresh.own, fresh.other = newHalf(a.peer), newHalf(a.peer)
			want = &fresh
		} else {
			seen++
		}
		if err := errors.Join(c.recovered(want, want.mine, &want.own), c.recovered(want, want.theirs, &want.other)); err != nil {
			return damage(c, bLine, a.mine.key(), nil, err.Error())
		}
		if !logged && want.own.epoch+want.other.epoch == 2*firstEpoch {
			// A line of which all was lost has no records, only a proof of that.
			if state, _, err := c.state(a.mine.line); err != nil {
				return err
			} else if state != StateFenced {
				return damage(c, bLine, a.mine.key(), nil, "the log has no record of this line")
			}
		}
		for _, h := range []struct {
			w         writer
			got, want half
		}{{a.mine, a.own, want.own}, {a.theirs, a.other, want.other}} {
			if !h.got.equal(h.want) {
				return damage(c, bLine, h.w.key(), c.get(bLine, h.w.key()),
					fmt.Sprintf("it says entry %d, cum %d, grant %d; the log says entry %d, cum %d, grant %d",
						h.got.seq, h.got.cum, h.got.grantSeq, h.want.seq, h.want.cum, h.want.grantSeq))
			}
		}
		c.rep.Lines++
		c.rep.Balance += a.balance()
		return nil
	})
	if err != nil {
		return err
	}
	if seen != len(c.lines) {
		return damage(c, bLine, nil, nil, fmt.Sprintf("%d lines are there, the log has %d", seen, len(c.lines)))
	}
	return c.count(bLine, 2*uint64(c.rep.Lines))
}

// claims makes sure that what was promised of each lock was.
func (c *checker) claims() error {
	locks, claims := uint64(0), uint64(0)
	for _, a := range c.lines {
		for _, half := range []struct {
			w     writer
			h     half
			payer identity.Entity
		}{{a.mine, a.own, c.self}, {a.theirs, a.other, a.peer}} {
			for _, k := range half.h.locks {
				locks++
				key := half.w.refKey(k.id)
				e, found, err := read(c.book, bClaim, key, decodeEvidence)
				if err != nil {
					return err
				}
				if !found {
					continue
				}
				claims++
				bad := func(why string) error { return damage(c, bClaim, key, c.get(bClaim, key), why) }
				if e == (evidence{}) || e.preimage != nil && !(settlement{k.id, *e.preimage}).fits(k) {
					return bad("it is no preimage and no voucher of its lock")
				}
				if v := e.voucher; v != nil {
					if !v.fits(k) || v.Line != half.w.line || v.Side != half.w.side {
						return bad("its voucher does not fit its lock")
					}
					if err := v.Verify(half.payer); err != nil {
						return bad(err.Error())
					}
				}
			}
		}
	}
	c.rep.Locks = locks
	return errors.Join(c.count(bLock, locks), c.count(bClaim, claims))
}

// indexes makes sure that nothing stands in the indexes beside what log found.
func (c *checker) indexes() error {
	if err := errors.Join(c.count(bRecovery, c.rep.Recoveries), c.count(bHead, c.heads)); err != nil {
		return err
	}
	if c.get(bRef, refRunsKey) == nil { // the first schema
		return c.count(bRef, c.refs)
	}
	got, err := c.countRefs()
	if err == nil && got != c.refs {
		err = damage(c, bRef, nil, nil, fmt.Sprintf("%d references are there, the log makes %d", got, c.refs))
	}
	return err
}

func (c *checker) count(b bucket, want uint64) error {
	var got uint64
	err := c.scan(b, nil, func(key, value []byte) (bool, error) {
		got++
		_, err := unseal(c, b, key, value)
		return err == nil, err
	})
	if err == nil && got != want {
		err = damage(c, b, nil, nil, fmt.Sprintf("%d records are there, the log makes %d", got, want))
	}
	return err
}

func (c *checker) outbox() error {
	return c.scan(bOut, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(c, bOut, key, value)
		if err != nil {
			return false, err
		}
		u, err := decodeUnsent(payload)
		if err != nil {
			return false, damage(c, bOut, key, value, err.Error())
		}
		a := c.lines[LineOf(c.self, u.peer)]
		switch {
		case a == nil || !bytes.Equal(key, a.mine.line[:]):
			return false, damage(c, bOut, key, value, "its key is not a line with its peer")
		case u.seq > a.own.seq || u.grant > a.own.grantSeq:
			return false, damage(c, bOut, key, value, "more was acknowledged than signed")
		case u.seq == a.own.seq && u.grant == a.own.grantSeq:
			return false, damage(c, bOut, key, value, "all was acknowledged")
		}
		c.rep.Outbox++
		return true, nil
	})
}

// evidence makes sure that each proof proves what it says.
func (c *checker) evidence() error {
	last := LineID{}
	return c.scan(bProof, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(c, bProof, key, value)
		if err != nil {
			return false, err
		}
		p, err := decodeProof(payload)
		if err == nil {
			err = p.verify(c.self)
		}
		if err == nil && p.kind == proofLock {
			if a := c.lines[p.shown.first().Line]; a == nil || !p.breaks(a.other.tally()) {
				err = errors.New("it breaks no rule of locks")
			}
		}
		if err == nil && (len(key) != 40 || !bytes.Equal(key[:32], p.line().bytes())) {
			err = errors.New("its key is not its line")
		}
		if err != nil {
			return false, damage(c, bProof, key, value, err.Error())
		}
		c.rep.Proofs++
		if id := LineID(key[:32]); id != last {
			last = id
			state, _, err := c.state(id)
			if err != nil {
				return false, err
			}
			if state == StateFenced {
				c.rep.Fenced++
			} else {
				c.rep.Disputed++
			}
		}
		return true, nil
	})
}

func decodeNumber(b []byte) (uint64, error) {
	r := reader{b: b, what: "number"}
	n := r.u64()
	return n, r.end()
}
