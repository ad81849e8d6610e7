package trust

import (
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
)

// A Record is what a buyer knows of one seller's honesty. The zero Record is a
// stranger's.
type Record struct {
	// Straight is how many checks in a row matched since the last that did not.
	Straight uint64 `cbor:"straight" json:"straight"`
	// Jobs is how many of its jobs were accepted, checked or not.
	Jobs uint64 `cbor:"jobs" json:"jobs"`
	// Checked is how many were checked, Matches and Mismatches what came of it.
	Checked    uint64 `cbor:"checked" json:"checked"`
	Matches    uint64 `cbor:"matches" json:"matches"`
	Mismatches uint64 `cbor:"mismatches" json:"mismatches"`
	// Lies is how many mismatches this node's own run, or a quorum, laid on it.
	Lies uint64 `cbor:"lies" json:"lies"`
	// Last is when something changed, in milliseconds of Unix time.
	Last int64 `cbor:"last" json:"last_ms"`
}

// Excluded says whether the seller is asked no more: it has lied.
func (r Record) Excluded() bool { return r.Lies > 0 }

// Accepted takes in a job that was accepted without a check.
func (r Record) Accepted() Record {
	r.Jobs++
	return r
}

// Matched takes in a check that came to the same.
func (r Record) Matched() Record {
	r.Straight++
	r.Jobs++
	r.Checked++
	r.Matches++
	return r
}

// Differed takes in a check that came to something else. lied says that it was
// the seller's fault: that it is not known is no reason to exclude it, and
// reason enough to check it from the beginning.
func (r Record) Differed(lied bool) Record {
	r.Straight = 0
	r.Checked++
	r.Mismatches++
	if lied {
		r.Lies++
	}
	return r
}

// Forgiven is a record that begins again: nothing is forgotten but the lies.
func (r Record) Forgiven() Record {
	r.Straight, r.Lies = 0, 0
	return r
}

// Explain says in one sentence what the record means for the next job.
func (r Record) Explain(rule Rule) string {
	rule = rule.WithDefaults()
	switch n := rule.OneIn(r.Straight); {
	case r.Excluded():
		return "excluded: it signed a result or a meter that is wrong; it is asked for nothing until it is forgiven"
	case n == 1:
		return fmt.Sprintf("every job bought with --verify audit is checked, until %d in a row have matched", rule.Sure)
	default:
		return fmt.Sprintf("one job in %d bought with --verify audit is checked, drawn by lot; one that differs sets it back", n)
	}
}

// recordVersion is that of a record on disk.
const recordVersion = 1

type recordBody struct {
	V uint64 `cbor:"v"`
	Record
}

func (r Record) encode() ([]byte, error) { return cbor.Marshal(recordBody{recordVersion, r}) }

// decodeRecord reads what encode wrote and nothing else.
func decodeRecord(b []byte) (Record, error) {
	var body recordBody
	err := cbor.CheckVersion(b, recordVersion)
	if err == nil {
		err = cbor.Unmarshal(b, &body)
	}
	if err == nil {
		err = body.check()
	}
	if err != nil {
		return Record{}, fmt.Errorf("trust record: %w", err)
	}
	return body.Record, nil
}

func (r Record) check() error {
	switch {
	case r.Matches > r.Checked || r.Checked-r.Matches != r.Mismatches || r.Straight > r.Matches || r.Lies > r.Mismatches:
		return errors.New("its counts do not add up")
	case r.Last < 0:
		return errors.New("it is of a time before 1970")
	}
	return nil
}

// Seller is a record and whose it is.
type Seller struct {
	Seller identity.Entity `json:"seller"`
	Record
}

// now is the time for Last.
func now() int64 { return time.Now().UnixMilli() }
