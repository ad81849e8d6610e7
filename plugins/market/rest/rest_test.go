package rest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// told is a machine that says what it is told to.
type told struct {
	battery bool
	use     string
	err     error
}

func (m *told) OnBattery(context.Context) (bool, error) { return m.battery, m.err }
func (m *told) Use(context.Context) (string, error)     { return m.use, m.err }

// TestLook has a seller rest on battery, while its machine is used and for a
// minute after, and when that cannot be known.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &told{}
		w := NewWatch(m)
		both := Rules{NotOnBattery: true, WhenIdle: true}
		look := func(r Rules, want Why) {
			t.Helper()
			got, err := w.Look(t.Context(), r)
			if got.Why != want || (got.Text == "") != (want == "") || (err != nil) != (want == Unknown) {
				t.Errorf("after %v: %+v, %v, want %q", m, got, err, want)
			}
		}
		look(both, "")
		m.battery = true
		look(Rules{}, "")
		look(Rules{WhenIdle: true}, "")
		look(both, Battery)
		m.battery = false
		look(both, "")
		m.use = "somebody is at it"
		look(Rules{NotOnBattery: true}, "")
		look(both, InUse)
		m.use = ""
		time.Sleep(Calm - 1)
		look(both, InUse)
		time.Sleep(time.Nanosecond)
		look(both, "")
		m.err = ErrUnknown
		look(both, Unknown)
		look(Rules{WhenIdle: true}, Unknown)
		look(Rules{}, "")
	})
}

// TestRun looks once each ten seconds until it is told to stop.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*Every+1)
		defer cancel()
		looks := 0
		Run(ctx, func(context.Context) { looks++ })
		if looks != 10 {
			t.Errorf("%d looks in %v, want 10", looks, 10*Every)
		}
	})
}

// TestParse reads what the tools of macOS write.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t100%; charged; 0:00 remaining present: true\n":         "mains",
		"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t83%; discharging; 4:10 remaining present: true\n": "battery",
		"Now drawing from 'UPS Power'\n": "mains",
		"No adapter\n":                   "unknown",
		"":                               "unknown",
	} {
		on, err := parsePower([]byte(text))
		got := map[bool]string{true: "battery", false: "mains"}[on]
		if err != nil {
			got = "unknown"
		}
		if got != want || err != nil && !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	ioreg := "+-o IOHIDSystem  <class IOHIDSystem>\n    {\n      \"HIDIdleTime\" = 5208304291\n      \"HIDParameters\" = {}\n    }\n"
	if ago, err := parseInput([]byte(ioreg)); err != nil || ago != 5208304291*time.Nanosecond {
		t.Errorf("%v, %v", ago, err)
	}
	for _, text := range []string{"", strings.Replace(ioreg, "5208304291", "99999999999999999999", 1)} {
		if _, err := parseInput([]byte(text)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestThis asks the machine that the test runs on: it answers, or says that it
// does not know.
func TestThis(t *testing.T) {
	this := NewThis()
	on, err := this.OnBattery(t.Context())
	t.Logf("on battery: %v, %v", on, err)
	if err != nil && !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	for range 2 {
		use, err := this.Use(t.Context())
		t.Logf("use: %q, %v", use, err)
		if err != nil && !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
}
