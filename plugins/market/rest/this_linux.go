package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This is the machine that the program runs on, as Linux tells of it in files.
// Others use it when logind says that a session is not idle; without logind, when
// a terminal was typed at in the last five minutes; and in both cases when other
// programs take more than a quarter of all processors. It may be used at once by
// many.
type This struct {
	root string                                         // of sys, proc, dev and run
	self int                                            // our process
	ask  func(ctx context.Context) (idle bool, e error) // logind

	mu   sync.Mutex // guards what follows
	last load       // as of the look before
}

// NewThis makes it.
func NewThis() *This { return &This{root: "/", self: os.Getpid(), ask: askLogind} }

// OnBattery is true when a battery of the machine itself discharges and no other
// supply is online. A machine without any supply that Linux knows has no
// battery.
func (t *This) OnBattery(context.Context) (bool, error) {
	dir := filepath.Join(t.root, "sys/class/power_supply")
	supplies, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%w what it runs on: %w", ErrUnknown, err)
	}
	discharges := false
	for _, s := range supplies {
		is := func(file string) string {
			b, _ := os.ReadFile(filepath.Join(dir, s.Name(), file)) // not every supply has every file
			return strings.TrimSpace(string(b))
		}
		switch kind := is("type"); {
		case is("scope") == "Device": // the battery of a mouse
		case kind == "Battery" || kind == "UPS":
			discharges = discharges || is("status") == "Discharging"
		case is("online") == "1":
			return false, nil
		}
	}
	return discharges, nil
}

// Use says what is done with the machine. What other programs take is known from
// the second call on: it is what they took since the one before.
func (t *This) Use(ctx context.Context) (string, error) {
	percent, err := t.others()
	if err != nil {
		return "", fmt.Errorf("%w who uses its processors: %w", ErrUnknown, err)
	}
	if percent > busyPercent {
		return fmt.Sprintf("other programs use %d %% of its processors", percent), nil
	}
	if t.has("run/systemd/seats") { // as sd_login(3) finds logind
		idle, err := t.ask(ctx)
		switch {
		case err == nil && idle:
			return "", nil
		case err == nil:
			return "somebody is at it", nil
		case t.has("run/systemd/system"): // as sd_booted(3) finds systemd: it should have answered
			return "", fmt.Errorf("%w who is at it: loginctl: %w", ErrUnknown, err)
		}
	}
	for _, pattern := range []string{"dev/tty[0-9]*", "dev/pts/[0-9]*"} {
		terminals, _ := filepath.Glob(filepath.Join(t.root, pattern)) // the pattern is well formed
		for _, name := range terminals {
			var info syscall.Stat_t
			if syscall.Stat(name, &info) == nil && time.Since(time.Unix(info.Atim.Unix())) < typed {
				return "somebody has typed at a terminal of it", nil
			}
		}
	}
	return "", nil
}

func (t *This) has(name string) bool {
	_, err := os.Stat(filepath.Join(t.root, name))
	return err == nil
}

// askLogind asks whether all sessions are idle.
func askLogind(ctx context.Context) (idle bool, err error) {
	out, err := exec.CommandContext(ctx, "loginctl", "show", "--property=IdleHint").Output()
	switch text := string(bytes.TrimSpace(out)); {
	case err != nil:
		return false, err
	case text == "IdleHint=yes" || text == "IdleHint=no":
		return text == "IdleHint=yes", nil
	default:
		return false, fmt.Errorf("it says %.40q", text)
	}
}

// load is what the processors have done, in ticks since the start.
type load struct{ all, busy, own uint64 }

// others is the percentage of all processors' time that other programs took since
// it was last called; 0 the first time.
func (t *This) others() (int, error) {
	now, err := t.load()
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	was := t.last
	t.last = now
	t.mu.Unlock()
	all, busy, own := int64(now.all-was.all), int64(now.busy-was.busy), int64(now.own-was.own)
	if was.all == 0 || all <= 0 {
		return 0, nil
	}
	return int(max(0, busy-max(0, own)) * 100 / all), nil
}

// load reads what all processes, and ours with those below it, have done.
func (t *This) load() (l load, err error) {
	b, err := os.ReadFile(filepath.Join(t.root, "proc/stat"))
	if err != nil {
		return l, err
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return l, fmt.Errorf("proc/stat begins with %.40q", line)
	}
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return l, err
		}
		if l.all += n; i != 3 && i != 4 && i != 7 {
			l.busy += n
		}
	}
	parent, used := map[int]int{}, map[int]uint64{}
	all, err := os.ReadDir(filepath.Join(t.root, "proc"))
	if err != nil {
		return l, err
	}
	for _, d := range all {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, ticks, ok := t.process(pid); ok { // else it has just ended
			parent[pid], used[pid] = p, ticks
		}
	}
	for pid, ticks := range used {
		at := pid
		for range len(parent) { // the tree may change while it is read: no endless walk
			if at == t.self || at == 0 {
				break
			}
			at = parent[at]
		}
		if at == t.self {
			l.own += ticks
		}
	}
	return l, nil
}

// process reads who has started a process, and its ticks and those of its
// children that have ended. See proc_pid_stat(5); the name in brackets may have
// brackets itself.
func (t *This) process(pid int) (parent int, ticks uint64, ok bool) {
	b, err := os.ReadFile(filepath.Join(t.root, "proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, false
	}
	for _, f := range fields[11:15] { // utime stime cutime cstime
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		ticks += n
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, ticks, err == nil
}
