package rest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree writes files below a folder.
func tree(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnBattery reads trees like those under /sys/class/power_supply.
func TestOnBattery(t *testing.T) {
	type supply map[string]string
	mains := func(online string) supply { return supply{"type": "Mains", "online": online} }
	battery := func(status string) supply { return supply{"type": "Battery", "status": status} }
	for name, test := range map[string]struct {
		supplies map[string]supply
		want     bool
	}{
		"nothing":              {nil, false},
		"a desktop":            {map[string]supply{"AC": mains("1")}, false},
		"plugged in, full":     {map[string]supply{"AC": mains("1"), "BAT0": battery("Full")}, false},
		"plugged in, charging": {map[string]supply{"AC": mains("1"), "BAT0": battery("Charging")}, false},
		"weak charger":         {map[string]supply{"AC": mains("1"), "BAT0": battery("Discharging")}, false},
		"on battery":           {map[string]supply{"AC": mains("0"), "BAT0": battery("Discharging")}, true},
		"on one of two":        {map[string]supply{"AC": mains("0"), "BAT0": battery("Discharging"), "BAT1": battery("Unknown")}, true},
		"by USB":               {map[string]supply{"AC": mains("0"), "ucsi": {"type": "USB", "online": "1"}, "BAT0": battery("Discharging")}, false},
		"a UPS in a power cut": {map[string]supply{"ups": {"type": "UPS", "status": "Discharging"}}, true},
		"a mouse":              {map[string]supply{"hid": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, false},
		"unreadable":           {map[string]supply{"BAT0": {"name": ""}}, false},
	} {
		root := t.TempDir()
		for dir, files := range test.supplies {
			for file, text := range files {
				tree(t, root, map[string]string{filepath.Join("sys/class/power_supply", dir, file): text})
			}
		}
		got, err := (&This{root: root}).OnBattery(t.Context())
		if got != test.want || err != nil {
			t.Errorf("%s: on battery is %v, %v, want %v", name, got, err, test.want)
		}
	}
	root := t.TempDir()
	tree(t, root, map[string]string{"sys/class/power_supply": "a file"})
	if _, err := (&This{root: root}).OnBattery(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("a folder that cannot be read: %v", err)
	}
}

// process is a file as in /proc: a name that is made to mislead, and the ticks.
func process(parent, user, system, childUser, childSystem int) string {
	return fmt.Sprintf("7 (a) S 1 (b) S %d 7 7 0 -1 4194560 1 2 3 4 %d %d %d %d 20 0 1 0 100", parent, user, system, childUser, childSystem)
}

// TestOthers counts what other programs use, and not what this one and those that
// it has started do, living or ended.
func TestOthers(t *testing.T) {
	root := t.TempDir()
	this := &This{root: root, self: 10}
	at := func(busy, idle, own, worker, ended int) {
		tree(t, root, map[string]string{
			"proc/stat":    fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 0 0\ncpu0 1 2 3", busy, idle),
			"proc/1/stat":  process(0, 5000, 5000, 9000, 9000),
			"proc/10/stat": process(1, own, 0, ended, 0),
			"proc/11/stat": process(10, 0, worker, 0, 0),
			"proc/12/stat": process(11, 0, 0, 0, worker),
			"proc/13/stat": process(99, 1<<20, 0, 0, 0), // its parent has gone
			"proc/14/stat": "half a",
		})
	}
	see := func(want int) {
		t.Helper()
		if got, err := this.others(); got != want || err != nil {
			t.Errorf("others use %d %%, %v, want %d", got, err, want)
		}
	}
	at(1000, 1000, 100, 100, 0)
	see(0) // there is no look before it
	at(2000, 1000, 200, 500, 100)
	see(0)
	at(2600, 1400, 200, 500, 100)
	see(60)
	at(3000, 2000, 500, 550, 100) // a tenth of what was done is ours
	see(0)
	at(3000, 2000, 500, 550, 100) // no time has gone by
	see(0)
	at(2000, 1000, 500, 550, 100) // a clock that went back
	see(0)
	at(3000, 2000, 500, 0, 0) // ended without a word
	see(50)
	tree(t, root, map[string]string{"proc/stat": "cpu 1 2 3"})
	if _, err := this.Use(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// TestUse looks at processors, then at logind where it is, then at terminals.
func TestUse(t *testing.T) {
	root := t.TempDir()
	idle, logind := true, error(nil)
	this := &This{root: root, self: 10, ask: func(context.Context) (bool, error) { return idle, logind }}
	stat := func(busy, quiet int) {
		tree(t, root, map[string]string{"proc/stat": fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 0 0", busy, quiet)})
	}
	see := func(want string) {
		t.Helper()
		got, err := this.Use(t.Context())
		if err != nil && !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		if err != nil {
			got = "unknown"
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("the machine's use is %q, want %q", got, want)
		}
	}
	stat(1000, 1000)
	see("")
	stat(1250, 1750) // a quarter is idle enough
	see("")
	stat(1510, 2490)
	see("other programs use 26 %")
	tree(t, root, map[string]string{"dev/tty1": "", "dev/pts/3": "", "dev/pts/ptmx": ""})
	typedAt := func(name string, ago time.Duration) {
		at := time.Now().Add(-ago)
		if err := os.Chtimes(filepath.Join(root, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	typedAt("dev/tty1", 24*time.Hour)
	typedAt("dev/pts/3", time.Minute)
	see("terminal")
	typedAt("dev/pts/3", time.Hour)
	see("")
	tree(t, root, map[string]string{"run/systemd/seats/seat0": ""})
	see("")
	idle = false
	see("somebody is at it")
	logind = errors.New("Connection refused")
	see("") // a container: there is no systemd, and nobody has typed
	tree(t, root, map[string]string{"run/systemd/system/seat0": ""})
	see("unknown")
}
