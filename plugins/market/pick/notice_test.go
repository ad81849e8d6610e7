package pick

import (
	"testing"

	"github.com/peersea/sea/node/addr"
)

// TestHint: a notice counts where nothing better is known, and only for its time.
func TestHint(t *testing.T) {
	h := newHand()
	d := NewDirectory[int](h.clock)
	at := addr.Addr{1}
	hint := func(offer int) {
		d.Hint(Known[int]{At: at, Offer: offer, Slots: 2, Sells: true, Expires: h.now.Add(HintAge)})
	}
	is := func(what string, offer int, hinted, known bool) {
		t.Helper()
		if k, ok := d.Get(at); ok != known || k.Offer != offer || k.Hint != hinted {
			t.Errorf("%s: %+v, %v", what, k, ok)
		}
	}
	hint(1)
	is("nothing was known", 1, true, true)
	d.Ordered(at, 1)
	hint(2)
	is("a newer one", 2, true, true)
	if k, _ := d.Get(at); k.Free() != 1 {
		t.Errorf("%d slots are free, want 1: the buyer's order runs there", k.Free())
	}
	d.Put(Known[int]{At: at, Offer: 3, Sells: true, Expires: h.now.Add(OfferAge)})
	hint(4)
	is("its own word", 3, false, true)
	h.now = h.now.Add(OfferAge + 1)
	hint(5)
	is("its own word is old", 5, true, true)
	d.Fail(at)
	hint(6)
	is("it did not answer", 0, false, true)
	h.now = h.now.Add(OfferAge)
	hint(7)
	is("a while ago", 7, true, true)
	d.Fail(at)
	h.now = h.now.Add(firstFailure + 1)
	hint(8)
	is("it did not answer again, and is left alone for longer", 0, false, true)
	h.now = h.now.Add(firstFailure)
	hint(9)
	is("and a while ago", 9, true, true)
	h.now = h.now.Add(HintAge + 1)
	is("its time is over", 0, false, false)
	if asked := []Known[int]{{}, {turn: true}}; FirstQuotes(asked) <= FirstQuotes(asked[:1]) {
		t.Error("a newcomer that has its turn is not waited for")
	}
}
