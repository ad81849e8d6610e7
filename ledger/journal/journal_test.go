package journal_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/journal"
	"github.com/peersea/sea/ledger/ledgertest"
)

// books makes a ledger with two peers and payments in both directions.
func books(t *testing.T) *ledger.Ledger {
	t.Helper()
	me := ledgertest.New(t, ledger.Config{})
	for _, amounts := range [][2]ledger.Amount{{1, 1_500_000}, {12_345_678_901, 3}} {
		peer := ledgertest.New(t, ledger.Config{})
		for range 3 {
			pay(t, me, peer.Entity(), amounts[0])
			pay(t, peer, me.Entity(), amounts[1])
		}
		ledgertest.Meet(t, peer, me)
	}
	return me
}

func pay(t *testing.T, from *ledger.Ledger, to identity.Entity, amount ledger.Amount) {
	t.Helper()
	if _, err := from.Pay(t.Context(), to, amount, ledger.NewRef()); err != nil {
		t.Fatal(err)
	}
}

// known fills in what ours were for, as the market does.
func known(all iter.Seq2[ledger.Posting, error]) iter.Seq2[ledger.Posting, error] {
	return func(yield func(ledger.Posting, error) bool) {
		for p, err := range all {
			if p.Ours {
				p.Job, p.Module = p.Ref.String()[:32], p.Hash
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

func export(t *testing.T, l *ledger.Ledger, f journal.Format) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := journal.Write(&b, f, l.Entity(), known(l.History(ledger.Filter{}))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// program runs a command over a journal, or skips the test where it is not
// installed. Under CI it has to be.
func program(t *testing.T, text []byte, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed: Debian's package hledger, ledger or beancount has it", name)
	}
	file := filepath.Join(t.TempDir(), "sea.journal")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		if a == "FILE" {
			args[i] = file
		}
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\nof\n%.2000s", name, strings.Join(args, " "), err, out, text)
	}
	return string(out)
}

// balances are what another program must find on each peer's account.
func balances(l *ledger.Ledger) map[string]string {
	all := map[string]string{}
	for _, line := range l.Lines() {
		all["Assets:Credit:P"+line.Peer.String()[:16]] = line.Balance.String()
	}
	return all
}

// TestHLedger, TestLedger and TestBeancount let the programs themselves read the
// books, and compare the balances that they find with ours.
func TestHLedger(t *testing.T) {
	l := books(t)
	text := export(t, l, journal.HLedger)
	program(t, text, "hledger", "-f", "FILE", "check", "--strict")
	out := program(t, text, "hledger", "-f", "FILE", "balance", "--flat", "--no-total", "-O", "csv", "Assets")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := balances(l)
	for _, r := range rows[1:] {
		sum := strings.TrimSuffix(r[1], " CREDIT")
		if w := want[r[0]]; trim(sum) != w {
			t.Errorf("%s: hledger says %s, we say %s", r[0], sum, w)
		}
		delete(want, r[0])
	}
	if len(want) > 0 {
		t.Errorf("hledger does not know of %v", want)
	}
}

func TestLedger(t *testing.T) {
	l := books(t)
	out := program(t, export(t, l, journal.Ledger), "ledger", "--pedantic", "-f", "FILE", "bal", "--flat", "--no-total",
		"--balance-format", "%(account) %(display_total)\n", "Assets")
	want := balances(l)
	for _, row := range strings.Split(strings.TrimSpace(out), "\n") {
		var name, sum string
		if _, err := fmt.Sscan(row, &name, &sum); err != nil {
			t.Fatalf("%q: %v", row, err)
		}
		if w := want[name]; trim(sum) != w {
			t.Errorf("%s: ledger says %s, we say %s", name, sum, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("ledger does not know of %v", want)
	}
}

func TestBeancount(t *testing.T) {
	l := books(t)
	text := export(t, l, journal.Beancount)
	// Beancount compares for us: its own balance directives, on a day after all.
	for name, sum := range balances(l) {
		text = fmt.Appendf(text, "9999-12-31 balance %s %s CREDIT\n", name, sum)
	}
	program(t, text, "bean-check", "FILE")
}

// trim takes the zeros off that other programs print.
func trim(sum string) string {
	sum = strings.ReplaceAll(sum, ",", "")
	if strings.Contains(sum, ".") {
		sum = strings.TrimRight(strings.TrimRight(sum, "0"), ".")
	}
	return sum
}

func TestTableAndLines(t *testing.T) {
	l := books(t)
	rows, err := csv.NewReader(bytes.NewReader(export(t, l, journal.CSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(export(t, l, journal.JSON)))
	for p, err := range known(l.History(ledger.Filter{})) {
		if err != nil {
			t.Fatal(err)
		}
		rows = rows[1:] // the heading first
		if rows[0][5] != p.Amount.String() || rows[0][6] != p.Balance.String() || rows[0][10] != p.Hash.String() {
			t.Errorf("row %v, want %+v", rows[0], p)
		}
		var q ledger.Posting
		if err := dec.Decode(&q); err != nil || q != p {
			t.Errorf("line %+v, %v; want %+v", q, err, p)
		}
	}
	if len(rows) != 1 || dec.More() {
		t.Errorf("%d rows are left, more lines: %v", len(rows)-1, dec.More())
	}
}

func TestWriteFails(t *testing.T) {
	bad := errors.New("bad record")
	var broken iter.Seq2[ledger.Posting, error] = func(yield func(ledger.Posting, error) bool) { yield(ledger.Posting{}, bad) }
	for _, f := range journal.Formats {
		if err := journal.Write(&bytes.Buffer{}, f, identity.Entity{}, broken); !errors.Is(err, bad) {
			t.Errorf("%s: %v, want the reader's error", f, err)
		}
	}
	if err := journal.Write(&bytes.Buffer{}, "qif", identity.Entity{}, broken); err == nil || errors.Is(err, bad) {
		t.Errorf("got %v, want no such format", err)
	}
}
