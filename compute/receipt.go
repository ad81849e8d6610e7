package compute

import (
	"fmt"

	"github.com/peersea/sea/identity"
)

// ReceiptPurpose is what a receipt is signed for.
const ReceiptPurpose identity.Purpose = "sea/receipt/1"

// Receipt is what was done, never the price: who runs the job again gets the
// same Result, Fuel and PeakPages, or the signer was wrong.
type Receipt struct {
	// Job and Result are the hashes of both.
	Job, Result identity.Hash
	End         End
	// Code is the guest's exit code; 0 unless End is Exit.
	Code int32
	// Fuel is what the guest used, at the prices of Tariff.
	Fuel      uint64
	PeakPages uint32
	Tariff    uint64
	// Engine is what ran it, at most 128 bytes, for people.
	Engine string
}

const maxEngine = 128

type receiptWire struct {
	V         uint64        `cbor:"v"`
	Job       identity.Hash `cbor:"job"`
	Result    identity.Hash `cbor:"result"`
	End       End           `cbor:"end"`
	Code      int32         `cbor:"code"`
	Fuel      uint64        `cbor:"fuel"`
	PeakPages uint32        `cbor:"peak_pages"`
	Tariff    uint64        `cbor:"tariff"`
	Engine    string        `cbor:"engine"`
}

// Receipt gives what its runner signs about r. The tariff is that of the job.
func (r Result) Receipt(tariff uint64) Receipt {
	return Receipt{
		Job: r.Job, Result: r.Hash(), End: r.End, Code: r.Code, Fuel: r.Fuel,
		PeakPages: r.PeakPages, Tariff: tariff, Engine: r.Engine,
	}
}

// Encode gives the receipt's one encoding, canonical CBOR: the signed body.
func (r Receipt) Encode() []byte {
	return encode(receiptWire{
		version, r.Job, r.Result, r.End, r.Code, r.Fuel, r.PeakPages, r.Tariff, r.Engine,
	})
}

// DecodeReceipt reads what Encode wrote and nothing else: an error wraps
// ErrInvalid.
func DecodeReceipt(b []byte) (Receipt, error) {
	var w receiptWire
	if err := decode(b, &w, "receipt"); err != nil {
		return Receipt{}, err
	}
	r := Receipt{w.Job, w.Result, w.End, w.Code, w.Fuel, w.PeakPages, w.Tariff, w.Engine}
	if err := r.check(); err != nil {
		return Receipt{}, fmt.Errorf("%w receipt: %w", ErrInvalid, err)
	}
	return r, nil
}

func (r Receipt) check() error {
	switch {
	case r.Fuel > MaxFuel:
		return fmt.Errorf("fuel is %d, at most %d is possible", r.Fuel, uint64(MaxFuel))
	case r.PeakPages > MaxMemoryPages:
		return fmt.Errorf("peak_pages is %d, at most %d are possible", r.PeakPages, MaxMemoryPages)
	case r.Tariff != Tariff1:
		return fmt.Errorf("tariff is %d, only %d is known", r.Tariff, Tariff1)
	case len(r.Engine) > maxEngine:
		return fmt.Errorf("engine has %d bytes, at most %d are allowed", len(r.Engine), maxEngine)
	}
	return checkEnd(r.End, r.Code)
}

// Sign makes the receipt a statement of who ran the job.
func (r Receipt) Sign(s identity.Signer) (identity.Statement, error) {
	if err := r.check(); err != nil {
		return identity.Statement{}, fmt.Errorf("%w receipt: %w", ErrInvalid, err)
	}
	return s.Sign(ReceiptPurpose, r.Encode())
}

// OpenReceipt verifies the signature and reads the receipt. Who signed is s.By.
func OpenReceipt(s identity.Statement) (Receipt, error) {
	b, err := s.Open(ReceiptPurpose)
	if err != nil {
		return Receipt{}, fmt.Errorf("receipt: %w", err)
	}
	return DecodeReceipt(b)
}
