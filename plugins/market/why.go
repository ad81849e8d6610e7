package market

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
)

// Why is an answer to why a job stands where it does.
type Why struct {
	Job   ID    `json:"job"`
	State State `json:"state"`
	// Reason, Error and Hint are the job's.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Resold is the order's, as in Job.
	Resold uint32 `json:"resold_percent,omitempty"`
	// Asked is how many sellers said no, or failed; Why has them by reason, the
	// one of most sellers first.
	Asked int      `json:"asked"`
	Why   []WhyNot `json:"why"`
}

// WhyNot is why some sellers did not do a job.
type WhyNot struct {
	Reason Reason `json:"reason"`
	// Failed tells that they had taken the order.
	Failed bool `json:"failed,omitempty"`
	// Sellers are those who said so last; there may be none when nobody in
	// particular did.
	Sellers []identity.Entity `json:"sellers"`
	// Texts are what they said, at most maxWhyTexts different ones.
	Texts []string `json:"texts"`
	// Try is what would help.
	Try string `json:"try,omitempty"`
}

// maxWhyTexts is how many texts stand beside one reason.
const maxWhyTexts = 3

// Why tells from a job's history why sellers did not do it: what each said last.
// The error is ErrNoJob or the disk's.
func (b *Book) Why(id ID) (Why, error) {
	j, err := b.Job(id)
	if err != nil {
		return Why{}, err
	}
	return j.why(), nil
}

// about is an event that says no, for whom the answer is.
type about struct {
	seller identity.Entity
	reason Reason // of nobody in particular
}

func (j Job) why() Why {
	w := Why{Job: j.ID, State: j.State, Resold: j.Resold, Reason: j.Reason, Error: j.Error, Hint: j.Hint, Why: []WhyNot{}}
	last := map[about]Event{}
	for _, e := range j.History {
		if e.Reason == "" || own(e.Reason) || e.waits() {
			continue
		}
		a := about{seller: e.Seller}
		if e.Seller == (identity.Entity{}) {
			a.reason = e.Reason
		}
		last[a] = e
	}
	said := make([]Event, 0, len(last))
	for _, e := range last {
		said = append(said, e)
		if e.Seller != (identity.Entity{}) {
			w.Asked++
		}
	}
	slices.SortFunc(said, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	if w.Asked > 0 || j.State == Done { // what the sellers say tells more
		said = slices.DeleteFunc(said, func(e Event) bool { return e.Seller == (identity.Entity{}) })
	}
	for _, e := range said {
		failed := slices.Contains(elsewhere, e.Reason)
		i := slices.IndexFunc(w.Why, func(n WhyNot) bool { return n.Reason == e.Reason && n.Failed == failed })
		if i < 0 {
			i = len(w.Why)
			w.Why = append(w.Why, WhyNot{Reason: e.Reason, Failed: failed, Sellers: []identity.Entity{}, Try: e.Reason.Hint()})
		}
		w.Why[i].add(e)
	}
	slices.SortStableFunc(w.Why, func(a, b WhyNot) int { return cmp.Compare(len(b.Sellers), len(a.Sellers)) })
	return w
}

// add takes in what one of them said.
func (n *WhyNot) add(e Event) {
	if e.Seller != (identity.Entity{}) {
		n.Sellers = append(n.Sellers, e.Seller)
	}
	text := strings.TrimPrefix(e.Text, fmt.Sprintf("seller %s: ", e.Seller.Short()))
	if len(n.Texts) < maxWhyTexts && !slices.Contains(n.Texts, text) {
		n.Texts = append(n.Texts, text)
	}
	if e.Try != "" {
		n.Try = e.Try
	}
}

// own says whether a reason is the guest's or the buyer's own, not a seller's.
func own(r Reason) bool {
	return slices.Contains([]Reason{OutOfFuel, Trapped, OutputLimit, Timeout, Cancelled}, r)
}

// waits says whether an event only repeats what was said before it.
func (e Event) waits() bool { return strings.HasPrefix(e.Text, waiting) }

// waiting begins the text of an event that is no news.
const waiting = "waiting to ask again: "

// flag is the flag that has a job fit what a seller refused; "" is none.
func (c Caps) flag(r Reason) string {
	switch r {
	case Fuel:
		return fmt.Sprintf("--fuel %d", c.Fuel)
	case Memory:
		return fmt.Sprintf("--memory %dKiB", uint64(c.MemoryPages)*64)
	case Output:
		return fmt.Sprintf("--output %d", c.OutputBytes)
	case WallTime:
		return fmt.Sprintf("--timeout %v", time.Duration(min(c.WallMillis, 1<<40))*time.Millisecond)
	}
	return ""
}
