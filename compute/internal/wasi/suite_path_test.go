package wasi

import "fmt"

// suitePaths are the suite's cases of paths.
var suitePaths = map[string]func(*scratch){
	"interesting_paths": func(s *scratch) {
		s.do(ok, "create_directory", "dir")
		s.do(ok, "create_directory", "dir/nested")
		s.create("dir/nested/file")
		s.at(eNOTCAPABLE, "/dir/nested/file", 0, 0, 0)
		s.at(ok, "dir/.//nested/../../dir/nested/../nested///./file", 0, 0, 0)
		s.at(eINVAL, "dir/nested/file\x00", 0, 0, 0)
		s.at(eNOTDIR, "dir/nested/file/", 0, 0, 0)
		s.at(eNOTDIR, "dir/nested/file///", 0, 0, 0)
		s.at(ok, "dir/nested/", 0, 0, 0)
		s.at(ok, "dir/nested///", 0, 0, 0)
		s.at(eNOTCAPABLE, "dir/nested/../../../out/dir/nested/file", 0, 0, 0)
		s.do(ok, "unlink_file", "dir/nested/file")
		s.do(ok, "remove_directory", "dir/nested")
		s.do(ok, "remove_directory", "dir")
	},
	"path_exists": func(s *scratch) {
		s.do(ok, "create_directory", "subdir")
		s.create("subdir/file")
		for p, want := range map[string]byte{"subdir": typeFolder, "subdir/file": typeFile} {
			for follow := range uint64(2) {
				at, n := s.path(p)
				s.must(ok, "path_filestat_get", s.dir, follow, at, n, atStat)
				s.equal(p, s.m[atStat+16], want)
			}
		}
		s.stat(eNOENT, "none")
	},
	"path_filestat": func(s *scratch) {
		const sync = 1 << 4
		fd := s.at(ok, "file", openCreate, rightRW, flagAppend|sync)
		_, flags, _, _ := s.fdstat(fd)
		s.equal("flags", flags, uint16(flagAppend|sync))
		at, n := s.path("file")
		s.must(ok, "path_filestat_set_times", s.dir, 0, at, n, 0, start-100, 4)
		s.must(eINVAL, "path_filestat_set_times", s.dir, 0, at, n, 0, start-100, 4|8)
		s.must(eINVAL, "path_filestat_set_times", s.dir, 0, at, n, 0, 0, 1|2)
		s.stat(ok, "file")
		s.equal("size and times", fmt.Sprint(s.u64(atStat+32), s.u64(atStat+40), s.u64(atStat+48)), fmt.Sprint(0, start, start))
	},
	"path_open_create_existing": func(s *scratch) {
		s.create("file")
		s.at(eEXIST, "file", openCreate|openExclusive, 0, 0)
	},
	"path_open_dirfd_not_dir": func(s *scratch) {
		file := s.at(ok, "file", openCreate, 0, 0)
		at, n := s.path("foo")
		s.must(eNOTDIR, "path_open", file, 0, at, n, openCreate, 0, 0, 0, atResult)
	},
	"path_open_missing": func(s *scratch) { s.at(eNOENT, "file", 0, 0, 0) },
	"path_open_nonblock": func(s *scratch) {
		const nonblock = 1 << 2
		s.at(ok, ".", 0, 0, nonblock)
	},
	"path_open_preopen": func(s *scratch) {
		const must = 1<<9 | 1<<10 | 1<<11 | 1<<12 | 1<<13 | 1<<14 | 1<<15 | 1<<16 | 1<<17 | 1<<24 | 1<<25 | 1<<26 | 1<<18 | 1<<20 | 1<<21 | 1<<23
		const below = must | 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<22 | 1<<27
		_, _, base, inheriting := s.fdstat(3)
		s.equal("rights", fmt.Sprint(base&must, inheriting&below), fmt.Sprint(must, below))
		s.dir = 3
		s.at(ok, ".", 0, base, 0)
		s.at(ok, ".", 0, 0, 0)
		s.at(ok, ".", openDirectory, 0, 0)
		s.at(ok, ".", openDirectory, rightR, 0)
		s.at(eISDIR, ".", openDirectory, rightRW, 0)
	},
	"path_open_read_write": func(s *scratch) {
		s.create("file")
		r := s.at(ok, "file", 0, rightR, 0)
		_, _, base, _ := s.fdstat(r)
		s.equal("read only", base&rightRW, uint64(rightR))
		s.equal("read", s.read(r, 100), "")
		at, n := s.span(50)
		s.must(eBADF, "fd_write", r, at, n, atResult)
		w := s.at(ok, "file", 0, rightWrite, 0)
		_, _, base, _ = s.fdstat(w)
		s.equal("write only", base&rightRW, uint64(rightWrite))
		s.must(eBADF, "fd_read", w, at, n, atResult)
		s.must(ok, "fd_write", w, at, n, atResult)
		rw := s.at(ok, "file", 0, rightRW, 0)
		s.equal("read", len(s.read(rw, 100)), 50)
		s.write(rw, "more")
		s.equal("size", s.size(rw), uint64(54))
	},
	"path_rename": func(s *scratch) {
		s.do(ok, "create_directory", "source")
		s.rename(ok, "source", "target")
		s.at(eNOENT, "source", openDirectory, 0, 0)
		s.at(ok, "target", openDirectory, 0, 0)
		s.do(ok, "create_directory", "source")
		s.rename(ok, "source", "target") // onto an empty one
		s.do(ok, "create_directory", "source")
		s.create("target/file")
		s.rename(eNOTEMPTY, "source", "target")
		s.rename(eNOTDIR, "source", "target/file")
		s.create("a")
		s.create("b")
		s.rename(ok, "a", "b")
		s.at(eNOENT, "a", 0, 0, 0)
		s.rename(ok, "b", "c")
		s.rename(eISDIR, "c", "source")
		s.equal("tree", s.tree(), "c= source/ target/ target/file=")
	},
	"path_rename_dir_trailing_slashes": func(s *scratch) {
		s.do(ok, "create_directory", "source")
		s.rename(ok, "source/", "target")
		s.rename(ok, "target", "source/")
		s.rename(ok, "source/", "target/")
		s.rename(ok, "target", "source")
		s.create("file")
		s.rename(eNOTDIR, "file", "new/")
		s.rename(eNOTDIR, "file/", "new")
		s.equal("tree", s.tree(), "file= source/")
	},
	"remove_directory_trailing_slashes": func(s *scratch) {
		for _, p := range []string{"dir", "dir/", "dir//"} {
			s.do(ok, "create_directory", "dir")
			s.do(ok, "remove_directory", p)
		}
		s.create("file")
		s.do(eNOTDIR, "remove_directory", "file")
		s.do(eNOTDIR, "remove_directory", "file/")
	},
	"remove_nonempty_directory": func(s *scratch) {
		s.do(ok, "create_directory", "dir")
		s.do(ok, "create_directory", "dir/nested")
		s.do(eNOTEMPTY, "remove_directory", "dir")
		s.do(ok, "remove_directory", "dir/nested")
		s.do(ok, "remove_directory", "dir")
	},
	"unlink_file_trailing_slashes": func(s *scratch) {
		s.do(ok, "create_directory", "dir")
		s.do(eISDIR, "unlink_file", "dir")
		s.do(eISDIR, "unlink_file", "dir/")
		s.create("file")
		s.do(eNOTDIR, "unlink_file", "file/")
		s.do(ok, "unlink_file", "file")
	},
}

// suiteLinks are the suite's cases of links. There are none in this world: a
// program is told so when it makes one, and nothing is there afterwards.
var suiteLinks = map[string]func(*scratch){
	"path_link": func(s *scratch) {
		s.create("file")
		at, n := s.path("file")
		copy(s.m[atPath2:], "link")
		s.must(eNOTSUP, "path_link", s.dir, 0, at, n, s.dir, atPath2, 4)
		s.equal("tree", s.tree(), "file=")
	},
	"readlink": func(s *scratch) {
		s.symlink("target", "symlink")
		s.create("target")
		for p, want := range map[string]errno{"symlink": eNOENT, "target": eINVAL, ".": eINVAL} {
			at, n := s.path(p)
			s.must(want, "path_readlink", s.dir, at, n, atData, 10, atResult)
		}
	},
	"dangling_symlink": func(s *scratch) { s.symlink("target", "symlink") },
	"nofollow_errors":  func(s *scratch) { s.symlink("target", "symlink") },
	"symlink_create":   func(s *scratch) { s.symlink("target", "symlink"); s.symlink("/target", "symlink") },
	"symlink_filestat": func(s *scratch) { s.symlink("file", "symlink") },
	"symlink_loop":     func(s *scratch) { s.symlink("symlink", "symlink") },
	"path_symlink_trailing_slashes": func(s *scratch) {
		s.symlink("source", "target/")
		s.symlink("source", "dir/")
		s.symlink("source", "target//")
	},
}

// symlink tries to make a link to old at p.
func (s *scratch) symlink(old, p string) {
	s.t.Helper()
	copy(s.m[atPath2:], old)
	at, n := s.path(p)
	s.must(eNOTSUP, "path_symlink", atPath2, uint64(len(old)), s.dir, at, n)
	s.stat(eNOENT, p)
}
