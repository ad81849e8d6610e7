package ledger

import (
	"fmt"

	"github.com/peersea/sea/identity"
)

// knownKeys is how many peers' keys a ledger keeps decoded.
const knownKeys = 1024

// signatures are verified together, which is several times faster than one by
// one. The zero value with a verifier is empty.
type signatures struct {
	by    *identity.Verifier
	batch []identity.Signed
	of    []signedOn // what each is on, for its error
}

type signedOn struct {
	what string
	n    uint64
}

func (s *signatures) head(writer identity.Entity, h Head) {
	hash := h.Entry.Hash()
	s.add(identity.Signed{By: writer, Purpose: HeadPurpose, Body: hash[:], Sig: h.Sig[:]}, "head of entry", h.Entry.Seq)
}

func (s *signatures) grant(g Grant) {
	s.add(identity.Signed{By: g.Creditor, Purpose: GrantPurpose, Body: g.terms(), Sig: g.Sig[:]}, "grant", g.Seq)
}

func (s *signatures) checkpoint(by identity.Entity, c Checkpoint, side Side) {
	s.add(identity.Signed{By: by, Purpose: CheckpointPurpose, Body: c.terms(), Sig: c.Sigs[side][:]}, "checkpoint", c.N)
}

// body adds what is signed in the body of an entry of payer: a FOLD's voucher, and
// the release of a VOID, which is payee's.
func (s *signatures) body(payer, payee identity.Entity, b body) {
	switch b := b.(type) {
	case Voucher:
		s.voucher(payer, b)
	case voiding:
		if x := b.release; x != nil {
			s.add(identity.Signed{By: payee, Purpose: ReleasePurpose, Body: x.terms(), Sig: x.Sig[:]}, "release at", uint64(x.Cum))
		}
	}
}

func (s *signatures) voucher(payer identity.Entity, v Voucher) {
	s.add(identity.Signed{By: payer, Purpose: VoucherPurpose, Body: v.terms(), Sig: v.Sig[:]}, "voucher over", uint64(v.Cum))
}

func (s *signatures) add(one identity.Signed, what string, n uint64) {
	s.batch = append(s.batch, one)
	s.of = append(s.of, signedOn{what, n})
}

// verify verifies and forgets all, and returns the first that is bad: its place
// among them, and why.
func (s *signatures) verify() (at int, err error) {
	defer func() { s.batch, s.of = s.batch[:0], s.of[:0] }()
	for i, err := range s.by.Verify(s.batch) {
		if err != nil {
			return i, fmt.Errorf("%s %d: %w", s.of[i].what, s.of[i].n, err)
		}
	}
	return 0, nil
}
