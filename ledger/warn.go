package ledger

import (
	"strings"
	"time"
)

const (
	// warnShare of a limit is used when its owner is warned: there is no new
	// work at the whole of it.
	warnPercent = 80

	// warnBefore is how long before a grant expires its owner is warned.
	warnBefore = 7 * 24 * time.Hour
)

// nearly says whether so much of a limit is used that it is time to warn.
func nearly(used, limit Amount) bool {
	return limit > 0 && used >= limit/100*warnPercent+limit%100*warnPercent/100
}

// Nearly says whether the strangers' budget, or the newcomers' part, is nearly
// used up: by 80 % or more.
func (s Strangers) Nearly() bool {
	return nearly(s.Used, s.Budget) || nearly(s.NewcomersUsed, s.Newcomers)
}

// warnings say what the owner of a ledger should know of a line before it stands
// still: "" is nothing.
func (l Line) warnings(now time.Time) string {
	var all []string
	say := func(text string) { all = append(all, text) }
	if !l.Stranger {
		if nearly(max(l.Balance, 0)+l.Holding, l.TheyMayOwe) {
			say("80 % or more of what they may owe is used: they get no new work at 100 %")
		}
		say(ends("what they may owe", l.TheyMayUntil, now))
	}
	if nearly(max(-l.Balance, 0)+l.Reserved, l.IMayOwe) {
		say("80 % or more of what this node may owe is used: it gets no new work at 100 %")
	}
	say(ends("what this node may owe", l.IMayUntil, now))
	kept := all[:0]
	for _, text := range all {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "; ")
}

// ends says that a grant has expired or soon will.
func ends(what string, expiry, now time.Time) string {
	day := expiry.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case expiry.IsZero() || now.Add(warnBefore).Before(expiry):
		return ""
	case now.Before(expiry):
		return what + " ends on " + day
	}
	return what + " ended on " + day
}

// expiryOf is a grant's expiry as a time, zero for never.
func expiryOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
