package ledger

import (
	"encoding/binary"
	"errors"

	"github.com/peersea/sea/identity"
)

// Errors of locks.
var (
	// ErrLock is returned when a lock is not known, or is closed for good.
	ErrLock = errors.New("no such lock")

	// ErrLocks is returned when more locks would be open than are kept.
	ErrLocks = errors.New("too many open locks")

	// ErrVoucher is returned when a voucher, a release or a preimage does not
	// fit the lock that it names.
	ErrVoucher = errors.New("does not fit the lock")
)

// LockTerms is what a LOCK entry says beside its amount, which is the most that
// can come of it. What is locked is no promise yet: vouchers or a preimage make
// it one.
type LockTerms struct {
	// Expiry is the tick, 10 s units since 1970, from which the payer may take
	// back without the payee what was not promised. 1 to 2^40 - 1.
	Expiry uint64

	// Quote names what was agreed. Vouchers of the lock repeat it.
	Quote identity.Hash

	// Hash is the SHA-256 of the 32 bytes that pay the lock out, whole. Zero is
	// a lock that is paid out by vouchers.
	Hash identity.Hash
}

// body is what an entry says beside its fields: LockTerms of a LOCK, a Voucher of
// a FOLD, a settlement and a voiding. Its hash is the entry's Body, and it stands
// right behind the entry wherever that is written. PAY has none.
type body interface{ append([]byte) []byte }

func bodyHash(b body) identity.Hash { return identity.HashOf(b.append(nil)) }

// settlement is what a SETTLE says: this preimage pays the lock out.
type settlement struct {
	lock     identity.Hash
	preimage [32]byte
}

func (s settlement) append(b []byte) []byte {
	b = append(b, version)
	b = append(b, s.lock[:]...)
	return append(b, s.preimage[:]...)
}

// voiding is what a VOID says: the rest of the lock is taken back, with the
// payee's release unless it is nil.
type voiding struct {
	lock    identity.Hash
	release *Release
}

func (v voiding) append(b []byte) []byte {
	b = append(b, version)
	b = append(b, v.lock[:]...)
	b = append(b, flagByte(v.release != nil))
	if v.release != nil {
		b = append(b, v.release.Encode()...)
	}
	return b
}

// body reads what stands behind e.
func (r *reader) body(e Entry) body {
	at := r.at
	var out body
	names := func(line LineID, side Side) {
		if r.err == nil && (line != e.Line || side != e.Side) {
			r.fail(ErrFormat, "the body of entry %d is about another half-chain", e.Seq)
		}
	}
	switch e.Kind {
	case KindLock:
		out = r.lockTerms()
	case KindFold:
		v := r.voucher()
		names(v.Line, v.Side)
		out = v
	case KindSettle:
		r.version()
		out = settlement{r.hash(), r.hash()}
	case KindVoid:
		r.version()
		v := voiding{lock: r.hash()}
		if r.flag("whether there is a release") {
			x := r.release()
			names(x.Line, x.Side)
			if x.Lock != v.lock {
				r.fail(ErrFormat, "the release of entry %d is of another lock", e.Seq)
			}
			v.release = &x
		}
		out = v
	default:
		return nil
	}
	if r.err == nil && identity.HashOf(r.b[at:r.at]) != e.Body {
		r.fail(ErrFormat, "the body of entry %d is not the one that it names", e.Seq)
	}
	if r.err != nil {
		return nil
	}
	return out
}

const lockTermsSize = 1 + 8 + 32 + 32

// Encode returns the bytes whose SHA-256 is the Body of a LOCK: the fields in
// the order of the struct after the version, big-endian.
func (t LockTerms) Encode() []byte { return t.append(make([]byte, 0, lockTermsSize)) }

func (t LockTerms) append(b []byte) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, t.Expiry)
	b = append(b, t.Quote[:]...)
	return append(b, t.Hash[:]...)
}

// DecodeLockTerms reads what Encode wrote. Errors are ErrFormat and ErrVersion.
func DecodeLockTerms(b []byte) (LockTerms, error) {
	r := reader{b: b, what: "lock's terms"}
	t := r.lockTerms()
	return t, r.end()
}

func (r *reader) lockTerms() LockTerms {
	r.version()
	t := LockTerms{Expiry: r.u64(), Quote: r.hash(), Hash: r.hash()}
	if r.err == nil && (t.Expiry == 0 || t.Expiry >= maxTick) {
		r.fail(ErrFormat, "expiry is not a tick of 1 to 2^40 - 1")
	}
	return t
}
