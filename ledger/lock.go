package ledger

import (
	"encoding/binary"

	"github.com/peersea/sea/identity"
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
