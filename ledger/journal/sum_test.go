package journal_test

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/journal"
)

// TestSum compares what was earned and spent with the lines.
func TestSum(t *testing.T) {
	l := books(t)
	byPeer := func(p ledger.Posting) string { return p.Peer.String() }
	earned, err := journal.Earned(l.History(ledger.Filter{}), byPeer)
	if err != nil {
		t.Fatal(err)
	}
	spent, err := journal.Spent(l.History(ledger.Filter{}), byPeer)
	if err != nil {
		t.Fatal(err)
	}
	if earned.Payments != 6 || spent.Payments != 6 || len(earned.Groups) != 2 || len(spent.Groups) != 2 {
		t.Errorf("earned %+v, spent %+v, want 6 payments and 2 peers each", earned, spent)
	}
	var in, out ledger.Amount
	for i, g := range earned.Groups {
		peer, err := identity.ParseEntity(g.Key)
		if err != nil {
			t.Fatal(err)
		}
		if line := l.Line(peer); line.Theirs.Cum != g.Amount || line.Mine.Cum != spent.Groups[i].Amount || spent.Groups[i].Key != g.Key {
			t.Errorf("earned %+v and spent %+v, the line is %+v", g, spent.Groups[i], line)
		}
		in, out = in+g.Amount, out+spent.Groups[i].Amount
	}
	if in != earned.Amount || out != spent.Amount {
		t.Errorf("the groups make %v and %v, want %v and %v", in, out, earned.Amount, spent.Amount)
	}
	bad := errors.New("bad record")
	var broken iter.Seq2[ledger.Posting, error] = func(yield func(ledger.Posting, error) bool) { yield(ledger.Posting{}, bad) }
	if _, err := journal.Earned(broken, byPeer); !errors.Is(err, bad) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// TestSumBound shows that no peer can make more groups than there may be, and
// that nothing is left out of the sum.
func TestSumBound(t *testing.T) {
	const many = journal.MaxGroups + 10
	n := 0
	all := func(yield func(ledger.Posting, error) bool) {
		for range many {
			if !yield(ledger.Posting{Amount: 1}, nil) {
				return
			}
		}
		yield(ledger.Posting{}, nil) // promises nothing
	}
	s, err := journal.Earned(all, func(ledger.Posting) string { n++; return fmt.Sprint(n) })
	if err != nil {
		t.Fatal(err)
	}
	if s.Payments != many || s.Amount != many || len(s.Groups) != journal.MaxGroups+1 {
		t.Fatalf("%d payments of %d in %d groups", s.Payments, s.Amount, len(s.Groups))
	}
	if rest := s.Groups[0]; rest.Key != journal.Rest || rest.Amount != many-journal.MaxGroups {
		t.Errorf("got %+v, want the others", rest)
	}
}
