package bundle

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// rewriter is the program that who runs guests in a tab loads.
const rewriter = "github.com/peersea/sea/compute/internal/webmeter"

// Meter compiles the rewriter to WebAssembly at path, with the Go toolchain. The
// same toolchain and sources give the same bytes.
func Meter(path string) error {
	_, err := forWeb("build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, rewriter)
	return err
}

// forWeb runs the go command for WebAssembly.
func forWeb(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s %s: %w\n%s", args[0], rewriter, err, said.Bytes())
	}
	return out, nil
}

// The rewriter as it is committed, and beside it the sum of the sources and the
// version of Go that it was made of, a line each.
const (
	packedMeter = "meter.wasm.gz"
	madeOf      = "meter.sum"
)

// KeepMeter compiles the rewriter into folder unless the one there was made of the
// same sources: another version of Go makes other bytes that do the same.
func KeepMeter(folder string) error {
	sum, err := meterSources()
	if err != nil {
		return err
	}
	if was, _, err := readMadeOf(folder); err == nil && was == sum {
		return nil
	}
	module, err := meterModule()
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(module); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, packedMeter), packed.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, madeOf), []byte(sum+"\n"+runtime.Version()+"\n"), 0o644)
}

// ErrStale is returned when the rewriter that is kept is not what its sources give.
var ErrStale = errors.New("the meter is not what its sources give")

// CheckMeter returns ErrStale when the rewriter in folder was made of other
// sources, or when this version of Go made it and makes other bytes.
func CheckMeter(folder string) error {
	sum, err := meterSources()
	if err != nil {
		return err
	}
	was, version, err := readMadeOf(folder)
	if err != nil {
		return err
	}
	if was != sum {
		return ErrStale
	}
	if version != runtime.Version() {
		return nil
	}
	want, err := meterModule()
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(folder, packedMeter))
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return ErrStale
	}
	return nil
}

func readMadeOf(folder string) (sum, version string, err error) {
	b, err := os.ReadFile(filepath.Join(folder, madeOf))
	if err != nil {
		return "", "", err
	}
	sum, version, _ = strings.Cut(strings.TrimSpace(string(b)), "\n")
	return sum, version, nil
}

func meterModule() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sea-meter-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "meter.wasm")
	if err := Meter(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// meterSources is the sum of all files that the rewriter is compiled from, but for
// Go's own.
func meterSources() (string, error) {
	out, err := forWeb("list", "-deps", "-json=Dir,ImportPath,Standard,GoFiles,EmbedFiles", rewriter)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for all := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, ImportPath     string
			Standard            bool
			GoFiles, EmbedFiles []string
		}
		if err := all.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if p.Standard {
			continue
		}
		for _, name := range append(p.GoFiles, p.EmbedFiles...) {
			b, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%s/%s %d\n%s", p.ImportPath, name, len(b), b)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
