package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"golang.org/x/term"
)

// cli is one run of the command line: where it reads and writes, and what every
// command was told.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	json bool   // print objects, for scripts
	dir  string // --dir as given
	exit int    // the exit code of a command that succeeded, a guest's own
}

// printJSON prints v on one line.
func (c *cli) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", b)
	return err
}

// table prints rows of tab-separated cells under a heading, aligned.
func (c *cli) table(heading string, rows []string) error {
	w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, heading)
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}

// isTerminal says whether a stream is a person's.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is how many columns a terminal has: 80 when it does not say.
func terminalWidth(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// clean makes text from elsewhere harmless to a terminal and to a log: control
// characters, line breaks and direction marks become visible escapes, and at
// most 256 bytes are kept.
func clean(s string) string {
	const most = 256
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= most {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// terminalFilter passes a guest's output to a terminal without the control
// characters that could take the terminal over; line ends and tabs stay.
type terminalFilter struct{ w io.Writer }

func (f terminalFilter) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for _, b := range p {
		switch {
		case b == '\n', b == '\t', b >= 0x20 && b != 0x7f:
			out = append(out, b)
		default:
			out = fmt.Appendf(out, `\x%02x`, b)
		}
	}
	if _, err := f.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// credits writes micro-credits as people say them, "45.8 cr".
func credits(micro int64) string {
	s := strconv.FormatFloat(float64(micro)/1e6, 'f', -1, 64)
	return s + " cr"
}

// commas writes a number with thousands apart.
func commas(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
