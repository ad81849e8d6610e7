package hours

import (
	"testing"
	"time"
)

// TestOpen looks at windows on an injected clock: several, over midnight, over
// the end of the week, and where a zone's clock is put forward and back.
func TestOpen(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("this system has no table of time zones: ", err)
	}
	for _, test := range []struct {
		hours, at string
		open      bool
	}{
		{"", "2026-11-23 12:00", true},
		{"09:00-17:00", "2026-11-23 08:59", false},
		{"09:00-17:00", "2026-11-23 09:00", true},
		{"09:00-17:00", "2026-11-23 16:59", true},
		{"09:00-17:00", "2026-11-23 17:00", false},
		{"22:00-07:00", "2026-11-23 21:59", false},
		{"22:00-07:00", "2026-11-23 22:00", true},
		{"22:00-07:00", "2026-11-24 06:59", true},
		{"22:00-07:00", "2026-11-24 07:00", false},
		{"12:00-13:00,22:00-07:00", "2026-11-23 12:30", true},
		{"12:00-13:00,22:00-07:00", "2026-11-23 13:30", false},
		{"fri@22:00-07:00", "2026-11-28 06:00", true},      // Saturday morning
		{"fri@22:00-07:00", "2026-11-27 06:00", false},     // Friday morning
		{"mon-fri@09:00-17:00", "2026-11-28 12:00", false}, // a Saturday
		{"sat-mon@09:00-17:00", "2026-11-23 12:00", true},  // over the end of the week
		{"sat-mon@09:00-17:00", "2026-11-24 12:00", false},
		{"sun@20:00-04:00", "2026-11-23 03:59", true},
		{"00:00-24:00", "2026-11-23 23:59", true},
		{"02:00-03:00", "2026-03-29 03:30", false}, // two o'clock is left out that day
		{"02:00-03:00", "2026-10-25 02:30", true},
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", test.at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Parse(test.hours)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Open(at); got != test.open {
			t.Errorf("%q at %s: open is %v, want %v", test.hours, test.at, got, test.open)
		}
	}
}

// TestParse refuses what has another spelling, or none.
func TestParse(t *testing.T) {
	long := "00:00-01:00"
	for range MaxWindows {
		long += ",00:00-01:00"
	}
	for _, text := range []string{
		"9:00-17:00", "09:00", "09:00-09:00", "24:00-01:00", "01:00-00:00", "25:00-26:00", "10:60-11:00", "09:00-17:00,", "daily@09:00-17:00",
		"mon-@09:00-17:00", "Mon@09:00-17:00", "mon-mon@09:00-17:00", "sun-sat@09:00-17:00", "-1:00-02:00", "09:00-17:00 ", long,
	} {
		if h, err := Parse(text); err == nil {
			t.Errorf("%q was read as %s", text, h)
		}
	}
}

func FuzzHours(f *testing.F) {
	f.Add("22:00-07:00")
	f.Add("mon-fri@18:00-08:00,sat-sun@00:00-24:00")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		if h.String() != text {
			t.Errorf("%q is written as %q", text, h)
		}
		h.Open(time.Unix(0, 0).UTC())
	})
}
