package web_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestBoundsTable: docs/PROTOCOL.md says what the constants of the sources say.
func TestBoundsTable(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\| `web/(src/[a-z0-9/]+\\.ts)` `([A-Za-z]+)` \\|")
	rows := row.FindAllStringSubmatch(string(read(t, "../docs/PROTOCOL.md")), -1)
	if len(rows) < 10 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		constant := regexp.MustCompile(`(?m)^(?:export )?const ` + r[4] + ` = ([0-9_n]+)(?: << ([0-9]+))?;`)
		found := constant.FindStringSubmatch(string(read(t, r[3])))
		if found == nil {
			t.Errorf("%s: no %s in %s", r[1], r[4], r[3])
			continue
		}
		got := number(t, found[1]) << number(t, "0"+found[2])
		digits, unit, _ := strings.Cut(r[2], " ")
		want := number(t, digits) << map[string]int{"": 0, "KiB": 10, "MiB": 20}[unit]
		if got != want {
			t.Errorf("%s: the table says %s, %s is %d", r[1], r[2], r[4], got)
		}
	}
}

// number reads digits, with what groups them and with a bigint's mark.
func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.NewReplacer("_", "", ",", "", "n", "").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
