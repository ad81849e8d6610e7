package ledger

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestCrowd brings many signatures at one time, some of them bad, and each caller
// is told of its own.
func TestCrowd(t *testing.T) {
	c := crowd{by: identity.NewVerifier(4)}
	keys := []*identity.Key{keyOf(t, 1), keyOf(t, 2), keyOf(t, 3)}
	var all sync.WaitGroup
	for i := range 2*maxCrowd + 100 {
		key := keys[i%len(keys)]
		body := fmt.Appendf(nil, "body %d", i)
		said, err := key.Sign(VoucherPurpose, body)
		if err != nil {
			t.Fatal(err)
		}
		s := identity.Signed{By: key.Entity(), Purpose: VoucherPurpose, Body: body, Sig: said.Sig[:]}
		var want error
		switch i % 50 {
		case 3:
			s.Sig[40] ^= 1
			want = identity.ErrBadSignature
		case 17:
			s.By = identity.Entity{}
			want = identity.ErrBadKey
		}
		all.Go(func() {
			for range 3 {
				if err := c.verify(s); !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("signature %d: got %v, want %v", i, err, want)
				}
			}
		})
	}
	all.Wait()
	if c.busy > 0 || len(c.waiting) > 0 {
		t.Error("somebody is still busy")
	}
	alone := identity.Signed{By: keys[0].Entity(), Purpose: VoucherPurpose, Body: []byte("alone"), Sig: make([]byte, 64)}
	if err := c.verify(alone); !errors.Is(err, identity.ErrBadSignature) {
		t.Errorf("alone: got %v", err)
	}
}
