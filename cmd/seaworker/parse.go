package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/peersea/sea/ledger"
)

// parseCount reads a number with an optional K, M, G or T (thousands).
func parseCount(s string) (uint64, error) {
	return parseUnits(s, map[string]uint64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12})
}

// parseBytes reads a number of bytes with an optional unit.
func parseBytes(s string) (uint64, error) {
	return parseUnits(s, map[string]uint64{
		"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9,
		"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30,
	})
}

func parseUnits(s string, units map[string]uint64) (uint64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := units[strings.ToUpper(s[len(digits):])]
	if !ok {
		return 0, fmt.Errorf("%q has an unknown unit", s)
	}
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || x < 0 || math.IsNaN(x) || x*float64(unit) >= 1<<62 {
		return 0, fmt.Errorf("%q is not a number in range", s)
	}
	return uint64(x * float64(unit)), nil
}

// parseCredits reads credits, "12.5", as micro-credits.
func parseCredits(s string) (int64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(x) || x < 0 || x > 1e12 {
		return 0, usagef("write credits as 12.5", "%q is not an amount of credits", s)
	}
	return int64(microOf(x)), nil
}

// microOf is that many credits in micro-credits, to the nearest: 8.2 × 10^6 is
// less than 8,200,000 in floating point. What no ledger can hold becomes less
// than zero, which every check refuses.
func microOf(credits float64) ledger.Amount {
	micro := math.Round(credits * 1e6)
	if !(math.Abs(micro) < 1<<62) {
		return -1
	}
	return ledger.Amount(micro)
}

// decodeJSON reads one JSON value from r into v.
func decodeJSON(r io.Reader, v any) error {
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("control API: %w", err)
	}
	return nil
}

// escapePath makes a file's path part of a URL.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
