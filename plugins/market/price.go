package market

import (
	"fmt"
	"math/bits"

	"github.com/peersea/sea/ledger"
)

const (
	// Gfuel is the amount of fuel that prices are for.
	Gfuel = 1_000_000_000

	// pagesPerGiB is how many pages of memory a GiB has.
	pagesPerGiB = 1 << 30 >> 16

	// wholePrice is all of a price, in percent.
	wholePrice = 100

	// maxAmount bounds every amount in a statement, as the ledger does.
	maxAmount = 1 << 62
)

// Price is what a seller wants: a fee for each job and so much for each Gfuel,
// both 0 or more and below 2^62 micro-credits. The same two numbers stand in
// offers, quotes and the bill.
type Price struct {
	Fee      ledger.Amount `cbor:"fee" json:"fee_micro"`
	PerGfuel ledger.Amount `cbor:"price" json:"price_micro_per_gfuel"`
}

// Cost is the bill for fuel: the fee and the price of the fuel, rounded up to
// the next micro-credit once. ok is false when it is 2^62 or more, which no
// ledger could hold.
func (p Price) Cost(fuel uint64) (cost ledger.Amount, ok bool) {
	hi, lo := bits.Mul64(fuel, uint64(p.PerGfuel))
	lo, carry := bits.Add64(lo, Gfuel-1, 0)
	hi += carry // cannot wrap: both factors are below 2^64
	if hi >= Gfuel {
		return 0, false
	}
	cost64, _ := bits.Div64(hi, lo, Gfuel)
	cost64, carry = bits.Add64(cost64, uint64(p.Fee), 0)
	if carry != 0 || cost64 >= maxAmount {
		return 0, false
	}
	return ledger.Amount(cost64), true
}

// Covers is the most fuel whose Cost is at most credit, and at most most. It is
// 0 when credit does not even cover the fee.
func (p Price) Covers(credit ledger.Amount, most uint64) uint64 {
	if credit < p.Fee {
		return 0
	}
	if p.PerGfuel == 0 {
		return most
	}
	hi, lo := bits.Mul64(uint64(credit-p.Fee), Gfuel)
	if hi >= uint64(p.PerGfuel) {
		return most
	}
	fuel, _ := bits.Div64(hi, lo, uint64(p.PerGfuel))
	return min(fuel, most)
}

// withMemory is p for a job that may have so many pages of 64 KiB, when a Gfuel
// costs perGiB more for each GiB, rounded up to the next micro-credit once. It is
// below 2^62: a price that would be more is so much that nobody can pay it.
func (p Price) withMemory(perGiB ledger.Amount, pages uint32) Price {
	hi, lo := bits.Mul64(uint64(perGiB), uint64(pages))
	lo, carry := bits.Add64(lo, pagesPerGiB-1, 0)
	more := uint64(maxAmount)
	if hi += carry; hi < pagesPerGiB {
		more, _ = bits.Div64(hi, lo, pagesPerGiB)
	}
	p.PerGfuel = ledger.Amount(min(uint64(p.PerGfuel)+min(more, maxAmount), maxAmount-1))
	return p
}

// withMiB tells people what memory a price is for, where it has a part in it.
func withMiB(perGiB ledger.Amount, pages uint32) string {
	if perGiB == 0 {
		return ""
	}
	return fmt.Sprintf(" with %d MiB of memory", pages/16)
}

// part is so many percent of p, 1 to 100, each number rounded up to the next
// micro-credit: never more than p, and nothing only of nothing.
func (p Price) part(percent uint32) Price {
	of := func(a ledger.Amount) ledger.Amount {
		hi, lo := bits.Mul64(uint64(a), uint64(percent))
		lo, carry := bits.Add64(lo, wholePrice-1, 0)
		n, _ := bits.Div64(hi+carry, lo, wholePrice) // hi < percent <= wholePrice/4: a is below 2^62
		return ledger.Amount(n)
	}
	return Price{of(p.Fee), of(p.PerGfuel)}
}

func (p Price) check() error {
	if p.Fee < 0 || p.Fee >= maxAmount {
		return fmt.Errorf("the fee is %d micro-credits, want 0 to 2^62", p.Fee)
	}
	if p.PerGfuel < 0 || p.PerGfuel >= maxAmount {
		return fmt.Errorf("the price is %d micro-credits per Gfuel, want 0 to 2^62", p.PerGfuel)
	}
	return nil
}
