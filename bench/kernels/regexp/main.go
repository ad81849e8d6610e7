// Command regexp looks for patterns in a text.
package main

import (
	"fmt"
	"regexp"
	"strings"
)

func main() {
	text := strings.Repeat("The sea, seen from 52.379 north by ann@example.org, was 12 degrees. ", 120)
	found := 0
	for _, pattern := range []string{`[a-z]+@[a-z]+\.org`, `\d+(\.\d+)?`, `(?i)the\s+(sea|sky)`, `s[a-z]*n\b`} {
		found += len(regexp.MustCompile(pattern).FindAllStringIndex(text, -1))
	}
	fmt.Println(found)
}
