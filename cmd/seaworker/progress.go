package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/peersea/sea/plugins/market"
)

// progress makes the line that a terminal shows of a running job.
type progress struct {
	expect uint64 // the fuel that it will use, 0 when nothing tells

	began time.Time // when fuel was first seen
	first uint64    // how much that was
}

// barWidth is the bar's, in characters.
const barWidth = 12

// line is what stands there at now; "" is nothing.
//
//	███░░░░░░░░░  15.20 of 57.20 Gfuel  15.2 cr, 14 cr vouched  4.05 Gfuel/s  done in 10s
//
// The whole is what the job is expected to use; where that is unknown or was
// too little, what it may use, and the time is what is left of that.
func (p *progress) line(now time.Time, u market.Update) string {
	switch {
	case u.Fetched < u.Output:
		return share(u.Fetched, u.Output) + fmt.Sprintf("  %s of %s fetched", megabytes(u.Fetched), megabytes(u.Output))
	case u.Fuel == 0 && u.Sent > 0 && u.Sent < u.Input:
		return share(u.Sent, u.Input) + fmt.Sprintf("  %s of %s sent", megabytes(u.Sent), megabytes(u.Input))
	case u.Fuel == 0 || u.FuelLimit == 0:
		return ""
	}
	if p.began.IsZero() {
		p.began, p.first = now, u.Fuel
	}
	whole, words := u.FuelLimit, "its limit in"
	if u.Fuel <= p.expect && p.expect < u.FuelLimit {
		whole, words = p.expect, "done in"
	}
	text := share(u.Fuel, whole) + fmt.Sprintf("  %s of %s Gfuel  %s", gfuel(u.Fuel), gfuel(whole), credits(int64(u.Cost)))
	if u.Vouched > 0 {
		text += fmt.Sprintf(", %s vouched", credits(int64(u.Vouched)))
	}
	passed := now.Sub(p.began).Seconds()
	if passed < 1 || u.Fuel <= p.first {
		return text // too early to tell a rate
	}
	rate := float64(u.Fuel-p.first) / passed
	left := time.Duration(min(float64(whole-u.Fuel)/rate, 1e6)) * time.Second
	return text + fmt.Sprintf("  %.2f Gfuel/s  %s %v", rate/1e9, words, left)
}

// share draws part of whole, at most all of it.
func share(part, whole uint64) string {
	n := int(float64(min(part, whole)) / float64(whole) * barWidth)
	return " " + strings.Repeat("█", n) + strings.Repeat("░", barWidth-n)
}

func gfuel(n uint64) string { return fmt.Sprintf("%.2f", float64(n)/1e9) }

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
