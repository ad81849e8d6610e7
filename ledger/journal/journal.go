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
	case HLedger, Ledger:
		out = &plain{w: buf, self: self, known: known{}}
	case Beancount:
		out = &beancount{w: buf, self: self, known: known{}}
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

const commodity = "CREDIT"

// account names the account of a kind with a peer: its first 16 digits, after a
// letter because beancount wants a capital.
func account(kind string, peer identity.Entity) string {
	return kind + ":Credit:P" + peer.String()[:16]
}

// known are the peers whose accounts are declared: as many as there are lines.
type known map[identity.Entity]bool

// declare writes a line for each account of peer when it is met first.
func (k known) declare(w io.Writer, format string, peer identity.Entity) error {
	if k[peer] {
		return nil
	}
	k[peer] = true
	for _, kind := range []string{"Assets", "Income", "Expenses"} {
		if _, err := fmt.Fprintf(w, format, account(kind, peer)); err != nil {
			return err
		}
	}
	return nil
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

// plain is the format that hledger and ledger share.
type plain struct {
	w     io.Writer
	self  identity.Entity
	known known
}

func (f *plain) begin() error {
	_, err := fmt.Fprintf(f.w, "; credit of %s\n\ncommodity %s\n    format 1000.000000 %s\ntag ref\ntag hash\n", f.self, commodity, commodity)
	return err
}

func (f *plain) posting(p ledger.Posting) error {
	if err := f.known.declare(f.w, "account %s\n", p.Peer); err != nil {
		return err
	}
	_, err := fmt.Fprintf(f.w, `
%s * %s
    ; ref: %s
    ; hash: %s
    %s  %s %s
    %s  %s %s
`, date(p), title(p), p.Ref, p.Hash,
		account("Assets", p.Peer), p.Amount, commodity, other(p), -p.Amount, commodity)
	return err
}

func (f *plain) end() error { return nil }

type beancount struct {
	w     io.Writer
	self  identity.Entity
	known known
}

func (f *beancount) begin() error {
	_, err := fmt.Fprintf(f.w, "; credit of %s\n\noption \"operating_currency\" \"%s\"\n1970-01-01 commodity %s\n", f.self, commodity, commodity)
	return err
}

func (f *beancount) posting(p ledger.Posting) error {
	if err := f.known.declare(f.w, "1970-01-01 open %s "+commodity+"\n", p.Peer); err != nil {
		return err
	}
	_, err := fmt.Fprintf(f.w, `
%s * "%s"
  ref: "%s"
  hash: "%s"
  %s  %s %s
  %s  %s %s
`, date(p), title(p), p.Ref, p.Hash,
		account("Assets", p.Peer), p.Amount, commodity, other(p), -p.Amount, commodity)
	return err
}

func (f *beancount) end() error { return nil }

// table is CSV, one row a posting.
type table struct{ w *csv.Writer }

func (f *table) begin() error {
	return f.w.Write([]string{"number", "time", "peer", "writer", "kind", "amount", "balance", "seq", "cum", "ref", "hash"})
}

func (f *table) posting(p ledger.Posting) error {
	writer := "peer"
	if p.Ours {
		writer = "self"
	}
	return f.w.Write([]string{
		strconv.FormatUint(p.Number, 10), p.Time.UTC().Format(time.RFC3339), p.Peer.String(), writer, p.Kind,
		p.Amount.String(), p.Balance.String(), strconv.FormatUint(p.Seq, 10), p.Cum.String(), p.Ref.String(), p.Hash.String(),
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
