package main

import (
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/plugins/market"
)

func TestProgressLine(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		expect uint64
		after  time.Duration // since the first Gfuel
		u      market.Update
		want   string
	}{
		"nothing yet":     {0, 0, market.Update{FuelLimit: 10e9}, ""},
		"sending":         {0, 0, market.Update{Sent: 1e6, Input: 4e6}, "███░░░░░░░░░  1.0 MB of 4.0 MB sent"},
		"fetching":        {0, 0, market.Update{Fuel: 1, FuelLimit: 2, Fetched: 1e6, Output: 2e6}, "██████░░░░░░  1.0 MB of 2.0 MB fetched"},
		"too early":       {0, time.Second / 2, market.Update{Fuel: 5e9, FuelLimit: 10e9, Cost: 5e6}, "██████░░░░░░  5.00 of 10.00 Gfuel  5 cr"},
		"until its limit": {0, 2 * time.Second, market.Update{Fuel: 5e9, FuelLimit: 9e9, Cost: 5e6}, "██████░░░░░░  5.00 of 9.00 Gfuel  5 cr  2.00 Gfuel/s  its limit in 2s"},
		"expected":        {6e9, 2 * time.Second, market.Update{Fuel: 5e9, FuelLimit: 99e9, Cost: 5e6}, "██████████░░  5.00 of 6.00 Gfuel  5 cr  2.00 Gfuel/s  done in 0s"},
		"more than that":  {4e9, 2 * time.Second, market.Update{Fuel: 5e9, FuelLimit: 10e9, Cost: 5e6}, "██████░░░░░░  5.00 of 10.00 Gfuel  5 cr  2.00 Gfuel/s  its limit in 2s"},
		"vouched":         {0, 0, market.Update{Fuel: 5e9, FuelLimit: 10e9, Cost: 5e6, Vouched: 4e6}, "██████░░░░░░  5.00 of 10.00 Gfuel  5 cr, 4 cr vouched"},
		"for ever":        {0, 2 * time.Second, market.Update{Fuel: 1e9 + 1, FuelLimit: 1 << 62}, "░░░░░░░░░░░░  1.00 of 4611686018.43 Gfuel  0 cr  0.00 Gfuel/s  its limit in 277h46m40s"},
	} {
		t.Run(name, func(t *testing.T) {
			p := progress{expect: tt.expect}
			p.line(start, market.Update{Fuel: 1e9, FuelLimit: tt.u.FuelLimit})
			if got := strings.TrimSpace(p.line(start.Add(tt.after), tt.u)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
