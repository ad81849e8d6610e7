package wasi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/peersea/sea/internal/golden"
)

// vectors are what an implementation of docs/WASI.md must do, to the bit: calls
// that the tests here made, with what stood in memory before, the answer, the
// whole price and what changed in memory. testdata/vectors.json has them.
type vectors struct {
	Memory int          `json:"memory"` // bytes, all zero at first
	Cases  []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name      string        `json:"name"`
	Args      []string      `json:"args"`
	Env       []string      `json:"env"`
	Stdin     string        `json:"stdin"` // bytes in hex, as everywhere below
	Inputs    []vectorInput `json:"inputs"`
	Seed      string        `json:"seed"`
	Start     int64         `json:"start,string"`
	MaxOutput uint64        `json:"output_bytes"`
	MaxFiles  int           `json:"files"`
	Steps     []vectorStep  `json:"steps"`
}

type vectorInput struct {
	Path string `json:"path"`
	Data string `json:"data"`
}

// vectorStep is one call. Before it the guest burned some fuel and wrote Poke.
type vectorStep struct {
	Burn   uint64   `json:"burn,omitempty"`
	Poke   []patch  `json:"poke,omitempty"`
	Call   string   `json:"call"`
	Params []number `json:"params"`
	Errno  errno    `json:"errno"`
	Ended  bool     `json:"ended,omitempty"` // the guest ended in the call: errno means nothing
	Price  uint64   `json:"price"`
	Peek   []patch  `json:"peek,omitempty"` // what changed
}

// number is an unsigned 64-bit number as text: JavaScript's are not that long.
type number uint64

func (n number) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.FormatUint(uint64(n), 10)) }

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 64)
	*n = number(v)
	return err
}

// patch is bytes at an offset of memory.
type patch struct {
	At  int    `json:"at"`
	Hex string `json:"hex"`
}

// recorder notes what a guest does.
type recorder struct {
	c    *vectorCase
	snap memory
	used uint64

	again bool // replaying: what the guest wrote is in snap
}

var recording *[]*vectorCase // where guests are recorded; nil for nowhere

func (g *guest) record() {
	if recording == nil || len(g.m) != memorySize {
		return
	}
	c := &vectorCase{Name: strings.TrimPrefix(g.t.Name(), "TestVectors/")}
	*recording = append(*recording, c)
	g.rec = &recorder{c: c, snap: make(memory, len(g.m))}
	c.config(g.cfg)
}

func (c *vectorCase) config(cfg Config) {
	c.Args, c.Env, c.Stdin = cfg.Args, cfg.Env, hex.EncodeToString(cfg.Stdin)
	c.Seed, c.Start = hex.EncodeToString(cfg.Seed[:]), cfg.Start
	c.MaxOutput, c.MaxFiles = cfg.MaxOutput, cfg.MaxFiles
	c.Inputs = nil
	for _, in := range cfg.Inputs {
		c.Inputs = append(c.Inputs, vectorInput{in.Path, hex.EncodeToString(in.Data)})
	}
}

// small says whether a case is worth its bytes.
func (c *vectorCase) small() bool {
	b, _ := json.Marshal(c)
	return len(c.Steps) > 0 && len(b) < 200<<10
}

// changes are the bytes of m that differ from the snapshot, which becomes m.
func (r *recorder) changes(m memory) (list []patch) {
	for at := 0; at < len(m); {
		if at%4096 == 0 && bytes.Equal(m[at:at+4096], r.snap[at:at+4096]) {
			at += 4096
			continue
		}
		from := at
		for at < len(m) && m[at] != r.snap[at] {
			at++
		}
		if at > from {
			list = append(list, patch{from, hex.EncodeToString(m[from:at])})
		} else {
			at++
		}
	}
	copy(r.snap, m)
	return list
}

func (r *recorder) before(g *guest, call string, params []uint64) {
	s := vectorStep{Burn: g.own.used - r.used, Call: call, Params: []number{}}
	if !r.again {
		s.Poke = r.changes(g.m)
	}
	types, _, _ := Signature(call)
	for i, p := range params {
		if types[i] == 'i' {
			p = uint64(uint32(p))
		}
		s.Params = append(s.Params, number(p))
	}
	r.used = g.own.used
	r.c.Steps = append(r.c.Steps, s)
}

func (r *recorder) after(g *guest, e errno, ended bool) {
	s := &r.c.Steps[len(r.c.Steps)-1]
	s.Errno, s.Ended, s.Price, s.Peek = e, ended, g.own.used-r.used, r.changes(g.m)
	r.used = g.own.used
}

// TestVectors makes the recorded calls again. With -update it records them.
func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	if *golden.Update {
		v := vectors{Memory: memorySize}
		var list []*vectorCase
		recording = &list
		for name, run := range map[string]func(*testing.T){
			"escapes": TestEscapes, "read-only": TestReadOnly, "files": TestFiles, "folders": TestFolders,
			"allocate": TestAllocate, "times": TestTimes, "clocks": TestClocks, "sleep": TestSleep,
			"poll": TestPollFiles, "quotas": TestQuotas, "faults": TestFaults, "random": TestRandom, "strings": TestStrings, "descriptors": TestDescriptors, "deep": TestRenameIsBounded,
			"suite": func(t *testing.T) { runSuite(t, func(t *testing.T, cfg Config) *guest { return newGuest(t, cfg) }) },
		} {
			t.Run(name, run)
		}
		recording = nil
		for _, c := range list {
			if c.small() {
				v.Cases = append(v.Cases, *c)
			}
		}
		slices.SortStableFunc(v.Cases, func(a, b vectorCase) int { return strings.Compare(a.Name, b.Name) })
		b, err := json.Marshal(v)
		b = bytes.ReplaceAll(b, []byte(`{"name":`), []byte("\n{\"name\":")) // a case a line
		if err == nil {
			err = os.WriteFile(file, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) < 60 {
		t.Errorf("only %d cases", len(v.Cases))
	}
	m, snap := make(memory, v.Memory), make(memory, v.Memory)
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) { c.replay(t, m, snap) })
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c vectorCase) replay(t *testing.T, m, snap memory) {
	clear(m)
	clear(snap)
	cfg := Config{
		Args: c.Args, Env: c.Env, Stdin: unhex(t, c.Stdin), Start: c.Start, MaxOutput: c.MaxOutput, MaxFiles: c.MaxFiles,
	}
	copy(cfg.Seed[:], unhex(t, c.Seed))
	for _, in := range c.Inputs {
		cfg.Inputs = append(cfg.Inputs, Input{in.Path, unhex(t, in.Data)})
	}
	g := guestWith(t, cfg, m)
	g.rec = &recorder{c: &vectorCase{}, snap: snap, again: true}
	for i, s := range c.Steps {
		g.own.used += s.Burn
		for _, p := range s.Poke {
			copy(m[p.At:], unhex(t, p.Hex))
			copy(snap[p.At:], unhex(t, p.Hex))
		}
		params := make([]uint64, len(s.Params))
		for i, p := range s.Params {
			params[i] = uint64(p)
		}
		g.call(s.Call, params...)
		got := g.rec.c.Steps[i]
		if got.Errno != s.Errno || got.Ended != s.Ended || got.Price != s.Price {
			t.Fatalf("step %d, %s%v: got errno %d, ended %v, price %d; want %d, %v, %d",
				i, s.Call, s.Params, got.Errno, got.Ended, got.Price, s.Errno, s.Ended, s.Price)
		}
		for k := range max(len(got.Peek), len(s.Peek)) {
			if k >= len(got.Peek) || k >= len(s.Peek) || got.Peek[k] != s.Peek[k] {
				t.Fatalf("step %d, %s%v: memory changed as %v, want %v", i, s.Call, s.Params, got.Peek, s.Peek)
			}
		}
	}
}
