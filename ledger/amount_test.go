package ledger

import (
	"errors"
	"testing"
)

func TestAmount(t *testing.T) {
	tests := []struct {
		text string
		want Amount
		back string
		bad  bool
	}{
		{"0", 0, "0", false},
		{"12", 12_000_000, "12", false},
		{"0.25", 250_000, "0.25", false},
		{"1.500000", 1_500_000, "1.5", false},
		{"0.000001", 1, "0.000001", false},
		{"4611686018427.387903", maxAmount, "4611686018427.387903", false},
		{"4611686018427.387904", 0, "", true},
		{"99999999999999", 0, "", true},
		{"0.0000001", 0, "", true},
		{"1e3", 0, "", true}, {"-1", 0, "", true}, {"+1", 0, "", true}, {"", 0, "", true},
		{".", 0, "", true}, {"1.", 0, "", true}, {".5", 0, "", true}, {" 1", 0, "", true}, {"1,5", 0, "", true},
	}
	for _, test := range tests {
		got, err := ParseAmount(test.text)
		if (err != nil) != test.bad || got != test.want {
			t.Errorf("%q: got %d, %v, want %d", test.text, got, err, test.want)
		}
		if err == nil && got.String() != test.back {
			t.Errorf("%q: got %q, want %q", test.text, got, test.back)
		}
		if err != nil && !errors.Is(err, ErrAmount) {
			t.Errorf("%q: got %v, want %v", test.text, err, ErrAmount)
		}
	}
	for a, want := range map[Amount]string{-1: "-0.000001", -12_345_678: "-12.345678", -1 << 63: "-9223372036854.775808"} {
		if got := a.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(a), got, want)
		}
	}
}
