package trust

import (
	"encoding/binary"
	"math"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

// What a Rule's zero fields stand for.
const (
	DefaultSure  = 10
	DefaultFloor = 10
)

// A Rule says how often a seller's jobs are checked: all of them until Sure
// matched in a row, then one in as many as have matched, and never fewer than
// one in Floor. It is BOINC's adaptive replication with a floor. Zero fields are
// the defaults.
type Rule struct {
	Sure  uint64 `json:"sure"`
	Floor uint64 `json:"floor"`
}

// WithDefaults fills in the zero fields.
func (r Rule) WithDefaults() Rule {
	if r.Sure == 0 {
		r.Sure = DefaultSure
	}
	if r.Floor == 0 {
		r.Floor = DefaultFloor
	}
	return r
}

// OneIn says how often the next job of a seller with so many straight matches
// is checked: 1 is always, 10 is one in ten.
func (r Rule) OneIn(straight uint64) uint64 {
	r = r.WithDefaults()
	if straight < r.Sure {
		return 1
	}
	return max(1, min(straight, r.Floor))
}

// Audits says whether a seller with that record may check others' jobs: who is
// still checked each time itself, or has lied, may not. So two new keys of one
// hand cannot vouch for each other.
func (r Rule) Audits(rec Record) bool {
	return !rec.Excluded() && rec.Straight >= r.WithDefaults().Sure
}

// drawPurpose begins what is drawn over, so that it is nothing else.
const drawPurpose = "sea/draw/1"

// alpha is what is drawn over for one receipt of one order.
func alpha(order, receipt identity.Hash) []byte {
	b := append([]byte(drawPurpose), 0)
	b = append(b, order[:]...)
	return append(b, receipt[:]...)
}

// drawer is a key that can draw. *identity.Key is one.
type drawer interface {
	Draw(alpha []byte) (identity.DrawProof, identity.Drawn)
}

var _ drawer = (*identity.Key)(nil)

// Draw draws by lot over the receipt of an order: once, for each key.
func Draw(key drawer, order, receipt identity.Hash) (identity.DrawProof, Lot) {
	proof, out := key.Draw(alpha(order, receipt))
	return proof, Lot{out}
}

// CheckDraw returns the lot that buyer drew. Errors are those of
// identity.DrawProof.Check.
func CheckDraw(proof identity.DrawProof, buyer identity.Entity, order, receipt identity.Hash) (Lot, error) {
	out, err := proof.Check(buyer, alpha(order, receipt))
	return Lot{out}, err
}

// A Lot is what was drawn for one receipt.
type Lot struct{ drawn identity.Drawn }

// Falls says whether the lot falls on a job of which one in n is checked: its
// first 8 bytes, a big-endian number, are below 2^64/n.
func (l Lot) Falls(n uint64) bool {
	return n <= 1 || binary.BigEndian.Uint64(l.drawn[:8]) < math.MaxUint64/n
}

// Address is where in the sea the auditor is looked for: the 28 bytes after
// those of Falls.
func (l Lot) Address() (a addr.Addr) {
	copy(a[:], l.drawn[8:])
	return a
}

// Same says whether two receipts claim the same of the same job. Who ran it, and
// on which engine, does not count.
func Same(a, b compute.Receipt) bool {
	a.Engine, b.Engine = "", ""
	return a == b
}

// Comparable says whether a receipt is a function of its job: one of a run that
// was stopped from outside is not.
func Comparable(r compute.Receipt) bool { return r.End != compute.Interrupted }

// DefaultTrust is what a quorum demands: more than half.
const DefaultTrust = 2

// Agreed says whether a group of so many that claim the same, of total that were
// asked, is enough: group·trust > total·(trust − 1), iExec's rule. Trust 2 is
// more than half, 3 more than two thirds. Trust below 1 and group above total
// are refused.
func Agreed(group, total, trust uint64) bool {
	const most = 1 << 31 // no product overflows
	if trust < 1 || group > total || total > most || trust > most {
		return false
	}
	return group*trust > total*(trust-1)
}

// A Candidate is a seller that could check another's job.
type Candidate struct {
	At addr.Addr `cbor:"at"`
	// Key signs its receipts; Entity is whom it acts for, the key itself when
	// for nobody.
	Key    identity.Entity `cbor:"key"`
	Entity identity.Entity `cbor:"entity"`
}

// Same says whether two candidates are of one hand: one key, one entity, or one
// the other's entity.
func (c Candidate) Same(o Candidate) bool {
	return c.Key == o.Key || c.Entity == o.Entity || c.Key == o.Entity || c.Entity == o.Key
}

// Auditor is the candidate nearest to the lot's address that is another entity
// than the seller's. ok is false when there is none.
func (l Lot) Auditor(all []Candidate, seller Candidate) (best Candidate, ok bool) {
	target := l.Address()
	for _, c := range all {
		if c.Same(seller) {
			continue
		}
		if !ok || addr.Closer(target, c.At, best.At) {
			best, ok = c, true
		}
	}
	return best, ok
}
