package compute

import "testing"

// TestSuiteC decides the C cases of the wasi-testsuite, through wasi-libc: each
// is a run of testdata/suite.wasm. The others are in internal/wasi's TestSuite.
func TestSuiteC(t *testing.T) {
	module := wasmFile(t, "suite.wasm")
	es := engines(t)
	for _, name := range []string{
		"clock_getres-monotonic", "clock_getres-realtime", "clock_gettime-monotonic", "clock_gettime-realtime",
		"fdopendir-with-access", "fopen-with-access", "fopen-with-no-access", "lseek", "pread-with-access",
		"pwrite-with-access", "pwrite-with-append", "sock_shutdown-invalid_fd", "sock_shutdown-not_sock", "stat-dev-ino",
	} {
		t.Run(name, func(t *testing.T) {
			k := newTask(module, name).input("digits", []byte("01234567")).input("dir/file-0", nil).
				input("dir/file-1", []byte("x")).input("file", nil)
			first := k.run(t, es["worker"])
			if first.End != Exit || first.Code != 0 || string(first.Stdout) != "ok\n" {
				t.Errorf("%s %d %q: %s", first.End, first.Code, first.Trap, first.Stdout)
			}
			same(t, k.run(t, es["interpreter"]), first)
		})
	}
}
