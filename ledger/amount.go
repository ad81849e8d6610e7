package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Amount is a sum in micro-credits. A positive one in a balance is owed to us.
type Amount int64

// Credit is one credit, by convention the price of 10^9 fuel.
const Credit Amount = 1_000_000

// maxAmount is the largest sum that anybody may promise anybody in all: the
// format's cum is below 2^62, so that no balance and no exposure overflows.
const maxAmount = 1<<62 - 1

// ErrAmount is returned, wrapped with the reason, for a sum that is zero,
// negative or too large where it must not be, or text that is no sum.
var ErrAmount = errors.New("bad amount")

// String returns a in credits, as short as it is exact: "12.5".
func (a Amount) String() string {
	sign, u := "", uint64(a)
	if a < 0 {
		sign, u = "-", -u
	}
	whole := strconv.FormatUint(u/uint64(Credit), 10)
	part := strings.TrimRight(fmt.Sprintf("%06d", u%uint64(Credit)), "0")
	if part == "" {
		return sign + whole
	}
	return sign + whole + "." + part
}

// ParseAmount reads a sum in credits as people write it: digits, and at most
// six more after a point. It refuses signs, exponents, spaces and sums of 2^62
// micro-credits and more; the error is ErrAmount.
func ParseAmount(s string) (Amount, error) {
	bad := func() (Amount, error) {
		return 0, fmt.Errorf("%w: %.40q is not credits, such as 12 or 0.25", ErrAmount, s)
	}
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || len(part) > 6 || len(whole) > 13 {
		return bad()
	}
	var a uint64
	for _, c := range []byte(whole + part + strings.Repeat("0", 6-len(part))) {
		if c < '0' || c > '9' {
			return bad()
		}
		a = a*10 + uint64(c-'0') // 19 digits at most, below 2^64
	}
	if a > maxAmount {
		return 0, fmt.Errorf("%w: %s credits are too many", ErrAmount, s)
	}
	return Amount(a), nil
}

// checkPayable returns ErrAmount unless a can be promised: above zero and in
// the format's range.
func (a Amount) checkPayable() error {
	switch {
	case a == 0:
		return fmt.Errorf("%w: zero", ErrAmount)
	case a < 0:
		return fmt.Errorf("%w: negative", ErrAmount)
	case a > maxAmount:
		return fmt.Errorf("%w: 2^62 micro-credits or more", ErrAmount)
	}
	return nil
}

// add returns a+b for two sums that are not negative, or ErrAmount when that
// leaves the format's range. Nothing wraps.
func (a Amount) add(b Amount) (Amount, error) {
	if a < 0 || b < 0 || a > maxAmount-b {
		return 0, fmt.Errorf("%w: the sum is 2^62 micro-credits or more", ErrAmount)
	}
	return a + b, nil
}
