package wasi

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// suiteFiles are the suite's cases of open files and folders.
var suiteFiles = map[string]func(*scratch){
	"close_preopen": func(s *scratch) {
		s.must(ok, "fd_close", 3)
		s.must(eBADF, "fd_fdstat_get", 3, atStat)
		filetype, _, _, _ := s.fdstat(s.dir)
		s.equal("filetype", filetype, byte(typeFolder))
		s.create("still works")
	},
	"overwrite_preopen": func(s *scratch) {
		s.must(ok, "fd_filestat_get", s.dir, atStat)
		ino := s.u64(atStat + 8)
		s.must(ok, "fd_renumber", s.dir, 3)
		s.must(ok, "fd_filestat_get", 3, atStat)
		s.equal("inode", s.u64(atStat+8), ino)
		s.must(eBADF, "fd_fdstat_get", s.dir, atStat)
		s.must(eBADF, "fd_prestat_get", 3, atResult)
		s.must(ok, "fd_close", 3)
	},
	"renumber": func(s *scratch) {
		from, to := s.at(ok, "file1", openCreate, rightRW, 0), s.at(ok, "file2", openCreate, rightRW, flagAppend)
		s.write(from, "one")
		want := fmt.Sprint(s.fdstat(from))
		s.must(ok, "fd_renumber", from, to)
		s.must(eBADF, "fd_close", from)
		s.equal("fdstat", fmt.Sprint(s.fdstat(to)), want)
		s.must(ok, "fd_tell", to, atResult)
		s.equal("position", s.u64(atResult), uint64(3))
		s.must(eBADF, "fd_renumber", to, from)
		s.equal("lowest free", s.at(ok, "file2", 0, rightR, 0), from)
	},
	"stdio": func(s *scratch) {
		for fd := range uint64(3) {
			to := s.at(ok, "file", openCreate, 0, 0)
			s.must(ok, "fd_renumber", fd, to)
			s.must(ok, "fd_fdstat_get", to, atStat)
			s.must(eBADF, "fd_fdstat_get", fd, atStat)
			s.do(ok, "unlink_file", "file")
		}
	},
	"isatty": func(s *scratch) {
		for _, fd := range []uint64{0, 1, 2, s.at(ok, "file", openCreate, 0, 0)} {
			if filetype, _, _, _ := s.fdstat(fd); filetype == 2 {
				s.t.Errorf("descriptor %d is a character device", fd)
			}
		}
	},
	"dangling_fd": func(s *scratch) {
		s.create("file")
		fd := s.at(ok, "file", 0, rightRW, 0)
		s.do(ok, "unlink_file", "file")
		s.write(fd, "still here")
		s.create("file")
		s.equal("new file", s.size(s.at(ok, "file", 0, rightR, 0)), uint64(0))
		s.equal("old file", s.size(fd), uint64(10))
		s.do(ok, "create_directory", "dir")
		old := s.at(ok, "dir", openDirectory, 0, 0)
		s.do(ok, "remove_directory", "dir")
		s.do(ok, "create_directory", "dir")
		s.equal("removed folder", s.names(old, 256), ". ..")
		at, n := s.path("file")
		s.must(eNOENT, "path_open", old, 0, at, n, openCreate, rightR, 0, 0, atResult)
	},
	"dir_fd_op_failures": func(s *scratch) {
		s.must(eNAMETOOLONG, "fd_prestat_dir_name", 3, atData, 0)
		s.must(ok, "fd_prestat_dir_name", 3, atData, 2)
		at, n := s.span(128)
		s.must(eISDIR, "fd_read", s.dir, at, n, atResult)
		s.must(eISDIR, "fd_pread", s.dir, at, n, 0, atResult)
		s.must(eBADF, "fd_write", s.dir, at, n, atResult)
		s.must(eBADF, "fd_pwrite", s.dir, at, n, 0, atResult)
		for whence := range uint64(3) {
			s.seek(eBADF, s.dir, 0, whence)
		}
		s.must(eBADF, "fd_tell", s.dir, atResult)
		s.must(eBADF, "fd_allocate", s.dir, 0, 1)
		s.must(eINVAL, "fd_filestat_set_size", s.dir, 0)
	},
	"directory_seek": func(s *scratch) {
		s.do(ok, "create_directory", "dir")
		fd := s.at(ok, "dir", openDirectory, 1<<2, 0)
		s.seek(eBADF, fd, 0, 1)
		filetype, _, base, _ := s.fdstat(fd)
		s.equal("filetype and right", fmt.Sprint(filetype, base&(1<<2)), "3 0")
	},
	"fd_advise": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		s.must(ok, "fd_filestat_set_size", fd, 100)
		s.must(ok, "fd_advise", fd, 10, 50, 0)
		s.equal("size", s.size(fd), uint64(100))
		s.must(ok, "fd_allocate", fd, 100, 100)
		s.equal("size", s.size(fd), uint64(200))
	},
	"fd_fdstat_set_rights": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		_, _, base, inheriting := s.fdstat(fd)
		s.must(eNOTSUP, "fd_fdstat_set_rights", fd, base, inheriting)
		s.must(eNOTSUP, "fd_fdstat_set_rights", fd, 0, 0)
		s.write(fd, "still")
	},
	"truncation_rights": func(s *scratch) {
		filetype, flags, base, inheriting := s.fdstat(s.dir)
		s.equal("fdstat", fmt.Sprint(filetype, flags, base&(1<<19|1<<22), inheriting&(1<<22)), fmt.Sprint(3, 0, 0, 1<<22))
		s.write(s.at(ok, "file", openCreate, rightRW, 0), "text")
		s.equal("size", s.size(s.at(ok, "file", openTruncate, 0, 0)), uint64(0))
	},
	"fd_filestat_set": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		s.equal("size", s.size(fd), uint64(0))
		s.must(ok, "fd_filestat_set_size", fd, 100)
		s.equal("size", s.size(fd), uint64(100))
		s.must(ok, "fd_filestat_set_times", fd, start-100, start-100, 4)
		s.equal("size", s.size(fd), uint64(100))
		s.equal("times", fmt.Sprint(s.u64(atStat+40), s.u64(atStat+48)), fmt.Sprint(start, start))
	},
	"fstflags_validate": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		at, n := s.path("file")
		for _, flags := range []uint64{3, 12, 15, 7, 13, 16} {
			s.must(eINVAL, "fd_filestat_set_times", fd, 100, 100, flags)
			s.must(eINVAL, "path_filestat_set_times", s.dir, 0, at, n, 100, 100, flags)
		}
	},
	"fd_flags_set": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, flagAppend)
		s.write(fd, "aaaa")
		s.seek(ok, fd, 0, 0)
		s.write(fd, "bbbb")
		s.seek(ok, fd, 0, 0)
		s.equal("appended", s.read(fd, 100), "aaaabbbb")
		s.must(ok, "fd_fdstat_set_flags", fd, 0)
		s.seek(ok, fd, 0, 0)
		s.write(fd, "cccc")
		s.equal("tree", s.tree(), "file=ccccbbbb")
	},
	"fd_readdir": func(s *scratch) {
		s.must(ok, "fd_filestat_get", s.dir, atStat)
		dir := s.u64(atStat + 8)
		s.must(ok, "fd_readdir", s.dir, atData, 256, 0, atResult)
		s.equal("used", s.u32(atResult), uint32(2*direntSize+3))
		s.equal("entry", fmt.Sprint(s.u64(atData), s.u64(atData+8), s.u32(atData+16), s.m[atData+20]), fmt.Sprint(1, dir, 1, typeFolder))
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		s.must(ok, "fd_filestat_get", fd, atStat)
		s.equal("names", s.names(s.dir, 256), ". .. file")
		s.must(ok, "fd_readdir", s.dir, atData, 256, 2, atResult)
		s.equal("used", s.u32(atResult), uint32(direntSize+4))
		s.equal("inode", s.u64(atData+8), s.u64(atStat+8))
		s.do(ok, "unlink_file", "file")
		s.config(func(cfg *Config) { cfg.MaxFiles = 1100 })
		for i := range 1000 {
			s.must(ok, "fd_close", s.at(ok, fmt.Sprintf("file.%d", i), openCreate, 0, 0))
		}
		s.equal("entries", strings.Count(s.names(s.dir, 256), " "), 1001)
	},
	"file_allocate": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		for _, tt := range [][3]uint64{{0, 100, 100}, {10, 10, 100}, {90, 20, 110}} {
			s.must(ok, "fd_allocate", fd, tt[0], tt[1])
			s.equal("size", s.size(fd), tt[2])
		}
	},
	"file_pread_pwrite": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		// Two spans: 0 1 and 2 3.
		copy(s.m[atData:], "\x00\x01..\x02\x03")
		for i, at := range []uint32{atData, atData + 4} {
			binary.LittleEndian.PutUint32(s.m[atIovs+8*i:], at)
			binary.LittleEndian.PutUint32(s.m[atIovs+8*i+4:], 2)
		}
		s.must(ok, "fd_pwrite", fd, atIovs, 2, 0, atResult)
		s.equal("written", s.u32(atResult), uint32(4))
		clear(s.m[atData : atData+6])
		s.must(ok, "fd_pread", fd, atIovs, 2, 2, atResult)
		s.equal("read at 2", fmt.Sprint(s.u32(atResult), s.m[atData:atData+6]), "2 [2 3 0 0 0 0]")
		s.must(ok, "fd_pread", fd, atIovs, 2, 0, atResult)
		s.equal("read at 0", fmt.Sprint(s.u32(atResult), s.m[atData:atData+6]), "4 [0 1 0 0 2 3]")
		s.must(ok, "fd_pread", fd, atIovs, 2, 4, atResult)
		s.equal("read at the end", s.u32(atResult), uint32(0))
		s.must(ok, "fd_tell", fd, atResult)
		s.equal("position", s.u64(atResult), uint64(0))
	},
	"file_seek_tell": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightRW, 0)
		s.write(fd, strings.Repeat("x", 100))
		s.must(ok, "fd_tell", fd, atResult)
		s.equal("position", s.u64(atResult), uint64(100))
		s.equal("back", s.seek(ok, fd, -50, 1), uint64(50))
		s.equal("begin", s.seek(ok, fd, 0, 0), uint64(0))
		s.equal("beyond", s.seek(ok, fd, 1000, 1), uint64(1000))
		s.seek(eINVAL, fd, -2000, 1)
		s.seek(ok, fd, 0, 0)
		s.equal("read", len(s.read(fd, 200)), 100)
		s.must(ok, "fd_tell", fd, atResult)
		s.equal("position", s.u64(atResult), uint64(100))
	},
	"file_truncation": func(s *scratch) {
		fd := s.at(ok, "file", openCreate, rightWrite, 0)
		s.write(fd, "this content will be cut off")
		s.must(ok, "fd_close", fd)
		s.equal("read", s.read(s.at(ok, "file", openCreate|openTruncate, rightRW, 0), 100), "")
	},
	"file_unbuffered_write": func(s *scratch) {
		r, w := s.at(ok, "file", openCreate, rightR, 0), s.at(ok, "file", 0, rightWrite, 0)
		s.write(w, "\x01")
		s.equal("read", s.read(r, 1), "\x01")
	},
}
