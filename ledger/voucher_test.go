package ledger

import (
	"errors"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestVoucherFormats writes and reads terms, vouchers and releases, and refuses
// each with a byte less, a byte more and a bit flipped in what is signed.
func TestVoucherFormats(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	line, side := LineOf(payer.Entity(), payee.Entity()), SideOf(payer.Entity(), payee.Entity())
	lock, quote := identity.HashOf([]byte("lock")), identity.HashOf([]byte("quote"))
	v, err := Voucher{Line: line, Side: side, Lock: lock, Cum: 7, Fuel: 7_000, Quote: quote}.sign(payer)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Release{Line: line, Side: side, Lock: lock, Cum: 7}.sign(payee)
	if err != nil {
		t.Fatal(err)
	}
	terms := LockTerms{Expiry: 176_000_360, Quote: quote}
	tests := []struct {
		name string
		b    []byte
		read func([]byte) error
	}{
		{"terms", terms.Encode(), func(b []byte) error {
			got, err := DecodeLockTerms(b)
			if err == nil && got != terms {
				err = errors.New("other terms")
			}
			return err
		}},
		{"voucher", v.Encode(), func(b []byte) error {
			got, err := DecodeVoucher(b)
			if err != nil {
				return err
			}
			return got.Verify(payer.Entity())
		}},
		{"release", x.Encode(), func(b []byte) error {
			got, err := DecodeRelease(b)
			if err != nil {
				return err
			}
			return got.Verify(payee.Entity())
		}},
	}
	for _, test := range tests {
		if err := test.read(test.b); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := test.read(test.b[:len(test.b)-1]); !errors.Is(err, ErrFormat) {
			t.Errorf("%s with a byte less: got %v", test.name, err)
		}
		if err := test.read(append(test.b[:len(test.b):len(test.b)], 0)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s with a byte more: got %v", test.name, err)
		}
		for i := range test.b {
			b := append([]byte(nil), test.b...)
			b[i] ^= 1 << (i % 8)
			if test.read(b) == nil {
				t.Errorf("%s with byte %d changed: no error", test.name, i)
			}
		}
	}
	if v.Verify(payee.Entity()) == nil || x.Verify(payer.Entity()) == nil {
		t.Error("the wrong side's signature is taken")
	}
}
