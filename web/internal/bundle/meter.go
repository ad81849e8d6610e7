package bundle

import (
	"fmt"
	"os"
	"os/exec"
)

// Meter compiles the rewriter that sellers load, compute/internal/webmeter, to
// WebAssembly at path, with the Go toolchain. The same toolchain and sources give
// the same bytes.
func Meter(path string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/peersea/sea/compute/internal/webmeter")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the rewriter: %w\n%s", err, said)
	}
	return nil
}
