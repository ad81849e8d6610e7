package wasi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// TestSuite decides each case of the wasi-testsuite once: what it looks at,
// written anew for this world, through every way to make a call. The cases'
// names are the suite's; docs/WASI.md lists them with what was decided.
func TestSuite(t *testing.T) {
	for way, make := range ways(t) {
		t.Run(way, func(t *testing.T) { runSuite(t, make) })
	}
}

// runSuite runs every case with a guest that make gives it.
func runSuite(t *testing.T, make func(*testing.T, Config) *guest) {
	cases := map[string]func(*scratch){}
	for _, list := range []map[string]func(*scratch){suiteProcess, suiteFiles, suitePaths, suiteLinks} {
		for name, run := range list {
			cases[name] = run
		}
	}
	if len(cases) != 58 {
		t.Errorf("%d cases, the suite has 58 that are not C", len(cases))
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			g := make(t, Config{
				Inputs: inputs, Stdin: []byte("typed"), Start: start,
				Args: []string{"prog", "first", "the \"second\" arg", "3"}, Env: []string{"a=text", "b=escap \" ing", "c=new\nline"},
			})
			run(&scratch{guest: g, dir: g.open(ok, "out", openDirectory, 0, 0)})
		})
	}
}

// scratch is a guest with a folder of its own, as the suite's cases have.
type scratch struct {
	*guest
	dir uint64
}

// config changes what the world was made of, where it looks at that only later.
func (s *scratch) config(change func(*Config)) {
	change(&s.cfg)
	if s.rec != nil {
		s.rec.c.config(s.cfg)
	}
}

// at opens a path in the scratch folder.
func (s *scratch) at(want errno, p string, oflags, rights, flags uint64) uint64 {
	s.t.Helper()
	at, n := s.path(p)
	s.must(want, "path_open", s.dir, 0, at, n, oflags, rights, 0, flags, atResult)
	return uint64(s.u32(atResult))
}

// create makes an empty file.
func (s *scratch) create(p string) {
	s.t.Helper()
	s.must(ok, "fd_close", s.at(ok, p, openCreate, 0, 0))
}

// do makes one of the calls that take a folder and a path.
func (s *scratch) do(want errno, call, p string) {
	s.t.Helper()
	at, n := s.path(p)
	s.must(want, "path_"+call, s.dir, at, n)
}

func (s *scratch) rename(want errno, from, to string) {
	s.t.Helper()
	at, n := s.path(from)
	copy(s.m[atPath2:], to)
	s.must(want, "path_rename", s.dir, at, n, s.dir, atPath2, uint64(len(to)))
}

// stat gives what path_filestat_get says, by its offset.
func (s *scratch) stat(want errno, p string) {
	s.t.Helper()
	at, n := s.path(p)
	s.must(want, "path_filestat_get", s.dir, 0, at, n, atStat)
}

func (s *scratch) fdstat(fd uint64) (filetype byte, flags uint16, base, inheriting uint64) {
	s.t.Helper()
	s.must(ok, "fd_fdstat_get", fd, atStat)
	return s.m[atStat], binary.LittleEndian.Uint16(s.m[atStat+2:]), s.u64(atStat + 8), s.u64(atStat + 16)
}

// size is that of an open file.
func (s *scratch) size(fd uint64) uint64 {
	s.t.Helper()
	s.must(ok, "fd_filestat_get", fd, atStat)
	return s.u64(atStat + 32)
}

func (s *scratch) seek(want errno, fd uint64, offset int64, whence uint64) uint64 {
	s.t.Helper()
	s.must(want, "fd_seek", fd, uint64(offset), whence, atResult)
	return s.u64(atResult)
}

func (s *scratch) equal(what string, got, want any) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// strings reads what args_get or environ_get wrote.
func (s *scratch) strings(call string) (list []string) {
	s.t.Helper()
	s.must(ok, call+"_sizes_get", atResult, atResult+4)
	n, size := int(s.u32(atResult)), int(s.u32(atResult+4))
	s.must(ok, call+"_get", atStat, atData)
	end := atData + size
	for i := range n {
		at := int(s.u32(atStat + 4*i))
		to := at + bytes.IndexByte(s.m[at:end], 0)
		list = append(list, string(s.m[at:to]))
	}
	return list
}

var suiteProcess = map[string]func(*scratch){
	"args_get-multiple-arguments": func(s *scratch) {
		s.equal("arguments", strings.Join(s.strings("args"), "|"), `prog|first|the "second" arg|3`)
	},
	"args_sizes_get-multiple-arguments": func(s *scratch) {
		s.must(ok, "args_sizes_get", atResult, atResult+4)
		s.equal("sizes", fmt.Sprint(s.u32(atResult), s.u32(atResult+4)), "4 30")
	},
	"args_sizes_get-no-arguments": func(s *scratch) {
		s.config(func(cfg *Config) { cfg.Args = nil })
		s.must(ok, "args_sizes_get", atResult, atResult+4)
		s.equal("sizes", fmt.Sprint(s.u32(atResult), s.u32(atResult+4)), "0 0")
		s.must(ok, "args_get", atStat, atData)
	},
	"environ_get-multiple-variables": func(s *scratch) {
		s.equal("environment", strings.Join(s.strings("environ"), "|"), "a=text|b=escap \" ing|c=new\nline")
	},
	"environ_sizes_get-multiple-variables": func(s *scratch) {
		s.must(ok, "environ_sizes_get", atResult, atResult+4)
		s.equal("sizes", fmt.Sprint(s.u32(atResult), s.u32(atResult+4)), "3 32")
	},
	"environ_sizes_get-no-variables": func(s *scratch) {
		s.config(func(cfg *Config) { cfg.Env = nil })
		s.must(ok, "environ_sizes_get", atResult, atResult+4)
		s.equal("sizes", fmt.Sprint(s.u32(atResult), s.u32(atResult+4)), "0 0")
	},
	"fd_write-to-invalid-fd": func(s *scratch) {
		at, n := s.span(5)
		s.must(eBADF, "fd_write", 1000, at, n, atResult)
	},
	"fd_write-to-stdout": func(s *scratch) {
		var said []byte
		s.cfg.Stdout = func(b []byte) { said = append(said, b...) }
		s.write(1, "hello\n")
		s.equal("stdout", string(said), "hello\n")
	},
	"proc_exit-failure": func(s *scratch) { s.exit(33) },
	"proc_exit-success": func(s *scratch) { s.exit(0) },
	"random_get-non-zero-length": func(s *scratch) {
		s.must(ok, "random_get", atData, 10)
		if bytes.Equal(s.m[atData:atData+10], make([]byte, 10)) || s.m[atData+10] != 0 {
			s.t.Errorf("random bytes % x", s.m[atData:atData+11])
		}
	},
	"random_get-zero-length": func(s *scratch) {
		s.must(ok, "random_get", atData, 0)
		s.equal("untouched", s.m[atData], byte(0))
	},
	"big_random_buf": func(s *scratch) {
		const n = 100 << 10
		s.must(ok, "random_get", atData, n)
		for at := atData; at < atData+n; at += 1 << 10 {
			if bytes.Equal(s.m[at:at+1<<10], make([]byte, 1<<10)) {
				s.t.Fatalf("no random bytes at %d", at)
			}
		}
	},
	"sched_yield": func(s *scratch) { s.must(ok, "sched_yield") },
	"clock_time_get": func(s *scratch) {
		var last uint64
		for _, precision := range []uint64{1, 0, 1 << 40} {
			s.must(ok, "clock_time_get", clockMono, precision, atResult)
			if now := s.u64(atResult); now <= last {
				s.t.Errorf("the clock went from %d to %d", last, now)
			}
			last = s.u64(atResult)
		}
	},
	"poll_oneoff_stdio": func(s *scratch) {
		sub := func(i int, tag byte, fd uint32) {
			s.subscribe(i, fd, 0, 0)
			s.m[atData+i*subscriptionSize+8] = tag
		}
		s.subscribe(0, clockMono, 200e6, 0)
		sub(1, tagRead, 0)
		s.equal("reading", fmt.Sprint(s.poll(2)), "[[101 0]]")
		sub(0, tagWrite, 1)
		sub(1, tagWrite, 2)
		s.subscribe(2, clockMono, 200e6, 0)
		s.equal("writing", fmt.Sprint(s.poll(3)), "[[100 0] [101 0]]")
	},
}

func (s *scratch) exit(code uint64) {
	_, ended := s.call("proc_exit", code)
	end, got := s.End()
	s.equal("ended", fmt.Sprint(ended, end, got), fmt.Sprint(true, Exited, code))
}
