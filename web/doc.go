// Package web is where the browser's half of Sea is made: the npm package
// peersea, in TypeScript under src, file for file after the Go packages whose
// formats it speaks, and held to their golden vectors by the tests under test.
//
// `go generate ./web` bundles it to dist.
package web

//go:generate go run generate.go
