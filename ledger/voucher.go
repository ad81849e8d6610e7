package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/peersea/sea/identity"
)

// VoucherPurpose and ReleasePurpose are what vouchers and releases are signed
// for: the body is the encoding without the signature.
const (
	VoucherPurpose identity.Purpose = "sea/voucher/1"
	ReleasePurpose identity.Purpose = "sea/release/1"
)

// Voucher is a payer's promise of part of a lock, given as a job runs: "of this
// lock Cum is yours, for Fuel of work". The one with the highest Cum counts, and
// none counts for more than the lock. A FOLD makes it part of the half-chain.
type Voucher struct {
	Line  LineID
	Side  Side          // the payer's
	Lock  identity.Hash // of the LOCK entry
	Cum   Amount        // of this lock in all, above zero, below 2^62
	Fuel  uint64        // of the job in all; what the two agree that it means
	Quote identity.Hash // the lock's
	Sig   [64]byte
}

// VoucherSize and ReleaseSize are the lengths of the encodings in bytes.
const (
	VoucherSize = 1 + 32 + 1 + 32 + 8 + 8 + 32 + 64
	ReleaseSize = 1 + 32 + 1 + 32 + 8 + 64
)

func (v Voucher) terms() []byte {
	b := make([]byte, 0, VoucherSize)
	b = append(b, version)
	b = append(b, v.Line[:]...)
	b = append(b, byte(v.Side))
	b = append(b, v.Lock[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Cum))
	b = binary.BigEndian.AppendUint64(b, v.Fuel)
	return append(b, v.Quote[:]...)
}

// sign returns v with the payer's signature.
func (v Voucher) sign(s identity.Signer) (Voucher, error) {
	said, err := s.Sign(VoucherPurpose, v.terms())
	if err != nil {
		return Voucher{}, fmt.Errorf("sign voucher: %w", err)
	}
	v.Sig = said.Sig
	return v, nil
}

// Verify returns nil when payer signed v. Errors are identity's.
func (v Voucher) Verify(payer identity.Entity) error {
	if err := identity.Verify(payer, VoucherPurpose, v.terms(), v.Sig[:]); err != nil {
		return fmt.Errorf("voucher over %s: %w", v.Cum, err)
	}
	return nil
}

// Encode returns the VoucherSize bytes of v: the fields in the order of the
// struct after the version, big-endian. All but the signature is what is signed.
func (v Voucher) Encode() []byte { return append(v.terms(), v.Sig[:]...) }

func (v Voucher) append(b []byte) []byte { return append(b, v.Encode()...) }

// DecodeVoucher reads what Encode wrote. It does not verify the signature.
// Errors are ErrFormat and ErrVersion.
func DecodeVoucher(b []byte) (Voucher, error) {
	r := reader{b: b, what: "voucher"}
	v := r.voucher()
	return v, r.end()
}

func (r *reader) voucher() Voucher {
	r.version()
	v := Voucher{Line: LineID(r.hash()), Side: r.side("side"), Lock: r.hash()}
	cum := r.u64()
	v.Fuel, v.Quote, v.Sig = r.u64(), r.hash(), r.sig()
	switch {
	case r.err != nil:
	case cum == 0 || cum > maxAmount:
		r.fail(ErrFormat, "cum is not 1 to 2^62 - 1")
	}
	v.Cum = Amount(cum)
	return v
}

// Release is a payee's word that a lock may be closed once Cum of it has been
// folded: it will not claim more.
type Release struct {
	Line LineID
	Side Side          // the payer's
	Lock identity.Hash // of the LOCK entry
	Cum  Amount        // of this lock, may be zero, below 2^62
	Sig  [64]byte      // the payee's
}

func (x Release) terms() []byte {
	b := make([]byte, 0, ReleaseSize)
	b = append(b, version)
	b = append(b, x.Line[:]...)
	b = append(b, byte(x.Side))
	b = append(b, x.Lock[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(x.Cum))
}

// sign returns x with the payee's signature.
func (x Release) sign(s identity.Signer) (Release, error) {
	said, err := s.Sign(ReleasePurpose, x.terms())
	if err != nil {
		return Release{}, fmt.Errorf("sign release: %w", err)
	}
	x.Sig = said.Sig
	return x, nil
}

// Verify returns nil when payee signed x. Errors are identity's.
func (x Release) Verify(payee identity.Entity) error {
	if err := identity.Verify(payee, ReleasePurpose, x.terms(), x.Sig[:]); err != nil {
		return fmt.Errorf("release at %s: %w", x.Cum, err)
	}
	return nil
}

// Encode returns the ReleaseSize bytes of x: the fields in the order of the
// struct after the version, big-endian. All but the signature is what is signed.
func (x Release) Encode() []byte { return append(x.terms(), x.Sig[:]...) }

// DecodeRelease reads what Encode wrote. It does not verify the signature.
// Errors are ErrFormat and ErrVersion.
func DecodeRelease(b []byte) (Release, error) {
	r := reader{b: b, what: "release"}
	x := r.release()
	return x, r.end()
}

func (r *reader) release() Release {
	r.version()
	x := Release{Line: LineID(r.hash()), Side: r.side("side"), Lock: r.hash()}
	cum := r.u64()
	x.Sig = r.sig()
	if cum > maxAmount {
		r.fail(ErrFormat, "cum is 2^62 or more")
	}
	x.Cum = Amount(cum)
	return x
}
