package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// HeadPurpose is what heads are signed for: the body is the SHA-256 of an
// encoded Entry.
const HeadPurpose identity.Purpose = "sea/head/1"

// Errors of reading what a peer or the disk says.
var (
	// ErrFormat is returned, wrapped with the field and the reason, when bytes
	// are not an entry, a grant or a message of this version.
	ErrFormat = errors.New("bad ledger format")

	// ErrVersion is returned, wrapped with both numbers, when bytes are of a
	// version that this program does not read.
	ErrVersion = errors.New("unknown ledger version")

	// ErrKind is returned, wrapped with its name, when an entry is of a kind
	// that this program does not take yet.
	ErrKind = errors.New("entry kind is not supported")
)

const (
	version = 1 // first byte of everything that is sent, signed or stored

	// EntrySize is the length of an encoded Entry in bytes.
	EntrySize = 1 + 32 + 1 + 4 + 8 + 32 + 8 + 8 + 8 + 1 + 8 + 32 + 32

	// firstEpoch is that of a half-chain which was never recovered.
	firstEpoch = 1

	// maxEpoch is how often a half-chain may be recovered, and one more.
	maxEpoch = 1000

	// maxSeq leaves room above every number that is used.
	maxSeq = 1<<62 - 1

	// maxTick keeps an entry's time inside what time.Time can show.
	maxTick = 1 << 40

	tickLength = 10 // seconds
)

// Kind says what an entry does. The numbers are stable.
type Kind uint8

// The kinds. Those up to Fold are written and taken by this version; the others
// have their number and are refused with their name.
const (
	KindPay     Kind = 1 // a promise of amount for what ref names
	KindLock    Kind = 2 // amount set aside for a job or a hop
	KindSettle  Kind = 3 // a lock paid out by its preimage
	KindVoid    Kind = 4 // a lock given back
	KindFold    Kind = 5 // the last voucher of a job, made part of cum
	KindRecover Kind = 6 // a new epoch after a lost disk; see Recovery, which needs no entry
	KindRebase  Kind = 7 // the first entry after a checkpoint was sealed
	KindClose   Kind = 8 // the last entry
)

var kindNames = [...]string{"", "PAY", "LOCK", "SETTLE", "VOID", "FOLD", "RECOVER", "REBASE", "CLOSE"}

// moves says whether an entry of kind k makes cum higher.
func (k Kind) moves() bool { return k == KindPay || k == KindSettle || k == KindFold }

// String returns the kind's name in capitals, or its number.
func (k Kind) String() string {
	if k >= 1 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Entry is one link of a half-chain: "I have promised you Cum in all".
type Entry struct {
	Line LineID
	Side Side // the writer

	// Epoch counts the writer's recoveries from 1. Seq counts its entries from
	// 1 within the line. Prev is the hash of the one before, zero for the first.
	Epoch uint32
	Seq   uint64
	Prev  identity.Hash

	// Cum is all the writer has ever promised on this line, this entry
	// included, and Held what is under open locks beside it. Both together are
	// below 2^62.
	Cum, Held Amount

	// Tick is the writer's clock: 10 s units since 1970. Nobody relies on it,
	// but that it tells whether a VOID came before its lock's expiry.
	Tick uint64

	Kind   Kind
	Amount Amount        // above zero, below 2^62
	Ref    identity.Hash // what it is for, the order of a job; never zero
	Body   identity.Hash // of what the kind says beside this; zero for PAY
}

// Time is when the writer says it wrote e, to 10 s.
func (e Entry) Time() time.Time { return time.Unix(int64(e.Tick*tickLength), 0) }

func tickOf(t time.Time) uint64 {
	return min(uint64(max(t.Unix(), 0))/tickLength, maxTick-1)
}

// Hash names e: the SHA-256 of its encoding. It is what the next entry's Prev
// holds and what a Head signs.
func (e Entry) Hash() identity.Hash { return identity.HashOf(e.Encode()) }

// Encode returns the EntrySize bytes of e: the fields in the order of the
// struct after the version, big-endian.
func (e Entry) Encode() []byte { return e.append(make([]byte, 0, EntrySize)) }

func (e Entry) append(b []byte) []byte {
	b = append(b, version)
	b = append(b, e.Line[:]...)
	b = append(b, byte(e.Side))
	b = binary.BigEndian.AppendUint32(b, e.Epoch)
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	b = append(b, e.Prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Cum))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Held))
	b = binary.BigEndian.AppendUint64(b, e.Tick)
	b = append(b, byte(e.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Amount))
	b = append(b, e.Ref[:]...)
	return append(b, e.Body[:]...)
}

// DecodeEntry reads what Encode wrote. It checks every field that can be
// checked without the line's other entries; errors are ErrFormat, ErrVersion
// and ErrKind. It verifies no signature.
func DecodeEntry(b []byte) (Entry, error) {
	r := reader{b: b, what: "entry"}
	e := r.entry()
	return e, r.end()
}

func (r *reader) entry() Entry {
	r.version()
	e := Entry{
		Line:  LineID(r.hash()),
		Side:  r.side("side"),
		Epoch: r.u32(),
		Seq:   r.u64(),
		Prev:  r.hash(),
	}
	cum, held := r.u64(), r.u64()
	e.Tick = r.u64()
	e.Kind = Kind(r.u8())
	amount := r.u64()
	e.Ref, e.Body = r.hash(), r.hash()

	switch {
	case r.err != nil:
	case e.Kind < KindPay || e.Kind > KindClose:
		r.fail(ErrKind, "entry kind %d has no meaning here", uint8(e.Kind))
	case e.Kind > KindFold:
		r.fail(ErrKind, "entry kind %s is not taken by this version", e.Kind)
	case e.Epoch < firstEpoch || e.Epoch > maxEpoch:
		r.fail(ErrFormat, "epoch is %d, not 1 to %d", e.Epoch, maxEpoch)
	case e.Seq == 0 || e.Seq > maxSeq:
		r.fail(ErrFormat, "seq is not 1 to 2^62 - 1")
	case (e.Seq == 1) != (e.Prev == identity.Hash{}):
		r.fail(ErrFormat, "prev is zero for the first entry and for no other")
	case amount == 0:
		r.fail(ErrFormat, "amount is zero")
	case amount > maxAmount:
		r.fail(ErrFormat, "amount is negative or 2^62 and more")
	case cum > maxAmount:
		r.fail(ErrFormat, "cum is 2^62 or more")
	case held > maxAmount-cum:
		r.fail(ErrFormat, "cum and held are 2^62 or more together")
	case e.Kind.moves() && cum < amount:
		r.fail(ErrFormat, "cum is below amount")
	case e.Kind == KindLock && held < amount:
		r.fail(ErrFormat, "held is below amount in a LOCK")
	case e.Seq == 1 && e.Kind != KindPay && e.Kind != KindLock:
		r.fail(ErrFormat, "the first entry is a %s", e.Kind)
	case e.Seq == 1 && cum+held != amount:
		r.fail(ErrFormat, "cum or held is not amount in the first entry")
	case e.Tick >= maxTick:
		r.fail(ErrFormat, "tick is 2^40 or more")
	case e.Ref == identity.Hash{}:
		r.fail(ErrFormat, "ref is zero: a payment names what it is for")
	case (e.Kind == KindPay) != (e.Body == identity.Hash{}):
		r.fail(ErrFormat, "body hash is zero for PAY and for no other kind")
	}
	e.Cum, e.Held, e.Amount = Amount(cum), Amount(held), Amount(amount)
	return e
}

// A Head is a signature that covers its Entry and, through Prev, every entry of
// the half-chain before it.
type Head struct {
	Entry Entry
	Sig   [64]byte
}

// signHead signs for every entry up to e.
func signHead(s identity.Signer, e Entry) (Head, error) {
	h := e.Hash()
	said, err := s.Sign(HeadPurpose, h[:])
	if err != nil {
		return Head{}, fmt.Errorf("sign entry %d: %w", e.Seq, err)
	}
	return Head{Entry: e, Sig: said.Sig}, nil
}

// Verify returns nil when writer signed h. Errors are identity's.
func (h Head) Verify(writer identity.Entity) error {
	hash := h.Entry.Hash()
	if err := identity.Verify(writer, HeadPurpose, hash[:], h.Sig[:]); err != nil {
		return fmt.Errorf("head of entry %d: %w", h.Entry.Seq, err)
	}
	return nil
}

// HeadSize is the length of an encoded Head in bytes.
const HeadSize = EntrySize + 64

// Encode returns the HeadSize bytes of h: the entry and the signature.
func (h Head) Encode() []byte {
	return append(h.Entry.append(make([]byte, 0, HeadSize)), h.Sig[:]...)
}

// DecodeHead reads what Head.Encode wrote. It does not verify the signature.
func DecodeHead(b []byte) (Head, error) {
	r := reader{b: b, what: "head"}
	h := r.head()
	return h, r.end()
}

func (r *reader) head() Head { return Head{Entry: r.entry(), Sig: r.sig()} }
