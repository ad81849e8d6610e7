package compute

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/peersea/sea/identity/cbor"
)

// Wall is one of the things that stand around a worker process, for the day on
// which a guest breaks out of its engine.
type Wall struct {
	Name     string `json:"name"`
	Stands   bool   `json:"stands"`
	Needed   bool   `json:"needed"`   // who runs strangers' guests should have it
	Detail   string `json:"detail"`   // which form it has here, or why it is missing
	Protects string `json:"protects"` // what it keeps the guest from
	Hint     string `json:"hint"`     // what to do where it is missing
}

// Names of the walls, in the order in which they are reported.
const (
	wallProcess      = "process"
	wallSecrets      = "secrets"
	wallLimits       = "limits"
	wallMemory       = "memory"
	wallDumpable     = "dumpable"
	wallCapabilities = "capabilities"
	wallPrivileges   = "privileges"
	wallCalls        = "system calls"
	wallNetwork      = "network"
	wallFiles        = "files"
)

const onLinux = "sell from Linux; elsewhere serve only people you know"

var wallTable = []Wall{
	{Name: wallProcess, Needed: true,
		Protects: "a guest that crashes, hangs or eats memory costs its own process and one job",
		Hint:     "the program must be able to start itself"},
	{Name: wallSecrets, Needed: true,
		Protects: "no environment, no arguments and no open files of the daemon are there to be read",
		Hint:     "mount /proc where the daemon runs"},
	{Name: wallLimits, Needed: true,
		Protects: "open files, CPU time, the size of a file and core dumps are bounded by the kernel",
		Hint:     onLinux},
	{Name: wallMemory, Needed: true,
		Protects: "the process cannot take more memory than its job may have, and a fixed rest",
		Hint:     onLinux},
	{Name: wallDumpable, Needed: true,
		Protects: "no other process of this user can look into a worker, and it dumps no core",
		Hint:     onLinux},
	{Name: wallCapabilities, Needed: true,
		Protects: "it has no rights of the superuser, even when the daemon does",
		Hint:     onLinux},
	{Name: wallPrivileges, Needed: true,
		Protects: "no program that it could start would give it another user's rights",
		Hint:     onLinux},
	{Name: wallCalls, Needed: true,
		Protects: "it cannot start programs, trace, signal other processes, or use most of the kernel",
		Hint:     "use a kernel with CONFIG_SECCOMP_FILTER, and a container that allows seccomp(2)"},
	{Name: wallNetwork, Needed: true,
		Protects: "it cannot open a socket of any kind",
		Hint:     "as for system calls"},
	{Name: wallFiles, Needed: true,
		Protects: "it can open nothing but the folder with its own module's compiled code",
		Hint:     "use Linux 5.13 or newer with landlock in the kernel's lsm= list, and a container that allows it"},
}

// standing is a wall as a worker reports it.
type standing struct {
	Name   string `cbor:"name"`
	Stands bool   `cbor:"stands"`
	Detail string `cbor:"detail"`
}

// hello is the worker's first frame: the version of its protocol in one byte,
// then which walls stand around it.
func hello(list []standing) ([]byte, error) {
	b, err := cbor.Marshal(list)
	return append([]byte{workerVersion}, b...), err
}

// readHello reads it, and wants every wall, once, in order.
func readHello(b []byte) ([]Wall, error) {
	if len(b) == 0 || b[0] != workerVersion {
		return nil, fmt.Errorf("%w: it speaks version %.20q, this program %d", errFrame, b[:min(len(b), 1)], workerVersion)
	}
	var list []standing
	if err := cbor.Unmarshal(b[1:], &list); err != nil {
		return nil, fmt.Errorf("%w: its walls: %w", errFrame, err)
	}
	if len(list) != len(wallTable) {
		return nil, fmt.Errorf("%w: it tells of %d walls of %d", errFrame, len(list), len(wallTable))
	}
	walls := slices.Clone(wallTable)
	for i, s := range list {
		w := &walls[i]
		if s.Name != w.Name {
			return nil, fmt.Errorf("%w: it tells of a wall %.20q, want %q", errFrame, s.Name, w.Name)
		}
		w.Stands, w.Detail = s.Stands, clip(s.Detail)
	}
	return walls, nil
}

// tellWalls logs which walls stand, and warns of each that should and does not.
func tellWalls(log *slog.Logger, walls []Wall) {
	var stand []string
	for _, w := range walls {
		switch {
		case w.Stands:
			stand = append(stand, w.Name)
		case w.Needed:
			log.Warn("a wall around guests is missing", "wall", w.Name, "why", w.Detail, "hint", w.Hint)
		}
	}
	log.Info("walls around guests", "stand", stand)
}

// Walls starts a worker, asks it which walls stand around it, and ends it. In
// process there are none.
func (e *Engine) Walls() ([]Wall, error) {
	if !e.begin() {
		return nil, ErrClosed
	}
	defer e.runs.Done()
	if e.cfg.InProcess {
		walls := slices.Clone(wallTable)
		for i := range walls {
			walls[i].Detail = "guests run in this process"
		}
		return walls, nil
	}
	p, err := e.pool.spawner.start()
	if err != nil {
		return nil, err
	}
	p.reap()
	return p.walls, nil
}
