package ledger

import (
	"crypto/sha256"

	"github.com/peersea/sea/identity"
)

// evidence is what was promised of a lock outside the half-chain: the highest
// voucher that the payer signed, or the preimage. Both sides keep it, the payer
// to know how far it went, the payee to claim.
type evidence struct {
	voucher  *Voucher
	preimage *[32]byte
}

// fits says whether v is about k, by all but its signature.
func (v Voucher) fits(k lock) bool {
	return !k.byPreimage() && v.Lock == k.id && v.Quote == k.terms.Quote && v.Cum <= k.amount
}

// fits says whether s pays k out.
func (s settlement) fits(k lock) bool {
	return k.byPreimage() && s.lock == k.id && sha256.Sum256(s.preimage[:]) == k.terms.Hash
}

// due is what of k is promised and not yet part of cum.
func (k lock) due(e evidence) Amount {
	switch {
	case e.voucher != nil && e.voucher.fits(k):
		return max(e.voucher.Cum-k.folded, 0)
	case e.preimage != nil && (settlement{k.id, *e.preimage}).fits(k):
		return k.rest()
	}
	return 0
}

// claim is what the payee may claim of the half-chain's writer in all: cum, the
// highest voucher of each lock as far as it is not folded, and each lock whose
// preimage is known. Both sides and Check compute it here, from signed bytes:
// the same bytes make the same claim.
func (t tally) claim(said func(lock identity.Hash) evidence) Amount {
	sum := t.cum
	for _, k := range t.locks {
		sum += k.due(said(k.id)) // at most t.most, below 2^62
	}
	return sum
}
