package addr

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// MinPrefix is how many digits people must type at least for an address.
const MinPrefix = 6

var (
	// ErrUnknown is returned when no known address begins with the digits.
	ErrUnknown = errors.New("no address begins so")

	// ErrAmbiguous is returned when several known addresses begin with them.
	ErrAmbiguous = errors.New("several addresses begin so")
)

// Resolve reads an address as people type it: all 56 digits, whether known or
// not, or the first MinPrefix or more of exactly one of known, where the same
// address may come twice. Errors wrap ErrSyntax, ErrUnknown or ErrAmbiguous.
func Resolve(s string, known iter.Seq[Addr]) (Addr, error) {
	if len(s) >= Digits {
		return Parse(s)
	}
	if len(s) < MinPrefix {
		return Addr{}, fmt.Errorf("%w: %d characters, want %d or the first %d at least", ErrSyntax, len(s), Digits, MinPrefix)
	}
	if err := checkDigits(s); err != nil {
		return Addr{}, err
	}
	var found *Addr
	for a := range known {
		if !strings.HasPrefix(hex.EncodeToString(a[:]), s) {
			continue
		}
		if found != nil && *found != a {
			return Addr{}, fmt.Errorf("%w: %s: %s and %s among them", ErrAmbiguous, s, *found, a)
		}
		found = &a
	}
	if found == nil {
		return Addr{}, fmt.Errorf("%w: %s", ErrUnknown, s)
	}
	return *found, nil
}
