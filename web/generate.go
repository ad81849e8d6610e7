//go:build ignore

// Writes dist: the package, and what only sellers load, worker.js and meter.wasm.
// With two arguments it bundles the first, a TypeScript file, as the second.
package main

import (
	"log"
	"os"

	"github.com/peersea/sea/web/internal/bundle"
)

func main() {
	if len(os.Args) == 3 {
		write(os.Args[1], os.Args[2], !bundle.Small)
		return
	}
	if err := os.MkdirAll("dist", 0o755); err != nil {
		log.Fatal(err)
	}
	made, err := bundle.Package("src")
	if err != nil {
		log.Fatal(err)
	}
	for name, module := range made {
		keep("dist/"+name, module)
	}
	write("src/compute/worker.ts", "dist/worker.js", bundle.Small)
	if err := bundle.Meter("dist/meter.wasm"); err != nil {
		log.Fatal(err)
	}
}

func write(from, to string, small bool) {
	made, err := bundle.File(from, small)
	if err != nil {
		log.Fatal(err)
	}
	keep(to, made)
}

func keep(to string, made []byte) {
	if err := os.WriteFile(to, made, 0o644); err != nil {
		log.Fatal(err)
	}
}
