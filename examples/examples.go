// Package examples holds small programs to sell and to buy: their sources and
// the WebAssembly built from them, which the demo embeds.
//
// Each folder has one C file; CONTRIBUTING.md says how to build them again.
// Wordcount and thumbnail are reactors in Go, which builds without a C compiler:
// no WebAssembly of them is kept. Kv and thumbnail are guest plugins.
package examples

import _ "embed"

// Primes counts the primes up to its one argument.
//
//go:embed primes/primes.wasm
var Primes []byte

// WordFreq prints the most frequent words of its standard input.
//
//go:embed wordfreq/wordfreq.wasm
var WordFreq []byte

// Mandelbrot draws out/mandelbrot.png; its arguments are width and height.
//
//go:embed mandelbrot/mandelbrot.wasm
var Mandelbrot []byte

// Loomings is the opening of Herman Melville's "Moby-Dick" (1851), text for
// WordFreq to read.
//
//go:embed wordfreq/loomings.txt
var Loomings []byte
