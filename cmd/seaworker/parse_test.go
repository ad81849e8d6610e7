package main

import (
	"math"
	"testing"

	"github.com/peersea/sea/ledger"
)

func TestMicroOf(t *testing.T) {
	for credits, want := range map[float64]ledger.Amount{
		0: 0, 1: 1_000_000, 8.2: 8_200_000, 16.4: 16_400_000, 0.000001: 1, 0.0000001: 0,
		1e30: -1, math.Inf(1): -1, math.NaN(): -1,
	} {
		if got := microOf(credits); got != want {
			t.Errorf("%v credits: got %d, want %d", credits, got, want)
		}
	}
}
