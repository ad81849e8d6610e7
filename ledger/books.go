package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// book reads the records of the file within one transaction.
type book struct{ getter }

// pen is a book that can be written. Whoever writes has checked everything
// first: an operation that fails leaves nothing behind for the others that
// share its transaction.
type pen struct {
	book
	s     setter
	wrote *bool // something was put or removed
	fresh *freshRefs
}

func newPen(s setter) pen {
	return pen{book{s}, s, new(bool), &freshRefs{newest: map[uint64]int{}}}
}

// finish writes what waited for the end of the transaction.
func (p pen) finish() error {
	all := p.fresh.all
	if len(all) == 0 {
		return nil
	}
	return p.addRefs(all[len(all)-1].at, all)
}

func (p pen) put(b bucket, key, payload []byte) error {
	*p.wrote = true
	return p.s.put(b, key, seal(b, key, payload))
}

func (p pen) remove(b bucket, key []byte) error {
	if p.get(b, key) == nil {
		return nil
	}
	*p.wrote = true
	return p.s.remove(b, key)
}

// value returns the payload under key, nil when there is none.
func (k book) value(b bucket, key []byte) ([]byte, error) {
	v := k.get(b, key)
	if v == nil {
		return nil, nil
	}
	return unseal(k, b, key, v)
}

// read decodes the payload under key; found is false when there is none.
func read[T any](k book, b bucket, key []byte, decode func([]byte) (T, error)) (out T, found bool, err error) {
	payload, err := k.value(b, key)
	if payload == nil || err != nil {
		return out, false, err
	}
	out, err = decode(payload)
	if err != nil {
		return out, false, damage(k, b, key, payload, err.Error())
	}
	return out, true, nil
}

// sums looks at the checksum of every record.
func (k book) sums() error {
	for _, b := range buckets {
		err := k.scan(b, nil, func(key, value []byte) (bool, error) {
			_, err := unseal(k, b, key, value)
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// writer is one of a line's two sides.
type writer struct {
	line LineID
	side Side
}

func (w writer) key() []byte { return w.keyBefore(0) }

// keyBefore is the key, with room for so many bytes behind it.
func (w writer) keyBefore(more int) []byte {
	b := make([]byte, 0, len(w.line)+1+more)
	return append(append(b, w.line[:]...), byte(w.side))
}

func (w writer) headKey(epoch uint32, seq uint64) []byte {
	b := binary.BigEndian.AppendUint32(w.keyBefore(4+8), epoch)
	return binary.BigEndian.AppendUint64(b, seq)
}

func (w writer) refKey(ref identity.Hash) []byte { return append(w.keyBefore(len(ref)), ref[:]...) }

// half returns where w's half-chain stands, an empty one when it has not begun.
func (k book) half(w writer, peer identity.Entity) (half, error) {
	h, found, err := read(k, bLine, w.key(), decodeHalf)
	switch {
	case err != nil:
		return half{}, err
	case !found:
		return newHalf(peer), nil
	case h.peer != peer:
		return half{}, damage(k, bLine, w.key(), nil, "it is of another peer")
	}
	if len(h.locks) > 0 {
		if h.locks, err = k.locks(w, len(h.locks)); err != nil {
			return half{}, err
		}
	}
	return h, nil
}

// locks returns the n locks of w that are not closed.
func (k book) locks(w writer, n int) ([]lock, error) {
	all := make([]lock, 0, n)
	err := k.scan(bLock, w.key(), func(key, value []byte) (bool, error) {
		if !bytes.HasPrefix(key, w.key()) {
			return false, nil
		}
		if len(key) != len(w.key())+32 || len(all) == n {
			return false, damage(k, bLock, key, value, "it is one more than the line has")
		}
		payload, err := unseal(k, bLock, key, value)
		if err != nil {
			return false, err
		}
		one, err := decodeLock(payload)
		if err != nil {
			return false, damage(k, bLock, key, value, err.Error())
		}
		one.id = identity.Hash(key[len(w.key()):])
		all = append(all, one)
		return true, nil
	})
	if err == nil && len(all) != n {
		err = damage(k, bLine, w.key(), nil, fmt.Sprintf("it says %d locks, %d are there", n, len(all)))
	}
	return all, err
}

// evidence returns what was promised of a lock of w.
func (k book) evidence(w writer, lock identity.Hash) (evidence, error) {
	e, _, err := read(k, bClaim, w.refKey(lock), decodeEvidence)
	return e, err
}

// record returns the n-th record of the log, which has to be there.
func (k book) record(n uint64) (record, error) {
	rec, found, err := read(k, bLog, number(n), decodeRecord)
	if err == nil && !found {
		var value []byte
		if value, err = k.sealedRecord(n); value != nil {
			rec, err = decodeRecord(value[:len(value)-sumSize])
			found = true
		}
		if err != nil && !errors.Is(err, ErrSegment) && !errors.Is(err, ErrDamaged) {
			err = damage(k, bLog, number(n), value, err.Error())
		}
	}
	if err == nil && !found {
		err = damage(k, bLog, number(n), nil, "it is missing")
	}
	return rec, err
}

// runAt returns the entries and the signature of a span.
func (k book) runAt(s span) (run, error) {
	out := run{entries: make([]Entry, 0, min(s.last-s.first+1, MaxRun))}
	for n := s.first; n <= s.last; n++ {
		rec, err := k.record(n)
		if err != nil {
			return run{}, err
		}
		if rec.entry == nil || rec.signed != (n == s.last) {
			return run{}, damage(k, bLog, number(n), nil, "it is not the part of a run that it should be")
		}
		out.add(*rec.entry, rec.body)
		out.sig = rec.sig
	}
	return out, nil
}

// runFrom returns the run of w that has entry seq, with its span; found is false
// when there is none. epoch is the one that w is in: the entry may be of one
// before.
func (k book) runFrom(w writer, epoch uint32, seq uint64) (out run, at span, found bool, err error) {
	for e := epoch; e >= firstEpoch; e-- {
		out, at, found, err = k.runIn(w, e, seq)
		if err != nil || found && out.first().Seq <= seq {
			return out, at, found, err
		}
	}
	return run{}, span{}, false, nil
}

// runIn returns the first run of w and epoch that ends at seq or later.
func (k book) runIn(w writer, epoch uint32, seq uint64) (out run, at span, found bool, err error) {
	prefix := w.headKey(epoch, 0)[:len(w.key())+4]
	var end uint64
	err = k.scan(bHead, w.headKey(epoch, seq), func(key, value []byte) (bool, error) {
		if !bytes.HasPrefix(key, prefix) {
			return false, nil
		}
		payload, err := unseal(k, bHead, key, value)
		if err != nil {
			return false, err
		}
		if at, err = decodeSpan(payload); err != nil {
			return false, damage(k, bHead, key, value, err.Error())
		}
		end, found = binary.BigEndian.Uint64(key[len(prefix):]), true
		return false, nil
	})
	if err != nil {
		return run{}, span{}, false, err
	}
	if !found || end-seq > at.last-at.first { // that one begins after seq: there may be another before
		sealed, its, older, err := k.sealedHead(w, epoch, seq)
		if err != nil {
			return run{}, span{}, false, err
		}
		if older && (!found || its < end) {
			at, found = sealed, true
		}
	}
	if !found {
		return run{}, span{}, false, nil
	}
	if out, err = k.runAt(at); err != nil {
		return run{}, span{}, false, err
	}
	if last := out.last(); last.Line != w.line || last.Side != w.side || last.Epoch != epoch || last.Seq < seq {
		return run{}, span{}, false, damage(k, bHead, w.headKey(epoch, seq), nil, "it points at another run")
	}
	return out, at, true, nil
}

// entryAt returns entry seq of w, which has to be there, with the run it is in.
func (k book) entryAt(w writer, epoch uint32, seq uint64) (Entry, run, error) {
	r, _, found, err := k.runFrom(w, epoch, seq)
	if err != nil {
		return Entry{}, run{}, err
	}
	if !found {
		return Entry{}, run{}, damage(k, bHead, w.headKey(epoch, seq), nil, "it is missing")
	}
	return r.entries[seq-r.first().Seq], r, nil
}

// grantOf returns the newest grant of h, nil when there is none.
func (k book) grantOf(h half) (*Grant, error) {
	if h.grantSeq == 0 {
		return nil, nil
	}
	rec, err := k.record(h.grantAt)
	if err != nil {
		return nil, err
	}
	if rec.grant == nil || rec.grant.Seq != h.grantSeq {
		return nil, damage(k, bLog, number(h.grantAt), nil, "it is not the grant that it should be")
	}
	return rec.grant, nil
}

// paid returns the first payment of w for ref.
func (k book) paid(w writer, ref identity.Hash) (Entry, bool, error) {
	numbers, err := k.tagged(w, ref)
	if err != nil {
		return Entry{}, false, err
	}
	return k.paidAt(numbers, w, ref)
}

// paid is the book's, through what this transaction wrote too.
func (p pen) paid(w writer, ref identity.Hash) (Entry, bool, error) {
	if !p.fresh.read { // the index changes at the end of the transaction only
		runs, found, err := read(p.book, bRef, refRunsKey, decodeRefRuns)
		if err != nil {
			return Entry{}, false, err
		}
		p.fresh.runs, p.fresh.indexed, p.fresh.read = runs, found, true
	}
	numbers, err := p.taggedIn(p.fresh.runs, p.fresh.indexed, p.fresh.filters, w, ref)
	if err != nil {
		return Entry{}, false, err
	}
	e, found, err := p.paidAt(numbers, w, ref)
	if found || err != nil {
		return e, found, err
	}
	return p.paidAt(p.fresh.tagged(refOf(w, ref, 0).tag), w, ref)
}

// paidAt returns the first of the log's records that is a payment of w for ref.
func (k book) paidAt(numbers []uint64, w writer, ref identity.Hash) (Entry, bool, error) {
	for _, n := range numbers {
		rec, err := k.record(n)
		if err != nil {
			return Entry{}, false, err
		}
		if rec.entry == nil {
			return Entry{}, false, damage(k, bLog, number(n), nil, "it is not the payment that it should be")
		}
		if e := *rec.entry; e.Line == w.line && e.Side == w.side && e.Ref == ref {
			return e, true, nil
		}
	}
	return Entry{}, false, nil
}

// paidInAll sums what w has paid for ref, as far as maxParts payments go.
func (k book) paidInAll(w writer, ref identity.Hash) (sum Amount, err error) {
	numbers, err := k.tagged(w, ref)
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		rec, err := k.record(n)
		if err != nil {
			return 0, err
		}
		if e := rec.entry; e != nil && e.Line == w.line && e.Side == w.side && e.Ref == ref && e.Kind.moves() {
			sum += e.Amount // parts of cum, which is below 2^62
		}
	}
	return sum, nil
}

// unsentOf returns what the peer has not acknowledged, if anything.
func (k book) unsentOf(line LineID) (unsent, bool, error) {
	return read(k, bOut, line[:], decodeUnsent)
}

// proofs returns what is held against a line: at most maxProofs.
func (k book) proofs(line LineID) ([]proof, error) {
	var all []proof
	err := k.scan(bProof, line[:], func(key, value []byte) (bool, error) {
		if !bytes.HasPrefix(key, line[:]) {
			return false, nil
		}
		payload, err := unseal(k, bProof, key, value)
		if err != nil {
			return false, err
		}
		p, err := decodeProof(payload)
		if err != nil {
			return false, damage(k, bProof, key, value, err.Error())
		}
		all = append(all, p)
		return len(all) < maxProofs, nil
	})
	return all, err
}

// state returns a line's state and, for people, why.
func (k book) state(line LineID) (State, string, error) {
	all, err := k.proofs(line)
	if err != nil {
		return StateDamaged, err.Error(), err
	}
	state, why := StateOpen, ""
	for _, p := range all {
		switch {
		case p.lost():
			return StateFenced, fmt.Sprintf("the peer holds %s, which this ledger does not have: "+
				"it was restored from an older copy. Nothing is signed on this line until it is rebuilt", p.shows()), nil
		case state == StateOpen:
			state, why = StateDisputed, "the peer "+p.words()+"; the proof is kept"
		}
	}
	return state, why, nil
}

// next is the number of the log's next record.
func (k book) next() (uint64, error) {
	key := k.last(bLog)
	if key == nil {
		return 1, nil
	}
	if len(key) != 8 {
		return 0, damage(k, bLog, key, nil, "its key is not a number")
	}
	return binary.BigEndian.Uint64(key) + 1, nil
}

// account holds both halves of a line while an operation works on it.
type account struct {
	peer   identity.Entity
	mine   writer
	theirs writer
	own    half // mine
	other  half // theirs
	known  bool // it has records
}

func (a account) back() uint64 {
	return max(a.own.at, a.own.grantAt, a.other.at, a.other.grantAt)
}

// balance is positive when the peer owes us.
func (a account) balance() Amount { return a.other.cum - a.own.cum }

// repaid is what of the peer's promises is settled by ours.
func (a account) repaid() Amount { return min(a.own.cum, a.other.cum) }

func accountOf(self, peer identity.Entity) account {
	line, side := LineOf(self, peer), SideOf(self, peer)
	return account{peer: peer, mine: writer{line, side}, theirs: writer{line, side.other()}}
}

// account reads the line between self and peer.
func (k book) account(self, peer identity.Entity) (account, error) {
	a := accountOf(self, peer)
	var err1, err2 error
	a.own, err1 = k.half(a.mine, peer)
	a.other, err2 = k.half(a.theirs, peer)
	a.known = a.back() > 0
	return a, errors.Join(err1, err2)
}

// save writes both halves.
func (p pen) save(a account) error {
	return errors.Join(p.put(bLine, a.mine.key(), a.own.encode()), p.put(bLine, a.theirs.key(), a.other.encode()))
}

// appendRun writes a run that continues w's half-chain to the log and moves that
// to t, where it stands then. The caller saves the account.
func (p pen) appendRun(a *account, w writer, r run, t tally) error {
	h := &a.own
	if w == a.theirs {
		h = &a.other
	}
	n, err := p.next()
	if err != nil {
		return err
	}
	at := span{n, n}
	back := a.back()
	for i := range r.entries {
		e := &r.entries[i]
		rec := record{peer: a.peer, back: back, entry: e, body: r.body(i)}
		if i == len(r.entries)-1 {
			rec.signed, rec.sig = true, r.sig
		}
		at.last = n
		if err := p.put(bLog, number(n), rec.encode()); err != nil {
			return err
		}
		if e.Kind.moves() {
			p.fresh.add(refOf(w, e.Ref, n))
		}
		back = n
		n++
	}
	if err := p.putLocks(w, h.tally(), t); err != nil {
		return err
	}
	h.stand(t, at.last)
	return p.put(bHead, w.headKey(h.epoch, h.seq), at.encode())
}

// putLocks makes the records of w's locks, which are those of from, those of to.
func (p pen) putLocks(w writer, from, to tally) error {
	for _, k := range from.locks {
		if _, ok := to.find(k.id); ok {
			continue
		}
		if err := errors.Join(p.remove(bLock, w.refKey(k.id)), p.remove(bClaim, w.refKey(k.id))); err != nil {
			return err
		}
	}
	for _, k := range to.locks {
		if was, ok := from.find(k.id); ok && was == k {
			continue
		}
		if err := p.put(bLock, w.refKey(k.id), k.encode()); err != nil {
			return err
		}
	}
	return nil
}

// appendGrant writes a grant of w to the log and makes it the one that counts.
func (p pen) appendGrant(a *account, w writer, g Grant) error {
	h := &a.own
	if w == a.theirs {
		h = &a.other
	}
	n, err := p.next()
	if err != nil {
		return err
	}
	rec := record{peer: a.peer, back: a.back(), grant: &g}
	h.grantSeq, h.grantLimit, h.grantExpiry, h.grantAt = g.Seq, g.Limit, g.Expiry, n
	return p.put(bLog, number(n), rec.encode())
}

// owe notes that the peer has acknowledged the half-chain up to seq and the
// grants up to grant only, if there is more; else that all is delivered.
func (p pen) owe(a account, seq, grant uint64) error {
	if seq >= a.own.seq && grant >= a.own.grantSeq {
		return p.remove(bOut, a.mine.line[:])
	}
	return p.put(bOut, a.mine.line[:], unsent{peer: a.peer, seq: seq, grant: grant}.encode())
}

// addProof keeps pr, unless the line has as many as it may.
func (p pen) addProof(line LineID, pr proof) error {
	all, err := p.proofs(line)
	if err != nil || len(all) >= maxProofs {
		return err
	}
	return p.put(bProof, append(line[:], number(uint64(len(all)+1))...), pr.encode())
}
