// Command maps counts words and numbers in maps.
package main

import (
	"fmt"
	"strconv"
)

func main() {
	words := map[string]int{}
	numbers := map[uint32]uint32{}
	seed := uint32(1)
	for range 60_000 {
		seed = seed*1664525 + 1013904223
		words["w"+strconv.Itoa(int(seed>>20))]++
		numbers[seed>>18] += seed & 3
	}
	most := 0
	for _, n := range words {
		most = max(most, n)
	}
	fmt.Println(len(words), len(numbers), most)
}
