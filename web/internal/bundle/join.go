package bundle

import (
	"os"
	"path/filepath"
)

// Join writes the join page to a folder, with all that it loads: its script, what
// runs guests in a tab, and the example that it buys. web is this module's folder
// of that name.
func Join(web, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, source := range []string{
		"pages/join/index.html", "pages/join/join.css", "pages/dashboard/dashboard.css", "pages/dashboard/icon.svg", "../examples/primes/primes.wasm",
	} {
		b, err := os.ReadFile(filepath.Join(web, source))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(source)), b, 0o644); err != nil {
			return err
		}
	}
	for made, source := range map[string]string{"join.js": "pages/src/join.ts", "worker.js": "src/compute/worker.ts"} {
		b, err := File(filepath.Join(web, source), Small)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, made), b, 0o644); err != nil {
			return err
		}
	}
	return Meter(filepath.Join(folder, "meter.wasm"))
}
