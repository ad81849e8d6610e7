package ledger

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// GrantPurpose is what grants are signed for: the body is the encoded terms.
const GrantPurpose identity.Purpose = "sea/grant/1"

// Grant is how far a creditor lets the other side of a line go into debt, signed
// by the creditor alone. Of two the one with the higher Seq counts.
type Grant struct {
	Line     LineID
	Seq      uint64 // from 1
	Creditor identity.Entity
	Limit    Amount // zero takes the credit back; below 2^62

	// Expiry is the first second, Unix time, at which it no longer holds: from
	// then on the limit is zero. 0 is never.
	Expiry int64

	Sig [64]byte
}

// GrantSize is the length of an encoded Grant in bytes, termsSize that of what
// is signed.
const (
	GrantSize = termsSize + 64
	termsSize = 1 + 32 + 8 + 32 + 8 + 8
)

// maxExpiry is the end of the year 9999.
const maxExpiry = 253402300799

// limitAt is what the grant allows at t.
func (g Grant) limitAt(t time.Time) Amount {
	if g.Expiry != 0 && t.Unix() >= g.Expiry {
		return 0
	}
	return g.Limit
}

func (g Grant) terms() []byte {
	b := make([]byte, 0, GrantSize)
	b = append(b, version)
	b = append(b, g.Line[:]...)
	b = binary.BigEndian.AppendUint64(b, g.Seq)
	b = append(b, g.Creditor[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(g.Limit))
	return binary.BigEndian.AppendUint64(b, uint64(g.Expiry))
}

// hash names the terms, without the signature.
func (g Grant) hash() identity.Hash { return identity.HashOf(g.terms()) }

// sign returns g with the creditor's signature.
func (g Grant) sign(s identity.Signer) (Grant, error) {
	said, err := s.Sign(GrantPurpose, g.terms())
	if err != nil {
		return Grant{}, fmt.Errorf("sign grant %d: %w", g.Seq, err)
	}
	g.Sig = said.Sig
	return g, nil
}

// Verify returns nil when the creditor signed g. Errors are identity's.
func (g Grant) Verify() error {
	if err := identity.Verify(g.Creditor, GrantPurpose, g.terms(), g.Sig[:]); err != nil {
		return fmt.Errorf("grant %d: %w", g.Seq, err)
	}
	return nil
}

// Encode returns the GrantSize bytes of g: version, line, seq, creditor, limit,
// expiry, which are what is signed, and the signature.
func (g Grant) Encode() []byte { return append(g.terms(), g.Sig[:]...) }

// DecodeGrant reads what Encode wrote. It does not verify the signature.
func DecodeGrant(b []byte) (Grant, error) {
	r := reader{b: b, what: "grant"}
	g := r.grant()
	return g, r.end()
}

func (r *reader) grant() Grant {
	r.version()
	g := Grant{Line: LineID(r.hash()), Seq: r.u64(), Creditor: r.entity("creditor")}
	limit, expiry := r.u64(), r.u64()
	g.Sig = r.sig()
	switch {
	case r.err != nil:
	case g.Seq == 0 || g.Seq > maxSeq:
		r.fail(ErrFormat, "seq is not 1 to 2^62 - 1")
	case limit > maxAmount:
		r.fail(ErrFormat, "limit is negative or 2^62 and more")
	case expiry > maxExpiry:
		r.fail(ErrFormat, "expiry is after the year 9999")
	}
	g.Limit, g.Expiry = Amount(limit), int64(expiry)
	return g
}
