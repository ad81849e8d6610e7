//go:build ignore

// Writes the scripts of the pages, which are committed, and, when its sources are
// not those that it was made of, the meter.
package main

import (
	"log"
	"os"

	"github.com/peersea/sea/web/internal/bundle"
)

func main() {
	scripts, err := bundle.Pages()
	if err != nil {
		log.Fatal(err)
	}
	for name, script := range scripts {
		if err := os.WriteFile(name, script, 0o644); err != nil {
			log.Fatal(err)
		}
	}
	if err := bundle.KeepMeter("join"); err != nil {
		log.Fatal(err)
	}
}
