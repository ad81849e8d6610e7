package queue

import (
	"math"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
)

func named(name string) (e identity.Entity) {
	copy(e[:], name)
	return e
}

// turn reads one: "!x" is a first, "sx" a stranger.
func turn(name string) *Turn {
	bare := strings.TrimPrefix(name, "!")
	t := &Turn{Party: named(bare), Buyer: named(bare), First: bare != name}
	if strings.HasPrefix(name, "s") {
		t.Party = identity.Entity{}
	}
	return t
}

// TestOrder serves one slot and shows who has it after whom.
func TestOrder(t *testing.T) {
	for _, test := range []struct{ name, waiting, served string }{
		{"one buyer", "a a a", "a a a"},
		{"a crowd of one buyer's", "a a a a b b", "a b a b a a"},
		{"three", "a a a b b c", "a b c a b a"},
		{"own machines", "a a !o b !o", "!o !o a b a"},
		{"strangers are one party", "s1 s2 s3 s4 a a a", "s1 a s2 a s3 a s4"},
		{"and share what it has", "s1 s1 s1 s2 a", "s1 a s2 s1 s1"},
	} {
		var q Queue
		names := map[*Turn]string{}
		for name := range strings.FieldsSeq(test.waiting) {
			one := turn(name)
			names[one] = name
			q.Add(one)
		}
		var got []string
		for n := q.Next(math.MaxUint64); n != nil; n = q.Next(math.MaxUint64) {
			got = append(got, names[n])
			q.Done(n)
		}
		if s := strings.Join(got, " "); s != test.served {
			t.Errorf("%s: %s, want %s", test.name, s, test.served)
		}
		if len(q.shares) != 0 {
			t.Errorf("%s: %d shares are kept of an empty queue", test.name, len(q.shares))
		}
	}
}

// TestSlots: who has fewer slots goes first, whoever came before; one that went
// away has no turn.
func TestSlots(t *testing.T) {
	var q Queue
	a1, a2, a3, b := turn("a"), turn("a"), turn("a"), turn("b")
	q.Start(a1)
	q.Add(a2)
	q.Add(a3)
	q.Add(b)
	if q.Next(math.MaxUint64) != b {
		t.Error("a buyer with a slot had another before one without")
	}
	if !q.Remove(a2) || q.Remove(a2) || q.Remove(b) {
		t.Error("not those were taken out that waited")
	}
	if q.Next(math.MaxUint64) != a3 || q.Next(math.MaxUint64) != nil || q.Len() != 0 {
		t.Error("the last that waits has no turn")
	}
	for _, d := range []*Turn{a1, a3, b} {
		q.Done(d)
	}
	if len(q.shares) != 0 {
		t.Errorf("%d shares are kept of an empty queue", len(q.shares))
	}
}

// What is large waits for its room, and nothing overtakes it meanwhile.
func TestRoom(t *testing.T) {
	var q Queue
	large := &Turn{Buyer: identity.Entity{1}, Size: 10}
	small := &Turn{Buyer: identity.Entity{2}, Size: 1}
	q.Add(large)
	q.Add(small)
	if got := q.Next(9); got != nil || q.Len() != 2 {
		t.Fatalf("%+v has a slot", got)
	}
	if got := q.Next(10); got != large {
		t.Fatalf("%+v has a slot", got)
	}
	if got := q.Next(0); got != nil {
		t.Fatalf("%+v has a slot", got)
	}
	if got := q.Next(1); got != small {
		t.Fatalf("%+v has a slot", got)
	}
}
