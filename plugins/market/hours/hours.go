// Package hours says at what times of the week something is open: windows by the
// wall clock of whoever asks, such as 22:00-07:00 or mon-fri@18:00-08:00.
package hours

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MaxWindows is how many windows Hours may have.
	MaxWindows = 16

	// maxText bounds a text that is parsed: MaxWindows of the longest spelling fit.
	maxText = MaxWindows * 20

	day = 24 * 60 // minutes
)

var days = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// A Window is open from From up to To, in minutes of the day, on each day from
// First to Last, which may run over the end of the week. To is above From, or
// the window ends on the day after: 22:00-07:00 on fri ends on Saturday morning.
type Window struct {
	First, Last time.Weekday
	From, To    int
}

// Hours are windows of which one at least has to be open. None is always.
type Hours []Window

// Parse reads windows with commas between: HH:MM-HH:MM on every day, or
// DAY@HH:MM-HH:MM, or DAY-DAY@HH:MM-HH:MM with days such as mon. 24:00 is
// the end of a day, and the empty text is Hours of none. It returns an error for
// every text that String would not write.
func Parse(text string) (Hours, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("the hours have %d characters, want at most %d", len(text), maxText)
	}
	var h Hours
	for part := range strings.SplitSeq(text, ",") {
		w, err := parseWindow(part)
		if err == nil && w.String() != part {
			err = fmt.Errorf("write it as %s", w)
		}
		if err != nil {
			return nil, fmt.Errorf("hours %q: %w", part, err)
		}
		h = append(h, w)
	}
	if len(h) > MaxWindows {
		return nil, fmt.Errorf("%d windows of hours, want at most %d", len(h), MaxWindows)
	}
	return h, nil
}

func parseWindow(text string) (Window, error) {
	w := Window{First: time.Sunday, Last: time.Saturday}
	if on, rest, found := strings.Cut(text, "@"); found {
		first, last, several := strings.Cut(on, "-")
		if !several {
			last = first
		}
		a, b := slices.Index(days[:], first), slices.Index(days[:], last)
		if a < 0 || b < 0 {
			return w, fmt.Errorf("%q is no day, want %s", on, strings.Join(days[:], ", "))
		}
		w.First, w.Last, text = time.Weekday(a), time.Weekday(b), rest
	}
	from, to, found := strings.Cut(text, "-")
	if !found {
		return w, errors.New("want HH:MM-HH:MM")
	}
	var err1, err2 error
	w.From, err1 = parseClock(from)
	w.To, err2 = parseClock(to)
	switch {
	case err1 != nil || err2 != nil:
		return w, errors.Join(err1, err2)
	case w.From == day || w.To == 0:
		return w, errors.New("a window begins at 00:00 to 23:59 and ends at 00:01 to 24:00")
	case w.From == w.To:
		return w, errors.New("it ends when it begins")
	}
	return w, nil
}

func parseClock(text string) (int, error) {
	digit := func(i int) int { return int(text[i]) - '0' }
	if len(text) == 5 && text[2] == ':' {
		h, m := 10*digit(0)+digit(1), 10*digit(3)+digit(4)
		for _, i := range []int{0, 1, 3, 4} {
			if d := digit(i); d < 0 || d > 9 {
				h = 99
			}
		}
		if m < 60 && h < 24 || h == 24 && m == 0 {
			return 60*h + m, nil
		}
	}
	return 0, fmt.Errorf("%q is no time of day, want 00:00 to 24:00", text)
}

// String writes the windows as Parse reads them.
func (h Hours) String() string {
	parts := make([]string, len(h))
	for i, w := range h {
		parts[i] = w.String()
	}
	return strings.Join(parts, ",")
}

// String writes the window as Parse reads it.
func (w Window) String() string {
	on := ""
	switch {
	case w.First == time.Sunday && w.Last == time.Saturday:
	case w.First == w.Last:
		on = days[w.First] + "@"
	default:
		on = days[w.First] + "-" + days[w.Last] + "@"
	}
	return fmt.Sprintf("%s%02d:%02d-%02d:%02d", on, w.From/60, w.From%60, w.To/60, w.To%60)
}

// Open says whether a window is open at t, by the wall clock of t's own zone: on
// the day that a clock is put forward or back, a window is shorter or longer.
func (h Hours) Open(t time.Time) bool {
	return len(h) == 0 || slices.ContainsFunc(h, func(w Window) bool { return w.open(t) })
}

func (w Window) open(t time.Time) bool {
	now, today := 60*t.Hour()+t.Minute(), t.Weekday()
	if w.From < w.To {
		return w.on(today) && w.From <= now && now < w.To
	}
	yesterday := (today + 6) % 7
	return w.on(today) && w.From <= now || w.on(yesterday) && now < w.To
}

// on says whether the window begins on a day.
func (w Window) on(d time.Weekday) bool {
	if w.First <= w.Last {
		return w.First <= d && d <= w.Last
	}
	return d >= w.First || d <= w.Last
}
