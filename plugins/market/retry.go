package market

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// maxTried is how many sellers may fail one job before it is given up.
const maxTried = 5

// elsewhere are the reasons for which a job may run well at another seller: it
// was the seller that failed. A job that failed by its own fault would fail
// anywhere.
var elsewhere = []Reason{EngineFailed, InputsMissing, SellerLost, BadReceipt, BadOutput, BadStatement}

// attempt is an order that its seller failed, with what was signed for it.
type attempt struct {
	At    addr.Addr           `cbor:"at"`
	Ask   *identity.Statement `cbor:"ask"`
	Quote *identity.Statement `cbor:"quote"`
	Order *identity.Statement `cbor:"order"`
	Lock  identity.Hash       `cbor:"lock,omitzero"`
	// Owed is what its vouchers let the seller claim.
	Owed   ledger.Amount `cbor:"owed,omitempty"`
	Reason Reason        `cbor:"reason"`
	Error  string        `cbor:"error"`
}

// another gives up an order that its seller has failed, and says whether the
// job may be asked for at others. The error is the disk's.
func (m *Market) another(j *job, no *Refused) (bool, error) {
	r := j.copy()
	switch {
	case r.Order == nil || r.Delivery != nil || r.Stop != "":
		return false, nil
	case !slices.Contains(elsewhere, no.Reason) || len(r.Tried) >= maxTried:
		return false, nil
	case !time.Now().Before(time.UnixMilli(r.Created).Add(r.Spec.Timeout)):
		return false, nil
	}
	seller, owed := r.Quote.By, m.owed(r, j.seen().vouched)
	m.sellers.Forget(r.At)
	j.update(func(r *jobRecord) {
		r.State, r.Reason, r.Error = Asking, no.Reason, clip(no.Text)
		r.Tried = append(r.Tried, attempt{r.At, r.Ask, r.Quote, r.Order, r.Lock, owed, r.Reason, r.Error})
		r.Avoid = append(r.Avoid, seller)
		r.event(eventRecord{Text: r.Error, Reason: no.Reason, Seller: seller})
		j.drop(owed)
	})
	return true, m.book.save(j)
}

// drop forgets an order, so that another can be made: what may be owed for it
// stays within the cap. It is called with mu held.
func (j *job) drop(owed ledger.Amount) {
	j.rec.Spent += owed
	j.rec.drop()
	j.gone = progress{}
}

// owed is the most that the seller of the job's order can claim for it, of which
// vouched is known.
func (m *Market) owed(r *jobRecord, vouched ledger.Amount) ledger.Amount {
	owed := max(r.Vouched, vouched)
	order := r.Order.Hash(OrderPurpose)
	for _, k := range m.credit.Locks(r.Quote.By) {
		if k.Mine && k.Ref == order {
			owed = max(owed, k.Promised)
		}
	}
	return owed
}

// left is what the job may still cost: the cap, less what sellers that failed it
// can claim.
func (r *jobRecord) left() ledger.Amount { return max(0, r.Spec.MaxCredit-r.Spent) }

// lastWord is why a job fails for which no seller is found: when sellers have
// failed it, what the last of them did says more than that there is no other.
func (r *jobRecord) lastWord(no *Refused) *Refused {
	if no.Reason == NoSeller && r.Reason != "" {
		return &Refused{Reason: r.Reason, Text: r.Error}
	}
	if n := len(r.Tried); n > 0 && !slices.Contains([]Reason{Timeout, Cancelled, Internal}, no.Reason) {
		last := r.Tried[n-1]
		return refuse(last.Reason, "%s; and elsewhere: %s", last.Error, no.Text)
	}
	return no
}

// A Change is what a retry has otherwise than the job had it; zero fields are as
// they were.
type Change struct {
	MaxCredit ledger.Amount `json:"max_credit_micro"`
	MaxPrice  ledger.Amount `json:"max_price_micro"`
	Timeout   time.Duration `json:"timeout_ns"`
	Fuel      uint64        `json:"fuel"`
}

// faults are the reasons for which a retry leaves the seller out.
var faults = append([]Reason{TooSlow, NoVoucher}, elsewhere...)

// Retry submits a job again that has failed or was cancelled, as another one.
// The sellers that failed it are left out, and what it cost counts in the cap of
// the new one. Errors are ErrNoJob, ErrNotFailed and those of Submit.
func (m *Market) Retry(_ context.Context, id ID, c Change) (Job, error) {
	old, err := m.book.record(id)
	if err != nil {
		return Job{}, err
	}
	if !old.State.Final() || old.State == Done {
		return Job{}, ErrNotFailed
	}
	s := old.Spec
	s.MaxCredit, s.MaxPrice = cmp.Or(c.MaxCredit, s.MaxCredit), cmp.Or(c.MaxPrice, s.MaxPrice)
	s.Timeout, s.Limits.Fuel = cmp.Or(c.Timeout, s.Timeout), cmp.Or(c.Fuel, s.Limits.Fuel)
	if c.Timeout != 0 {
		s.Limits.WallMillis = 0 // goes by the timeout
	}
	rec := jobRecord{Spec: s, Of: id, Avoid: slices.Clone(old.Avoid), Spent: m.outlay(old)}
	if old.Quote != nil && slices.Contains(faults, old.Reason) && !slices.Contains(rec.Avoid, old.Quote.By) {
		rec.Avoid = append(rec.Avoid, old.Quote.By)
	}
	if s.MaxCredit > 0 && rec.left() <= 0 {
		no := refuse(RefusedPrice, "job %s cost up to %s credits of the %s that it may cost", id.Short(), rec.Spent, s.MaxCredit)
		return Job{}, no.try("--max-credit above %s", rec.Spent)
	}
	return m.submit(rec)
}

// outlay is the most that a job has cost, or its sellers may still claim for it.
func (m *Market) outlay(r *jobRecord) ledger.Amount {
	cost := r.Spent + r.reserved()
	if r.Order != nil {
		cost += m.owed(r, 0)
	}
	if r.Paid || r.State == Done {
		cost = max(cost, r.Spent+r.cost())
	}
	return cost
}
