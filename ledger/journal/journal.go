// Package journal writes what a ledger holds in the formats of plain-text
// accounting, for hledger, ledger and beancount, and as CSV and JSON.
//
// Each posting of the ledger becomes a transaction between two accounts: what a
// peer owes us or we owe it is Assets:Credit:PEER, and the other half is
// Income:Credit:PEER for what the peer promised and Expenses:Credit:PEER for
// what we did. The balance of the first is the ledger's balance with that peer.
// Amounts are in CREDIT with six decimals. Dates are the writers' own: a peer
// may date its promises as it likes, so they stand in the ledger's order.
package journal

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// Format names a format.
type Format string

// The formats.
const (
	HLedger   Format = "hledger"
	Ledger    Format = "ledger"
	Beancount Format = "beancount"
	CSV       Format = "csv"  // a heading, then a line for each posting
	JSON      Format = "json" // an object for each posting, one a line
)

// Formats lists them.
var Formats = []Format{HLedger, Ledger, Beancount, CSV, JSON}

// Write writes the postings of the ledger of self to w. It stops at the first
// error of either side and returns it; what is written by then is no whole
// journal.
func Write(w io.Writer, f Format, self identity.Entity, postings iter.Seq2[ledger.Posting, error]) error {
	buf := bufio.NewWriter(w)
	var out writer
	switch f {
	case HLedger, Ledger, Beancount:
		out = &text{dialect: dialects[f], w: buf, self: self, known: map[identity.Entity]bool{}}
	case CSV:
		out = &table{w: csv.NewWriter(buf)}
	case JSON:
		out = lines{json.NewEncoder(buf)}
	default:
		return fmt.Errorf("no format %q: they are %v", f, Formats)
	}
	if err := out.begin(); err != nil {
		return err
	}
	for p, err := range postings {
		if err != nil {
			return err
		}
		if err := out.posting(p); err != nil {
			return err
		}
	}
	if err := out.end(); err != nil {
		return err
	}
	return buf.Flush()
}

// writer is one format.
type writer interface {
	begin() error
	posting(ledger.Posting) error
	end() error
}

// account names the account of a kind with a peer: its first 16 digits, after a
// letter because beancount wants a capital.
func account(kind string, peer identity.Entity) string {
	return kind + ":Credit:P" + peer.String()[:16]
}

// other is the account on the other side of p.
func other(p ledger.Posting) string {
	if p.Ours {
		return account("Expenses", p.Peer)
	}
	return account("Income", p.Peer)
}

// date is p's day in UTC.
func date(p ledger.Posting) string { return p.Time.UTC().Format(time.DateOnly) }

// title says what p is, for people.
func title(p ledger.Posting) string {
	who := "they promise"
	if p.Ours {
		who = "we promise"
	}
	return fmt.Sprintf("%s %s, entry %d", p.Kind, who, p.Seq)
}

// dialect is what one program of plain-text accounting spells another way.
type dialect struct {
	head    string // after the first line
	account string // declares one
	quote   string // around titles and texts
	comment string // before what is said of a transaction
}

var dialects = map[Format]dialect{
	HLedger:   plain,
	Ledger:    plain,
	Beancount: {head: "option \"operating_currency\" \"CREDIT\"\n1970-01-01 commodity CREDIT\n", account: "1970-01-01 open %s CREDIT\n", quote: `"`},
}

// plain is what hledger and ledger share.
var plain = dialect{
	head:    "commodity CREDIT\n    format 1000.000000 CREDIT\ntag ref\ntag hash\ntag job\ntag module\n",
	account: "account %s\n", comment: "; ",
}

// text writes transactions in a dialect.
type text struct {
	dialect
	w     io.Writer
	self  identity.Entity
	known map[identity.Entity]bool // whose accounts are declared: as many as there are lines
}

func (f *text) begin() error {
	_, err := fmt.Fprintf(f.w, "; credit of %s\n\n%s", f.self, f.head)
	return err
}

func (f *text) posting(p ledger.Posting) error {
	if !f.known[p.Peer] {
		f.known[p.Peer] = true
		for _, kind := range []string{"Assets", "Income", "Expenses"} {
			fmt.Fprintf(f.w, f.account, account(kind, p.Peer)) // a bufio.Writer keeps its first error
		}
	}
	if p.Amount == 0 {
		return nil // nothing changes hands
	}
	fmt.Fprintf(f.w, "\n%s * %s%s%s\n", date(p), f.quote, title(p), f.quote)
	for _, note := range [][2]string{{"ref", p.Ref.String()}, {"hash", p.Hash.String()}, {"job", p.Job}, {"module", module(p)}} {
		if note[1] != "" {
			fmt.Fprintf(f.w, "    %s%s: %s%s%s\n", f.comment, note[0], f.quote, note[1], f.quote)
		}
	}
	_, err := fmt.Fprintf(f.w, "    %s  %s CREDIT\n    %s  %s CREDIT\n", account("Assets", p.Peer), p.Amount, other(p), -p.Amount)
	return err
}

func (f *text) end() error { return nil }

// module is the text of p's, "" when it is not known.
func module(p ledger.Posting) string {
	if p.Module == (identity.Hash{}) {
		return ""
	}
	return p.Module.String()
}

// table is CSV, one row a posting.
type table struct{ w *csv.Writer }

func (f *table) begin() error {
	return f.w.Write([]string{"number", "time", "peer", "writer", "kind", "amount", "balance", "seq", "cum", "ref", "hash", "job", "module"})
}

func (f *table) posting(p ledger.Posting) error {
	writer := "peer"
	if p.Ours {
		writer = "self"
	}
	return f.w.Write([]string{
		strconv.FormatUint(p.Number, 10), p.Time.UTC().Format(time.RFC3339), p.Peer.String(), writer, p.Kind,
		p.Amount.String(), p.Balance.String(), strconv.FormatUint(p.Seq, 10), p.Cum.String(), p.Ref.String(), p.Hash.String(),
		p.Job, module(p),
	})
}

func (f *table) end() error {
	f.w.Flush()
	return f.w.Error()
}

// lines is JSON, one object a line.
type lines struct{ enc *json.Encoder }

func (f lines) begin() error                   { return nil }
func (f lines) posting(p ledger.Posting) error { return f.enc.Encode(p) }
func (f lines) end() error                     { return nil }
