//go:build ignore

// Writes dist/peersea.js.
package main

import (
	"log"
	"os"

	"github.com/peersea/sea/web/internal/bundle"
)

func main() {
	core, err := bundle.File("src/index.ts", bundle.Small)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll("dist", 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("dist/peersea.js", core, 0o644); err != nil {
		log.Fatal(err)
	}
}
