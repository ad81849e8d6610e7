package journal

import (
	"cmp"
	"iter"
	"slices"

	"github.com/peersea/sea/ledger"
)

// MaxGroups bounds the groups of a Summary: what comes after so many is summed
// under Rest. Peers choose the days that their promises are dated.
const MaxGroups = 100_000

// Rest is the key of the group of all postings that found no room.
const Rest = "(all others)"

// Group is the sum of the postings with one key.
type Group struct {
	Key      string        `json:"key"`
	Payments uint64        `json:"payments"`
	Amount   ledger.Amount `json:"amount_micro"`
}

func (g *Group) add(a ledger.Amount) {
	g.Payments++
	g.Amount += a // each line's sum is below 2^62, and there are few lines of that size
}

// Summary is what postings come to: all of them, and by group.
type Summary struct {
	Payments uint64        `json:"payments"`
	Amount   ledger.Amount `json:"amount_micro"`
	Groups   []Group       `json:"groups"`
}

// Earned sums what peers promised us, Spent what we promised them; key names
// the group of a posting. It reads once and keeps nothing but the groups, which
// come sorted by key. It stops at the first error and returns it.
func Earned(postings iter.Seq2[ledger.Posting, error], key func(ledger.Posting) string) (Summary, error) {
	return sum(postings, false, key)
}

// Spent is the other side of Earned.
func Spent(postings iter.Seq2[ledger.Posting, error], key func(ledger.Posting) string) (Summary, error) {
	return sum(postings, true, key)
}

func sum(postings iter.Seq2[ledger.Posting, error], ours bool, key func(ledger.Posting) string) (Summary, error) {
	var all Group
	groups := map[string]*Group{} // MaxGroups and Rest
	for p, err := range postings {
		if err != nil {
			return Summary{}, err
		}
		amount := p.Amount
		if ours {
			amount = -amount
		}
		if p.Ours != ours || amount == 0 {
			continue
		}
		all.add(amount)
		name := key(p)
		if groups[name] == nil && len(groups) >= MaxGroups {
			name = Rest
		}
		if groups[name] == nil {
			groups[name] = &Group{Key: name}
		}
		groups[name].add(amount)
	}
	out := Summary{Payments: all.Payments, Amount: all.Amount, Groups: make([]Group, 0, len(groups))}
	for _, g := range groups {
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b Group) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}
