//go:build ignore

// Writes dashboard/dashboard.js, which is committed, and the join page to
// ../dist/join.
package main

import (
	"log"
	"os"

	"github.com/peersea/sea/web/internal/bundle"
)

func main() {
	script, err := bundle.File("src/main.ts", bundle.Small)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("dashboard/dashboard.js", script, 0o644); err != nil {
		log.Fatal(err)
	}
	if err := bundle.Join("..", "../dist/join"); err != nil {
		log.Fatal(err)
	}
}
