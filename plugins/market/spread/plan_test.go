package spread

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peersea/sea/ledger"
)

// TestPlan holds the plan against what it promises, whatever the tries come to.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(0, 30).Draw(t, "items")
		most := rapid.IntRange(1, 8).Draw(t, "most")
		cap := ledger.Amount(rapid.Int64Range(1, 2000).Draw(t, "cap"))
		p := New(total, most, cap)
		now := time.Unix(0, 0)
		type running struct {
			id, item int
			cap      ledger.Amount
		}
		var tries []running
		var spent ledger.Amount
		settled, doubled := map[int]bool{}, map[int]bool{}

		// What a process that ended left: items that were done, and tries that run.
		for item := range total {
			held := ledger.Amount(0)
			for _, r := range tries {
				held += r.cap
			}
			switch rapid.IntRange(0, 9).Draw(t, "before") {
			case 0:
				cost := min(ledger.Amount(rapid.Int64Range(0, 20).Draw(t, "paid")), cap-spent-held)
				spent += cost
				settled[item] = true
				p.Restore(item, cost, true)
			case 1:
				if c := min(ledger.Amount(rapid.Int64Range(1, 20).Draw(t, "held")), cap-spent-held); c > 0 && len(tries) < most {
					tries = append(tries, running{p.Resume(item, c, now), item, c})
				}
			}
		}
		for steps := 0; !p.Idle(); steps++ {
			if steps > 20_000 {
				t.Fatalf("it does not end: %+v", p)
			}
			s, ok := p.Next(now)
			if ok {
				same := 0
				held := s.Cap
				for _, r := range tries {
					held += r.cap
					if r.item == s.Item {
						same++
					}
				}
				switch {
				case s.Cap <= 0 || spent+held > cap:
					t.Fatalf("a try may cost %d, %d are spent and %d held of %d", s.Cap, spent, held-s.Cap, cap)
				case settled[s.Item]:
					t.Fatalf("item %d is bought again", s.Item)
				case s.Again && same != 1, !s.Again && same != 0:
					t.Fatalf("item %d has %d other tries, again is %v", s.Item, same, s.Again)
				case len(tries) >= most:
					t.Fatalf("%d tries at once", len(tries)+1)
				}
				if s.Again && doubled[s.Item] {
					t.Fatalf("item %d is begun a third time", s.Item)
				}
				doubled[s.Item] = s.Again
				tries = append(tries, running{s.Try, s.Item, s.Cap})
				continue
			}
			if len(tries) == 0 && p.Idle() {
				break // for want of credit
			}
			if len(tries) == 0 {
				t.Fatalf("nothing runs, and nothing is to be done: %+v", p)
			}
			if at, ok := p.Look(now); ok && rapid.Bool().Draw(t, "wait") && at.After(now) {
				now = at
				continue
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "passes")))
			i := rapid.IntRange(0, len(tries)-1).Draw(t, "which")
			r := tries[i]
			tries = slices.Delete(tries, i, i+1)
			cost := ledger.Amount(rapid.Int64Range(0, int64(r.cap)).Draw(t, "cost"))
			end := End(rapid.SampledFrom([]int{int(Done), int(Done), int(Done), int(Failed), int(Short), int(Refused), int(Stopped)}).Draw(t, "end"))
			if end == Refused && rapid.IntRange(0, 3).Draw(t, "refuse") > 0 {
				end = Done
			}
			spent += cost
			settles, others := p.Ended(r.id, cost, end, now)
			if settles && settled[r.item] {
				t.Fatalf("item %d ends twice", r.item)
			}
			if settles {
				settled[r.item] = true
			}
			for _, o := range others {
				if !slices.ContainsFunc(tries, func(x running) bool { return x.id == o && x.item == r.item }) {
					t.Fatalf("try %d runs on for item %d, the plan says", o, r.item)
				}
			}
		}
		if p.Spent() != spent || spent > cap {
			t.Fatalf("%d is spent of %d, the plan says %d", spent, cap, p.Spent())
		}
		if p.Left() != total-len(settled) {
			t.Fatalf("%d of %d have ended, the plan says that %d are left", len(settled), total, p.Left())
		}
	})
}

// An item that comes to its cap gets eight times as much, and the cap of all in
// the end.
func TestPlanShort(t *testing.T) {
	p := New(4, 4, 1000)
	var caps []ledger.Amount
	now := time.Unix(0, 0)
	first, _ := p.Next(now)
	for range 3 { // the second is done before the third is begun
		s, ok := p.Next(now)
		if !ok {
			t.Fatal("four fit at once")
		}
		p.Ended(s.Try, 2, Done, now)
	}
	caps = append(caps, first.Cap)
	p.Ended(first.Try, 250, Short, now)
	for {
		s, ok := p.Next(now)
		if !ok {
			break
		}
		caps = append(caps, s.Cap)
		p.Ended(s.Try, s.Cap, Short, now)
	}
	if !slices.Equal(caps, []ledger.Amount{250, 744}) || !p.Exceeded() || !p.Idle() || p.Left() != 1 {
		t.Errorf("its caps were %v, exceeded %v, %d left", caps, p.Exceeded(), p.Left())
	}
}

// What an item costs tells what the next may cost.
func TestPlanShare(t *testing.T) {
	p := New(10, 2, 1000)
	now := time.Unix(0, 0)
	a, _ := p.Next(now)
	p.Ended(a.Try, 5, Done, now)
	if b, _ := p.Next(now); a.Cap != 500 || b.Cap != 40 {
		t.Errorf("the first may cost %d and the next %d", a.Cap, b.Cap)
	}
}

// The item that takes longest is bought again once nothing else is to be done.
func TestPlanStraggler(t *testing.T) {
	p := New(5, 4, 1000)
	now := time.Unix(0, 0)
	slow, _ := p.Next(now)
	for range 4 {
		s, _ := p.Next(now)
		now = now.Add(time.Second)
		p.Ended(s.Try, 1, Done, now)
	}
	if s, ok := p.Next(now.Add(-2 * time.Second)); ok {
		t.Fatalf("it is too early for %+v", s)
	}
	at, ok := p.Look(now.Add(-2 * time.Second))
	if !ok || at.Sub(time.Unix(0, 0)) != slowest*time.Second {
		t.Fatalf("look again at %v, %v", at, ok)
	}
	s, ok := p.Next(at)
	if !ok || !s.Again || s.Item != slow.Item {
		t.Fatalf("%+v is begun, %v", s, ok)
	}
	if _, ok := p.Next(at.Add(time.Hour)); ok {
		t.Error("a third try")
	}
	settles, others := p.Ended(s.Try, 1, Done, at)
	if !settles || !slices.Equal(others, []int{slow.Try}) || p.Idle() {
		t.Errorf("settles %v, runs on %v", settles, others)
	}
	if settles, _ := p.Ended(slow.Try, 1, Stopped, at); settles || !p.Idle() || p.Spent() != 6 {
		t.Errorf("settles %v, spent %d", settles, p.Spent())
	}
}

// Two items run until it is known what one costs, and for two seconds at most.
func TestPlanLearns(t *testing.T) {
	p := New(20, 4, 1200)
	now := time.Unix(0, 0)
	for i, want := range []ledger.Amount{300, 300} {
		if s, ok := p.Next(now); !ok || s.Cap != want {
			t.Fatalf("item %d may cost %d, %v", i, s.Cap, ok)
		}
	}
	at, ok := p.Look(now)
	if _, more := p.Next(now); more || !ok || at.Sub(now) != learning {
		t.Fatalf("a third one: %v; look again after %v, %v", more, at.Sub(now), ok)
	}
	p = New(20, 4, 1200)
	a, _ := p.Next(now)
	p.Next(now)
	p.Ended(a.Try, 10, Done, now)
	for range 3 {
		if s, ok := p.Next(now); !ok || s.Cap != 80 {
			t.Fatalf("the next may cost %d, %v", s.Cap, ok)
		}
	}
	p = New(20, 4, 1200)
	p.Next(now)
	p.Next(now)
	for i, want := range []ledger.Amount{300, 300} { // the half that was left is theirs
		if s, ok := p.Next(now.Add(learning)); !ok || s.Cap != want {
			t.Errorf("after two seconds try %d may cost %d, %v", i, s.Cap, ok)
		}
	}
	if at, ok := p.Look(now.Add(learning)); ok {
		t.Errorf("look again at %v", at)
	}
}
