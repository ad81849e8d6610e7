// Command sha256 compresses and hashes.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

func main() {
	text := strings.Repeat("the sea is wide and the sky is high, and so on for a while; ", 2000)
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.DefaultCompression)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	again, _ := io.ReadAll(flate.NewReader(&packed))
	sum := sha256.Sum256(again)
	for range 2000 {
		sum = sha256.Sum256(sum[:])
	}
	fmt.Printf("%d %x\n", len(again), sum)
}
