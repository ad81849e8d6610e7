package compute

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

const helloSays = `args [prog a b c]
env [CODE=7 X=y]
stdin "typed"
file "some bytes"
entry dir true
entry out true
slept true 2023
`

// TestHello runs a Go program in every way there is. Under the race detector
// compiling its megabytes takes so long that the worker must do; TestFilesC does
// the rest.
func TestHello(t *testing.T) {
	k := newTask(goProgram(t, "hello"), "a", "b c").input("dir/in.txt", []byte("some bytes")).stdin([]byte("typed"))
	k.Env = []string{"CODE=7", "X=y"}
	var first Result
	for name, e := range engines(t) {
		if raceEnabled && name != "worker" {
			continue
		}
		r := k.run(t, e)
		if r.End != Exit || r.Code != 7 || string(r.Stdout) != helloSays {
			t.Errorf("%s: got %s %d\n%s", name, r.End, r.Code, r.Stdout)
		}
		if want := "write to inputs: open /dir/in.txt: Read-only file system\n"; string(r.Stderr) != want {
			t.Errorf("%s: stderr %q", name, r.Stderr)
		}
		var paths []string
		for _, f := range r.Files {
			paths = append(paths, f.Path)
		}
		if got := strings.Join(paths, " "); got != "a a/b a/b/c copy.txt" || string(file(t, r, "copy.txt")) != "some bytes" {
			t.Errorf("%s: output files %s", name, got)
		}
		if r.Job != k.Hash() || r.Engine != e.Name() || !strings.HasPrefix(r.Engine, "wazero "+wazeroVersion+" ") {
			t.Errorf("%s: job %v by %q", name, r.Job, r.Engine)
		}
		if first.End == "" {
			first = r
		}
		same(t, r, first)
	}
}

const filesSay = `argc 2 prog /home
relative bytes of in
absolute bytes of in
nested deep
missing No such file or directory
out of the tree Capabilities insufficient
list .: . .. a in.txt out
list a: . .. b
write an input -1 Read-only file system
make beside out -1 Read-only file system
x hello 42
more
mkdir 0 ok
mkdir again -1 File exists
rename 0 ok
rmdir full -1 Directory not empty
unlink folder -1 Is a directory
seek 70000 ok
write 3 ok
tell 70003 ok
pread 4 ok
gap 0 0 en
truncate 0 ok
size 5
mtime 1700000000
list out: . .. d gap
list out/d: . .. y.txt
slept 5
tty 0
link -1 Not supported
symlink -1 Not supported
`

// TestFilesC runs the same world through wasi-libc.
func TestFilesC(t *testing.T) {
	k := newTask(wasmFile(t, "files.wasm"), "x").input("a/b/c.txt", []byte("deep")).input("in.txt", []byte("bytes of in"))
	k.stdin([]byte("one\ntwo\n"))
	k.Env = []string{"HOME=/home"}
	var first Result
	for name, e := range engines(t) {
		var stdout, stderr bytes.Buffer
		r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Stdout: &stdout, Stderr: &stderr})
		if err != nil {
			t.Fatal(err)
		}
		if r.Code != 3 || string(r.Stdout) != filesSay || string(r.Stderr) != "line: one\nline: two\n" {
			t.Errorf("%s: got %s %d\n%s%s", name, r.End, r.Code, r.Stdout, r.Stderr)
		}
		if !bytes.Equal(stdout.Bytes(), r.Stdout) || !bytes.Equal(stderr.Bytes(), r.Stderr) {
			t.Errorf("%s: live output differs", name)
		}
		if got := string(file(t, r, "gap")); got != "\x00\x00\x00\x00\x00" {
			t.Errorf("%s: gap %q", name, got)
		}
		if first.End == "" {
			first = r
		}
		same(t, r, first)
	}
}

// TestVersion holds the engine's name to go.mod: test binaries do not know the
// versions of what they are built from.
func TestVersion(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/tetratelabs/wazero v"+wazeroVersion+"\n") {
		t.Errorf("go.mod has another version of wazero than %s", wazeroVersion)
	}
}
