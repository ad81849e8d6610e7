// Command sortlines is a guest of the compute tests: it sorts the lines of the
// file in.txt into out/sorted.txt.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
)

func main() {
	data, err := os.ReadFile("/in.txt")
	check(err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	f, err := os.Create("/out/sorted.txt")
	check(err)
	w := bufio.NewWriterSize(f, 1<<16)
	for _, l := range lines {
		_, err := w.Write(l)
		check(err)
	}
	check(w.Flush())
	check(f.Close())
	fmt.Println(len(lines), "lines")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
