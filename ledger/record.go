package ledger

import (
	"encoding/binary"
	"slices"

	"github.com/peersea/sea/identity"
)

// The records of the file, as payloads: store.go adds the checksum. Each but
// the indexes' begins with a version.

// record is what the log holds: an entry or a grant, with whose line it is on.
// The log alone is enough to make every other bucket again, except what the
// peers have acknowledged.
type record struct {
	peer identity.Entity
	back uint64 // number of the line's record before this one, 0 for none

	entry  *Entry // one of the two
	body   body   // the entry's, nil when it has none
	signed bool   // the entry ends a run and sig is its head's
	sig    [64]byte
	grant  *Grant
}

const (
	recordEntry = 1
	recordGrant = 2
)

func (rec record) encode() []byte {
	b := make([]byte, 0, 2+32+8+EntrySize+1+64+sumSize)
	kind := byte(recordEntry)
	if rec.grant != nil {
		kind = recordGrant
	}
	b = append(b, version, kind)
	b = append(b, rec.peer[:]...)
	b = binary.BigEndian.AppendUint64(b, rec.back)
	if rec.grant != nil {
		return append(b, rec.grant.Encode()...)
	}
	b = rec.entry.append(b)
	if rec.body != nil {
		b = rec.body.append(b)
	}
	b = append(b, flagByte(rec.signed))
	if rec.signed {
		b = append(b, rec.sig[:]...)
	}
	return b
}

// decodeRecord reads what encode wrote. That peer is a sound key is not looked at
// again: it was before the record was written, and the line's check does.
func decodeRecord(b []byte) (record, error) {
	r := reader{b: b, what: "log record"}
	r.version()
	kind := r.u8()
	rec := record{peer: identity.Entity(r.hash()), back: r.u64()}
	switch kind {
	case recordEntry:
		e := r.entry()
		rec.entry, rec.body = &e, r.body(e)
		if rec.signed = r.flag("whether it is signed"); rec.signed {
			rec.sig = r.sig()
		}
	case recordGrant:
		g := r.grant()
		rec.grant = &g
	default:
		r.fail(ErrFormat, "its type is %d, not 1 or 2", kind)
	}
	return rec, r.end()
}

// half is where one side's half-chain and its grant stand. A line has two of
// them from its first record on.
type half struct {
	peer  identity.Entity // the other party of the line, in both halves
	epoch uint32
	seq   uint64
	cum   Amount
	tip   identity.Hash
	at    uint64 // number of the newest entry, always a run's last; 0 for none
	locks []lock // not closed, by id; they have their own records

	grantSeq    uint64 // of this side's newest grant; 0 for none
	grantLimit  Amount
	grantExpiry int64
	grantAt     uint64 // its number
}

func newHalf(peer identity.Entity) half { return half{peer: peer, epoch: firstEpoch} }

func (h half) encode() []byte {
	b := make([]byte, 0, 1+32+4+8+8+32+8+4*8+sumSize)
	b = append(b, version)
	b = append(b, h.peer[:]...)
	b = binary.BigEndian.AppendUint32(b, h.epoch)
	b = binary.BigEndian.AppendUint64(b, h.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(h.cum))
	b = append(b, h.tip[:]...)
	b = binary.BigEndian.AppendUint64(b, h.at)
	b = binary.BigEndian.AppendUint64(b, h.grantSeq)
	b = binary.BigEndian.AppendUint64(b, uint64(h.grantLimit))
	b = binary.BigEndian.AppendUint64(b, uint64(h.grantExpiry))
	b = binary.BigEndian.AppendUint64(b, h.grantAt)
	if len(h.locks) > 0 { // else it is what it was before there were any
		b = append(b, byte(len(h.locks)))
	}
	return b
}

// tally is where the half-chain stands.
func (h half) tally() tally {
	t := tally{epoch: h.epoch, seq: h.seq, cum: h.cum, tip: h.tip, locks: h.locks}
	for _, k := range h.locks {
		if !k.void {
			t.held += k.rest()
		}
	}
	return t
}

// stand moves h to t, whose last entry has the number at.
func (h *half) stand(t tally, at uint64) {
	h.seq, h.cum, h.tip, h.locks, h.at = t.seq, t.cum, t.tip, t.locks, at
}

func (h half) equal(g half) bool {
	return slices.Equal(h.locks, g.locks) && slices.Equal(h.encode(), g.encode())
}

func decodeHalf(b []byte) (half, error) {
	r := reader{b: b, what: "line record"}
	r.version()
	h := half{
		peer: identity.Entity(r.hash()), epoch: r.u32(), seq: r.u64(), cum: Amount(r.u64()), tip: r.hash(), at: r.u64(),
		grantSeq: r.u64(), grantLimit: Amount(r.u64()), grantExpiry: int64(r.u64()), grantAt: r.u64(),
	}
	if r.err == nil && r.at < len(r.b) {
		n := int(r.u8())
		if n < 1 || n > MaxLocks {
			r.fail(ErrFormat, "it has %d locks, not 1 to %d", n, MaxLocks)
		} else {
			h.locks = make([]lock, n) // the book reads them
		}
	}
	return h, r.end()
}

// encode makes the record of a lock; its id is the key.
func (k lock) encode() []byte {
	b := append(make([]byte, 0, 192+sumSize), version)
	b = binary.BigEndian.AppendUint64(b, k.seq)
	b = append(b, k.ref[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(k.amount))
	b = binary.BigEndian.AppendUint64(b, uint64(k.folded))
	b = append(b, flagByte(k.void))
	return k.terms.append(b)
}

func decodeLock(b []byte) (lock, error) {
	r := reader{b: b, what: "lock record"}
	r.version()
	k := lock{seq: r.u64(), ref: r.hash(), amount: Amount(r.u64()), folded: Amount(r.u64()), void: r.flag("whether it is void")}
	k.terms = r.lockTerms()
	if k.amount < 1 || k.amount > maxAmount || k.folded < 0 || k.folded >= k.amount {
		r.fail(ErrFormat, "%d of %d is folded", k.folded, k.amount)
	}
	return k, r.end()
}

func (e evidence) encode() []byte {
	b := append(make([]byte, 0, 256), version)
	b = append(b, flagByte(e.voucher != nil))
	if e.voucher != nil {
		b = e.voucher.append(b)
	}
	b = append(b, flagByte(e.preimage != nil))
	if e.preimage != nil {
		b = append(b, e.preimage[:]...)
	}
	return b
}

func decodeEvidence(b []byte) (evidence, error) {
	r := reader{b: b, what: "claim record"}
	r.version()
	var e evidence
	if r.flag("whether there is a voucher") {
		v := r.voucher()
		e.voucher = &v
	}
	if r.flag("whether there is a preimage") {
		p := [32]byte(r.hash())
		e.preimage = &p
	}
	return e, r.end()
}

// span is the numbers of a run's first and last entry in the log, which stand
// there without a gap.
type span struct{ first, last uint64 }

func (s span) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16+sumSize), s.first)
	return binary.BigEndian.AppendUint64(b, s.last)
}

func decodeSpan(b []byte) (span, error) {
	r := reader{b: b, what: "head record"}
	s := span{r.u64(), r.u64()}
	if s.first == 0 || s.last < s.first || s.last-s.first >= MaxRun {
		r.fail(ErrFormat, "it spans log records %d to %d", s.first, s.last)
	}
	return s, r.end()
}

// unsent says that the peer has acknowledged our half-chain up to seq and our
// grants up to grant, and that there is more.
type unsent struct {
	peer       identity.Entity
	seq, grant uint64
}

func (u unsent) encode() []byte {
	b := append(make([]byte, 0, 1+32+16+sumSize), version)
	b = append(b, u.peer[:]...)
	b = binary.BigEndian.AppendUint64(b, u.seq)
	return binary.BigEndian.AppendUint64(b, u.grant)
}

func decodeUnsent(b []byte) (unsent, error) {
	r := reader{b: b, what: "outbox record"}
	r.version()
	u := unsent{peer: identity.Entity(r.hash()), seq: r.u64(), grant: r.u64()}
	return u, r.end()
}

// proof is why a line is not open. In all but those of a loss, see lost, the peer
// has signed everything in it; in those it is this ledger's own key, and the peer
// has shown it.
type proof struct {
	kind        uint8
	tick        uint64 // when it was found
	peer        identity.Entity
	held, shown *run
	pacts       []Checkpoint // 2 at most
	warrant     *warrant     // of a proofBudget
	recovery    *Recovery    // of a proofLostEpoch
}

const (
	proofFork     = 1 // held and shown cannot both be parts of one half-chain
	proofSum      = 2 // shown contradicts itself, or the head it follows, which is held's
	proofLost     = 3 // shown is the head of entries that are not here
	proofPacts    = 4 // two checkpoints that contradict each other
	proofPactFork = 5 // a checkpoint that is no prefix of the half-chain shown is of
	proofLostPact = 6 // a checkpoint of entries that are not here
	proofLock     = 7 // shown breaks the rules of locks after the half-chain here, whose last run is held
	proofBudget   = 8 // shown promises more than the peer's certificate allows

	proofLostEpoch = 9 // a recovery that is not here, and began before the newest entry that is
)

// maxProofs is how many a line keeps; one is enough to close it.
const maxProofs = 4

func (p proof) encode() []byte {
	b := append(make([]byte, 0, 2048), version, p.kind)
	b = binary.BigEndian.AppendUint64(b, p.tick)
	b = append(b, p.peer[:]...)
	for _, r := range []*run{p.held, p.shown} {
		b = append(b, flagByte(r != nil))
		if r != nil {
			b = r.encode(b)
		}
	}
	for _, c := range p.pacts {
		b = append(b, c.Encode()...)
	}
	if p.warrant != nil {
		b = p.warrant.append(b)
	}
	if p.recovery != nil {
		b = append(b, p.recovery.Encode()...)
	}
	return b
}

func decodeProof(b []byte) (proof, error) {
	r := reader{b: b, what: "proof"}
	r.version()
	p := proof{kind: r.u8(), tick: r.u64(), peer: r.entity("peer")}
	if p.kind < proofFork || p.kind > proofLostEpoch {
		r.fail(ErrFormat, "its kind is %d, not 1 to 9", p.kind)
	}
	for _, to := range []**run{&p.held, &p.shown} {
		if r.flag("whether there is a run") {
			next := run{}
			if p.kind == proofLost {
				next = r.bare()
			} else {
				next = r.run()
			}
			*to = &next
		}
	}
	for range p.wants() {
		p.pacts = append(p.pacts, r.checkpoint())
	}
	if p.kind == proofBudget {
		w := r.warrant()
		p.warrant = &w
	}
	if p.kind == proofLostEpoch {
		v := r.recovery()
		p.recovery = &v
	}
	if p.shown == nil && p.kind != proofPacts && p.kind != proofLostPact && p.kind != proofLostEpoch {
		r.fail(ErrFormat, "it shows nothing")
	}
	return p, r.end()
}

// bare reads a run of one entry whose body is not there: all that a peer shows of
// an entry that was lost is its head.
func (r *reader) bare() run {
	if n := r.u16(); r.err == nil && n != 1 {
		r.fail(ErrFormat, "it shows %d entries, not one", n)
	}
	h := r.head()
	return run{entries: []Entry{h.Entry}, sig: h.Sig}
}

// wants is how many checkpoints a proof of its kind has.
func (p proof) wants() int {
	switch p.kind {
	case proofPacts:
		return 2
	case proofPactFork, proofLostPact:
		return 1
	}
	return 0
}

// lost says that p shows a loss of our own, and nothing against the peer.
func (p proof) lost() bool {
	return p.kind == proofLost || p.kind == proofLostPact || p.kind == proofLostEpoch
}

// line is what p is about.
func (p proof) line() LineID {
	switch {
	case p.shown != nil:
		return p.shown.first().Line
	case p.recovery != nil:
		return p.recovery.Line
	}
	return p.pacts[0].Line
}
