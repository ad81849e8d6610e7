// Command json writes and reads a document several times.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

type item struct {
	Name  string            `json:"name"`
	Count int               `json:"count"`
	Tags  []string          `json:"tags"`
	Notes map[string]string `json:"notes"`
}

func main() {
	items := make([]item, 100)
	for i := range items {
		items[i] = item{fmt.Sprint("item ", i), i * i, []string{"sea", "land", "sky"}, map[string]string{"a": "b", "c": fmt.Sprint(i)}}
	}
	total := 0
	for range 5 {
		text, err := json.Marshal(items)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		items = nil
		if err := json.Unmarshal(text, &items); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		total += len(text)
	}
	fmt.Println(len(items), total)
}
