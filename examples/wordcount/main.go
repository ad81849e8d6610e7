//go:build wasip1

// Wordcount is a reactor: a program without main, whose functions a job calls
// by name. Its count takes text and returns how many lines, words and bytes that
// is.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o wordcount.wasm ./examples/wordcount
//	seaworker run --call count wordcount.wasm < examples/wordfreq/loomings.txt
package main

import (
	"bytes"
	"strconv"
	"unsafe"
)

// kept holds what the host has an address of. The job ends with its one call,
// so nothing is freed.
var kept [][]byte

// malloc gives the host room for the input.
//
//go:wasmexport malloc
func malloc(size uint32) unsafe.Pointer {
	b := make([]byte, max(size, 1))
	kept = append(kept, b)
	return unsafe.Pointer(&b[0])
}

// count takes the input's address and size, and returns the output's: the
// address in the upper half, the size in the lower.
//
//go:wasmexport count
func count(at unsafe.Pointer, size uint32) uint64 {
	text := unsafe.Slice((*byte)(at), size)
	out := strconv.AppendInt(nil, int64(bytes.Count(text, []byte("\n"))), 10)
	out = strconv.AppendInt(append(out, ' '), int64(len(bytes.Fields(text))), 10)
	out = strconv.AppendInt(append(out, ' '), int64(len(text)), 10)
	out = append(out, '\n')
	kept = append(kept, out)
	return uint64(uintptr(unsafe.Pointer(&out[0])))<<32 | uint64(len(out))
}

func main() {}
