package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/peersea/sea/identity"
)

const (
	batchSize   = 256
	verifyTurns = 40
)

// ledgerVerify measures the batch verifier against the standard library's
// verification, one by one, and a batch of one against the single path.
func ledgerVerify(ctx context.Context, _ string, report func(figure)) error {
	const purpose identity.Purpose = "sea/bench/1"
	keys, err := newKeys(ctx, batchSize, 0)
	if err != nil {
		return err
	}
	body := make([]byte, 32)
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	message := make([]byte, 64) // about what is signed for a body of 32 bytes
	sig := ed25519.Sign(secret, message)
	alone := func() (time.Duration, error) {
		start := time.Now()
		for range batchSize {
			if !ed25519.Verify(public, message, sig) {
				return 0, errors.New("the standard library refuses its own signature")
			}
		}
		return time.Since(start), nil
	}
	signed := func(signers, n int) ([]identity.Signed, error) {
		var all []identity.Signed
		for i := range n {
			s, err := keys[i%signers].Sign(purpose, body)
			if err != nil {
				return nil, err
			}
			all = append(all, identity.Signed{By: s.By, Purpose: purpose, Body: body, Sig: s.Sig[:]})
		}
		return all, nil
	}
	for _, c := range []struct {
		name    string
		signers int
	}{{"batch_verify_speedup_few", 16}, {"batch_verify_speedup_all", batchSize}} {
		batch, err := signed(c.signers, batchSize)
		if err != nil {
			return err
		}
		v := identity.NewVerifier(1024)
		v.Verify(batch) // the keys are known, as in a ledger
		var together, single []float64
		for range verifyTurns {
			took, err := alone()
			if err != nil {
				return err
			}
			single = append(single, us(took)/batchSize)
			start := time.Now()
			if v.Verify(batch) != nil {
				return errors.New("the batch is refused")
			}
			together = append(together, us(time.Since(start))/batchSize)
		}
		a, b := median(together), median(single)
		f := versus(c.name, b/a, "x", "", 1)
		f.Ratio, f.Against = nil, perSignature(a, b, "crypto/ed25519")
		report(f)
	}
	one, err := signed(1, 1)
	if err != nil {
		return err
	}
	v := identity.NewVerifier(1024)
	var batch, single []float64
	for range verifyTurns * 10 {
		start := time.Now()
		for range 20 {
			if v.Verify(one) != nil {
				return errors.New("a batch of one is refused")
			}
		}
		batch = append(batch, us(time.Since(start))/20)
		start = time.Now()
		for range 20 {
			if err := identity.Verify(one[0].By, purpose, body, one[0].Sig); err != nil {
				return err
			}
		}
		single = append(single, us(time.Since(start))/20)
	}
	a, b := median(batch), median(single)
	report(figure{Name: "batch_of_one_ratio", Value: a / b, Unit: "x", Against: perSignature(a, b, "identity.Verify")})
	return nil
}
