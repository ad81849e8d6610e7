package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// RecoveryPurpose is what recoveries are signed for: the body is the encoded
// terms, the same for both sides.
const RecoveryPurpose identity.Purpose = "sea/recover/1"

// Recovery begins a new epoch of a half-chain whose writer has lost its newest
// entries, or may have. The writer signs that it goes on after entry Seq; the
// other side, that it holds nothing newer of the writer. From then on it has no
// use for a head that it did not show.
type Recovery struct {
	Line  LineID
	Side  Side   // the writer
	Epoch uint32 // the one that begins: 2 to maxEpoch

	// Seq, Tip and Cum are of the newest entry, all zero when there is none. The
	// next one has Seq + 1, names Tip and is of Epoch.
	Seq uint64
	Tip identity.Hash
	Cum Amount

	Sig     [64]byte // the writer's
	Consent [64]byte // the other side's
}

const (
	recoveryTerms = 1 + 32 + 1 + 4 + 8 + 32 + 8

	// RecoverySize is the length of an encoded Recovery in bytes.
	RecoverySize = recoveryTerms + 2*64
)

func (v Recovery) terms() []byte {
	b := make([]byte, 0, RecoverySize)
	b = append(b, version)
	b = append(b, v.Line[:]...)
	b = append(b, byte(v.Side))
	b = binary.BigEndian.AppendUint32(b, v.Epoch)
	b = binary.BigEndian.AppendUint64(b, v.Seq)
	b = append(b, v.Tip[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(v.Cum))
}

// Encode returns the RecoverySize bytes of v: the fields in the order of the
// struct after the version. All but the signatures is what is signed.
func (v Recovery) Encode() []byte {
	return append(append(v.terms(), v.Sig[:]...), v.Consent[:]...)
}

// DecodeRecovery reads what Encode wrote. It verifies no signature.
func DecodeRecovery(b []byte) (Recovery, error) {
	r := reader{b: b, what: "recovery"}
	v := r.recovery()
	return v, r.end()
}

func (r *reader) recovery() Recovery {
	r.version()
	v := Recovery{Line: LineID(r.hash()), Side: r.side("side"), Epoch: r.u32(), Seq: r.u64(), Tip: r.hash()}
	cum := r.u64()
	v.Sig, v.Consent = r.sig(), r.sig()
	switch {
	case r.err != nil:
	case v.Epoch <= firstEpoch || v.Epoch > maxEpoch:
		r.fail(ErrFormat, "a recovery's epoch is not 2 to %d", maxEpoch)
	case v.Seq > maxSeq:
		r.fail(ErrFormat, "a recovery's seq is above 2^62 - 1")
	case (v.Seq == 0) != (v.Tip == identity.Hash{}):
		r.fail(ErrFormat, "a recovery's tip is zero when there is no entry and never else")
	case cum > maxAmount || v.Seq == 0 && cum != 0:
		r.fail(ErrFormat, "a recovery's cum is 2^62 or more, or of no entry")
	}
	v.Cum = Amount(cum)
	return v
}

// verify returns nil when the writer signed v and other, unless it is nil, too.
func (v Recovery) verify(writer identity.Entity, other *identity.Entity) error {
	err := identity.Verify(writer, RecoveryPurpose, v.terms(), v.Sig[:])
	if err == nil && other != nil {
		err = identity.Verify(*other, RecoveryPurpose, v.terms(), v.Consent[:])
	}
	if err != nil {
		return fmt.Errorf("recovery to epoch %d: %w", v.Epoch, err)
	}
	return nil
}

// same says whether v and u say the same, whoever signed.
func (v Recovery) same(u Recovery) bool {
	v.Sig, v.Consent, u.Sig, u.Consent = [64]byte{}, [64]byte{}, [64]byte{}, [64]byte{}
	return v == u
}

// begins says whether v goes on where h stands.
func (v Recovery) begins(h half) bool {
	return v.Epoch == h.epoch+1 && v.Seq == h.seq && v.Tip == h.tip && v.Cum == h.cum
}

func (w writer) recoveryKey(epoch uint32) []byte {
	return binary.BigEndian.AppendUint32(w.key(), epoch)
}

// recovery returns the one that began epoch of w.
func (k book) recovery(w writer, epoch uint32) (Recovery, bool, error) {
	return read(k, bRecovery, w.recoveryKey(epoch), DecodeRecovery)
}

// recoveries returns those of w after epoch, maxRecoveries at most.
func (k book) recoveries(w writer, after, last uint32) ([]Recovery, error) {
	var all []Recovery
	for e := after + 1; e <= last && len(all) < maxRecoveries; e++ {
		v, found, err := k.recovery(w, e)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, damage(k, bRecovery, w.recoveryKey(e), nil, "it is missing")
		}
		all = append(all, v)
	}
	return all, nil
}

// recall asks a peer for what it holds of the asker's own half-chain: what comes
// after the entry that the asker has. With a recovery that is signed it asks for
// the consent.
type recall struct {
	line  LineID
	epoch uint32
	seq   uint64
	tip   identity.Hash
	with  *Recovery // its Consent is not sent
}

func (m recall) encode() []byte {
	b := begin(typeRecall, m.line)
	b = binary.BigEndian.AppendUint32(b, m.epoch)
	b = binary.BigEndian.AppendUint64(b, m.seq)
	b = append(b, m.tip[:]...)
	b = append(b, flagByte(m.with != nil))
	if m.with != nil {
		b = append(b, m.with.Encode()...)
	}
	return b
}

func decodeRecall(b []byte) (recall, error) {
	r := reader{b: b, what: "recall"}
	m := recall{line: r.begin(typeRecall), epoch: r.u32(), seq: r.u64(), tip: r.hash()}
	if r.flag("whether there is a recovery") {
		v := r.recovery()
		m.with = &v
	}
	switch {
	case r.err != nil:
	case m.epoch < firstEpoch || m.epoch > maxEpoch || m.seq > maxSeq:
		r.fail(ErrFormat, "epoch or seq is out of range")
	case (m.seq == 0) != (m.tip == identity.Hash{}):
		r.fail(ErrFormat, "tip is zero when seq is zero and never else")
	}
	return m, r.end()
}

// maxRecoveries is how many a message carries: they are asked for again.
const maxRecoveries = 64

// recalled is the answer: the next runs of the asker's half-chain, the recoveries
// that they need, and how far there is more.
type recalled struct {
	line       LineID
	known      bool   // the entry that the asker has is on the answerer's half-chain of it
	newest     uint64 // seq of the newest entry that is held
	epoch      uint32 // the epoch that the half-chain is in
	recoveries []Recovery
	runs       []run
	agreed     bool // the recovery that came is among recoveries, with the consent
}

const recalledBase = 2 + 32 + 1 + 8 + 4 + 2 + 2 + 1 + maxRecoveries*RecoverySize

func (m recalled) encode() []byte {
	b := begin(typeRecalled, m.line)
	b = append(b, flagByte(m.known))
	b = binary.BigEndian.AppendUint64(b, m.newest)
	b = binary.BigEndian.AppendUint32(b, m.epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.recoveries)))
	for _, v := range m.recoveries {
		b = append(b, v.Encode()...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.runs)))
	for _, r := range m.runs {
		b = r.encode(b)
	}
	return append(b, flagByte(m.agreed))
}

func decodeRecalled(b []byte) (recalled, error) {
	r := reader{b: b, what: "recalled"}
	if len(b) > MaxMessage {
		r.fail(ErrFormat, "it has %d bytes, %d at most", len(b), MaxMessage)
	}
	m := recalled{line: r.begin(typeRecalled), known: r.flag("whether it is known"), newest: r.u64(), epoch: r.u32()}
	n := int(r.u16())
	if n > maxRecoveries {
		r.fail(ErrFormat, "it has %d recoveries, %d at most", n, maxRecoveries)
	}
	for i := 0; i < n && r.err == nil; i++ {
		m.recoveries = append(m.recoveries, r.recovery())
	}
	if n = int(r.u16()); n > maxRuns {
		r.fail(ErrFormat, "it has %d runs, %d at most", n, maxRuns)
	}
	for i := 0; i < n && r.err == nil; i++ {
		m.runs = append(m.runs, r.run())
	}
	m.agreed = r.flag("whether it is agreed")
	if r.err == nil && (m.newest > maxSeq || m.epoch < firstEpoch || m.epoch > maxEpoch) {
		r.fail(ErrFormat, "newest or epoch is out of range")
	}
	return m, r.end()
}

// errOldEpoch is returned for an entry of before a recovery that is not on the
// half-chain, or of after one that was not agreed on.
var errOldEpoch = fmt.Errorf("%w: an entry of another epoch", ErrOutOfStep)

// ErrFork is returned when a ledger cannot be rebuilt on a line because it has
// signed something since it was put back that the peer never got: then the file
// is moved away, and a new one is rebuilt from nothing.
var ErrFork = errors.New("something was signed after the old copy was put back")

// maybeLost is what a position shows of recoveries: of the peer's half-chain
// those after its newest entry, and the newest of ours. They bear both
// signatures, and a file that was put back may be from before them.
func (k book) maybeLost(a account) (all []exhibit, err error) {
	after := uint32(firstEpoch)
	if a.other.seq > 0 {
		e, _, err := k.entryAt(a.theirs, a.other.epoch, a.other.seq)
		if err != nil {
			return nil, err
		}
		after = e.Epoch
	}
	theirs, err := k.recoveries(a.theirs, after, a.other.epoch)
	if err != nil {
		return nil, err
	}
	ours, err := k.recoveries(a.mine, max(a.own.epoch, firstEpoch+maxRecoveries)-maxRecoveries, a.own.epoch)
	for _, v := range append(theirs, ours...) {
		all = append(all, exhibit{recovery: &v})
	}
	return all, err
}

// restored takes recoveries back in that both sides have signed and that are not
// here: this file, or the peer's, was put back from before them. One of ours that
// something was signed after, of the epoch before, fences the line.
func (l *Ledger) restored(ctx context.Context, peer identity.Entity, shown []exhibit) error {
	var lost []Recovery
	err := l.store.view(func(g getter) (err error) {
		a, err := book{g}.account(l.self, peer)
		lost = a.lacks(shown)
		return err
	})
	if err != nil || len(lost) == 0 {
		return err
	}
	a := accountOf(l.self, peer)
	for _, v := range lost {
		writer, other := l.self, peer
		if v.Side == a.theirs.side {
			writer, other = other, writer
		}
		if err := v.verify(writer, &other); err != nil {
			return err
		}
	}
	var refused error
	err = l.submit(ctx, a.mine.line, func(b *batch) error {
		a, state, err := b.open(peer)
		if err != nil {
			return err
		}
		if !slices.Equal(a.lacks(shown), lost) {
			return nil // the half-chains have moved meanwhile: the next position shows them again
		}
		if err := b.checkRoom(a); err != nil {
			return err
		}
		var forked *Recovery
		for _, v := range lost {
			w, h := a.theirs, &a.other
			if v.Side == a.mine.side {
				w, h = a.mine, &a.own
			}
			if w == a.mine && state == StateFenced {
				continue // Recall brings it
			}
			if !v.begins(*h) {
				forked = &v
				continue
			}
			if err := b.put(bRecovery, w.recoveryKey(v.Epoch), v.Encode()); err != nil {
				return fmt.Errorf("%w: %w", errStore, err)
			}
			h.epoch = v.Epoch
			b.l.log.Warn("a recovery is taken back in: this ledger is a copy from before it", "peer", peer, "epoch", v.Epoch, "ours", w == a.mine)
		}
		if err := b.keep(a, state); err != nil || forked == nil {
			return err
		}
		refused, err = b.fence(a, proof{kind: proofLostEpoch, recovery: forked})
		return err
	})
	if err == nil && refused != nil { // else it is not ours to read if ctx ended
		err = fmt.Errorf("%w: %w", ErrFork, refused)
	}
	return err
}

// lacks returns those of the recoveries shown that begin where a half-chain of a
// stands, one after the other, or that began where ours did before its newest
// entry.
func (a account) lacks(shown []exhibit) (all []Recovery) {
	for _, x := range shown {
		v := x.recovery
		if v == nil {
			continue
		}
		h := &a.other
		if v.Side == a.mine.side {
			h = &a.own
		}
		if v.begins(*h) {
			h.epoch = v.Epoch
			all = append(all, *v)
		} else if v.Side == a.mine.side && v.Epoch == h.epoch+1 && v.Seq < h.seq {
			all = append(all, *v)
		}
	}
	return all
}
