package identity

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age/armor"
)

func always(passphrase string) func() (string, error) {
	return func() (string, error) { return passphrase, nil }
}

func never(t *testing.T) func() (string, error) {
	return func() (string, error) {
		t.Error("asked for a passphrase")
		return "", nil
	}
}

func TestKeyFileForm(t *testing.T) {
	want := "sea key 1\n" +
		"entity 84b671c8dcdd56fef4b3dacfa4a1fe69167828f9d3a51e7e737966c1be42840c\n" +
		"secret 5c3e9f19c313794585cac7152cb2090ffa98cbb0a52a4e6741a8f6e08a7ea119\n"
	var out bytes.Buffer
	if err := testKey(0).Backup(&out, ""); err != nil || out.String() != want {
		t.Errorf("%s %v, want %s", out.String(), err, want)
	}
}

func TestSaveAndOpen(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := k.Save(path, ""); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v, want the key alone", entries, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	back, err := OpenKey(path, never(t))
	if err != nil {
		t.Fatal(err)
	}
	if back.Entity() != k.Entity() || !back.secret().Equal(k.secret()) {
		t.Error("another key came back")
	}
}

// TestSaveSealed saves under a passphrase with all the work of scrypt, which
// takes a while.
func TestSaveSealed(t *testing.T) {
	k := newKey(t)
	path := filepath.Join(t.TempDir(), "key")
	if err := k.Save(path, "correct horse battery staple"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || shows(k, text) {
		t.Errorf("it shows the secret: %s %v", text, err)
	}
	header := make([]byte, 60)
	if _, err := io.ReadFull(armor.NewReader(bytes.NewReader(text)), header); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^age-encryption.org/v1\n-> scrypt [^ ]+ 18\n`).Match(header) {
		t.Errorf("its header is %q, want scrypt with 2^18", header)
	}
}

// TestOpenSealed opens the sealed file in testdata, which was made with little
// work, and then changes each of its bytes.
func TestOpenSealed(t *testing.T) {
	text, err := os.ReadFile("testdata/sealed-key.txt")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKey(path, always("words"))
	if err != nil || k.Entity() != testKey(0).Entity() {
		t.Fatalf("%v %v", k, err)
	}
	no := errors.New("no terminal")
	for name, c := range map[string]struct {
		ask  func() (string, error)
		want error
	}{
		"nobody to ask": {nil, ErrPassphrase}, "wrong": {always("Words"), ErrPassphrase},
		"empty": {always(""), ErrPassphrase}, "asking fails": {func() (string, error) { return "", no }, no},
	} {
		if _, err := OpenKey(path, c.ask); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	flips(text, func(at int, b []byte) {
		if got, err := unseal(b, "words", 10); !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("byte %d: %q %v, want ErrKeyFile or ErrPassphrase", at, got, err)
		}
	})
}

func TestSaveNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	first := newKey(t)
	if err := first.Save(path, ""); err != nil {
		t.Fatal(err)
	}
	if err := newKey(t).Save(path, ""); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want fs.ErrExist", err)
	}
	if k, err := OpenKey(path, nil); err != nil || k.Entity() != first.Entity() {
		t.Errorf("%v %v, want the first key", k, err)
	}
	if runtime.GOOS != "windows" { // a name that points nowhere is a name, too
		dangling := filepath.Join(dir, "dangling")
		if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
			t.Fatal(err)
		}
		if err := first.Save(dangling, ""); !errors.Is(err, fs.ErrExist) {
			t.Errorf("dangling link: %v, want fs.ErrExist", err)
		}
	}
	if err := first.Save(filepath.Join(dir, "no", "key"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v, want fs.ErrNotExist", err)
	}
}

// TestSaveCleansUp fails at the last step, for a name that no folder takes.
func TestSaveCleansUp(t *testing.T) {
	dir := t.TempDir()
	if err := newKey(t).Save(filepath.Join(dir, strings.Repeat("k", 5000)), ""); err == nil {
		t.Error("a name of 5,000 characters is accepted")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v %v, want nothing left behind", entries, err)
	}
}

// TestSaveRace saves many keys under one name at once: one wins, whole.
func TestSaveRace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var wins atomic.Int32
	var winner atomic.Pointer[Key]
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k := newKey(t)
			switch err := k.Save(path, ""); {
			case err == nil:
				wins.Add(1)
				winner.Store(k)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k, err := OpenKey(path, nil)
	if err != nil || wins.Load() != 1 || k.Entity() != winner.Load().Entity() {
		t.Errorf("%d wins, %v %v", wins.Load(), k, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v, want the key alone", entries, err)
	}
}

// TestKeyFlips changes each byte of a plain key file.
func TestKeyFlips(t *testing.T) {
	text := testKey(0).format()
	flips([]byte(text), func(at int, b []byte) {
		if _, err := Restore(bytes.NewReader(b), nil); !errors.Is(err, ErrKeyFile) {
			t.Errorf("byte %d: %v, want ErrKeyFile", at, err)
		}
	})
	for n := range len(text) {
		if _, err := Restore(strings.NewReader(text[:n]), nil); !errors.Is(err, ErrKeyFile) {
			t.Errorf("the first %d bytes: %v, want ErrKeyFile", n, err)
		}
	}
}

func TestBadKeyFiles(t *testing.T) {
	good := testKey(0).format()
	heavy, err := seal(good, "words", 11)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unseal([]byte(heavy), "words", 10); !errors.Is(err, ErrKeyFile) {
		t.Errorf("too much scrypt: %v, want ErrKeyFile", err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"", "does not begin with"},
		"version 2":   {strings.Replace(good, "key 1", "key 2", 1), "version is not known here"},
		"a line more": {good + "\n", "three whole lines"},
		"CRLF":        {strings.ReplaceAll(good, "\n", "\r\n"), "version is not known here"},
		"long":        {good + strings.Repeat("x", 5000), "more than 4096 bytes"},
		"other half":  {good[:strings.Index(good, "secret")] + testKey(1).format()[len(good)-72:], "not that of its entity"},
		"upper case":  {strings.Replace(good, "secret 5c3e", "secret 5C3E", 1), "not a lower-case hex digit"},
	} {
		_, err := Restore(strings.NewReader(c.text), nil)
		if !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if shows(testKey(0), []byte(err.Error())) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	for n := range 3 {
		f.Add(testKey(n).format())
	}
	f.Add("sea key 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Restore(strings.NewReader(text), nil)
		if err != nil {
			if !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrPassphrase) {
				t.Fatalf("%v is neither ErrKeyFile nor ErrPassphrase", err)
			}
			return
		}
		if k.format() != text {
			t.Fatalf("%q is written again as %q", text, k.format())
		}
	})
}

func FuzzSealedKeyFile(f *testing.F) {
	for n := range 3 {
		text, err := seal(testKey(n).format(), "words", 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := unseal(b, "words", 4)
		if err != nil && !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrPassphrase) {
			t.Fatalf("%v is neither ErrKeyFile nor ErrPassphrase", err)
		}
	})
}
