package ledger

import (
	"encoding/binary"
	"slices"

	"github.com/peersea/sea/identity"
)

// Three messages keep a line in step. Each begins with the version, its type
// and the line, and is big-endian and of fixed-width fields like the entries in
// it. Who speaks is known from the way it came.
//
//	position   the newest head and grant of yours that I hold, with your signatures,
//	           what I claim of your locks, and the recoveries that one of us may lack
//	push       a grant and runs of mine that you have not acknowledged
//	ack        the answer to a push: how far I hold your half-chain now
const (
	typePosition = 1
	typePush     = 2
	typeAck      = 3

	typeCheckpoint = 4 // see pactMessage
	typeRecall     = 5 // see recall
	typeRecalled   = 6

	typeCredentials = 7 // see credentials; it is about no line

	// MaxMessage is the longest message in bytes but a push over a link: it fits
	// into a routed call. MaxPush is the longest push.
	MaxMessage = 60_000
	MaxPush    = 600_000

	maxRuns     = 256  // in a recalled
	maxPushRuns = 2048 // in a push
)

// position is what its sender holds of the receiver's half-chain.
type position struct {
	line  LineID
	head  *Head     // nil when it holds no entry
	grant *Grant    // nil when it holds none
	shown []exhibit // of the receiver's locks, and recoveries: maxShown
}

func (p position) encode() []byte {
	b := begin(typePosition, p.line)
	b = append(b, flagByte(p.head != nil))
	if p.head != nil {
		b = append(b, p.head.Encode()...)
	}
	b = append(b, flagByte(p.grant != nil))
	if p.grant != nil {
		b = append(b, p.grant.Encode()...)
	}
	if len(p.shown) > 0 { // else it is what it was before there were locks
		b = append(b, byte(len(p.shown)))
	}
	for _, x := range p.shown {
		b = x.append(b)
	}
	return b
}

func decodePosition(b []byte) (position, error) {
	r := reader{b: b, what: "position"}
	p := position{line: r.begin(typePosition)}
	if r.flag("whether there is a head") {
		h := r.head()
		if h.Entry.Line != p.line {
			r.fail(ErrFormat, "its head is of another line")
		}
		p.head = &h
	}
	if r.flag("whether there is a grant") {
		g := r.grant()
		if g.Line != p.line {
			r.fail(ErrFormat, "its grant is of another line")
		}
		p.grant = &g
	}
	if r.err == nil && r.at < len(r.b) {
		n := int(r.u8())
		if n < 1 || n > maxShown {
			r.fail(ErrFormat, "it shows %d things, not 1 to %d", n, maxShown)
		}
		for i := 0; i < n && r.err == nil; i++ {
			p.shown = append(p.shown, r.exhibit(p.line))
		}
	}
	return p, r.end()
}

// push is what its sender has signed and the receiver not acknowledged.
type push struct {
	line  LineID
	grant *Grant
	runs  []run
}

func (p push) encode() []byte {
	size := pushBase
	for _, r := range p.runs {
		size += r.size()
	}
	b := slices.Grow(begin(typePush, p.line), size)
	b = append(b, flagByte(p.grant != nil))
	if p.grant != nil {
		b = append(b, p.grant.Encode()...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.runs)))
	for _, r := range p.runs {
		b = r.encode(b)
	}
	return b
}

// pushBase is the size of a push with a grant and no run.
const pushBase = 2 + 32 + 1 + GrantSize + 2

func decodePush(b []byte) (push, error) {
	r := reader{b: b, what: "push"}
	if len(b) > MaxPush {
		r.fail(ErrFormat, "it has %d bytes, %d at most", len(b), MaxPush)
	}
	p := push{line: r.begin(typePush)}
	if r.flag("whether there is a grant") {
		g := r.grant()
		if g.Line != p.line {
			r.fail(ErrFormat, "its grant is of another line")
		}
		p.grant = &g
	}
	n := int(r.u16())
	if n > maxPushRuns {
		r.fail(ErrFormat, "it has %d runs, %d at most", n, maxPushRuns)
	}
	for i := 0; i < n && r.err == nil; i++ {
		next := r.run()
		if r.err != nil {
			break
		}
		if next.first().Line != p.line {
			r.fail(ErrFormat, "it has entries of another line")
		}
		p.runs = append(p.runs, next)
	}
	return p, r.end()
}

// ack says how far its sender holds the receiver's half-chain.
type ack struct {
	line  LineID
	seq   uint64        // of the newest entry held, 0 for none
	tip   identity.Hash // its hash, zero for none
	grant uint64        // Seq of the newest grant held, 0 for none
	terms identity.Hash // the hash of its terms, zero for none
}

func (a ack) encode() []byte {
	b := begin(typeAck, a.line)
	b = binary.BigEndian.AppendUint64(b, a.seq)
	b = append(b, a.tip[:]...)
	b = binary.BigEndian.AppendUint64(b, a.grant)
	return append(b, a.terms[:]...)
}

func decodeAck(b []byte) (ack, error) {
	r := reader{b: b, what: "ack"}
	a := ack{line: r.begin(typeAck), seq: r.u64(), tip: r.hash(), grant: r.u64(), terms: r.hash()}
	switch {
	case a.seq > maxSeq || a.grant > maxSeq:
		r.fail(ErrFormat, "a number is above 2^62 - 1")
	case (a.seq == 0) != (a.tip == identity.Hash{}):
		r.fail(ErrFormat, "tip is zero when seq is zero and never else")
	case (a.grant == 0) != (a.terms == identity.Hash{}):
		r.fail(ErrFormat, "terms are zero when grant is zero and never else")
	}
	return a, r.end()
}

func begin(kind byte, line LineID) []byte {
	b := make([]byte, 0, 512)
	b = append(b, version, kind)
	return append(b, line[:]...)
}

func (r *reader) begin(kind byte) LineID {
	r.version()
	if t := r.u8(); t != kind {
		r.fail(ErrFormat, "its type is %d, not %d", t, kind)
	}
	return LineID(r.hash())
}
