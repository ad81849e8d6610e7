// Command sort sorts numbers and words, through interfaces and generics.
package main

import (
	"fmt"
	"slices"
	"sort"
)

func main() {
	seed := uint32(1)
	next := func() uint32 { seed = seed*1664525 + 1013904223; return seed }
	numbers := make([]int, 40_000)
	words := make([]string, 10_000)
	for i := range numbers {
		numbers[i] = int(next())
	}
	for i := range words {
		words[i] = fmt.Sprintf("word%d", next()>>12)
	}
	slices.Sort(numbers)
	sort.Strings(words)
	sort.Slice(numbers, func(i, j int) bool { return numbers[i]&0xffff < numbers[j]&0xffff })
	fmt.Println(numbers[100], words[100])
}
