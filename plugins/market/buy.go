package market

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/pick"
)

const (
	// leastPart of the fuel that the buyer's cap would cover is worth asking
	// for when the seller lends less.
	leastPart = 100

	// firstBusy is the pause before sellers are asked again who were busy or
	// gone, and doubles up to lastBusy.
	firstBusy = 200 * time.Millisecond
	lastBusy  = 5 * time.Second

	// settling is how long a seller may take to see a payment and to give the
	// room back that it held.
	settling = 3 * time.Second
)

// quoted is a quote that fits the buyer's caps.
type quoted struct {
	known
	ask, quote, refusal identity.Statement // zero is not there
	Quote
	job compute.Job
}

// buy finds a seller and a quote, and writes the order down. The error is a
// *Refused when there is none to be had, or the disk's.
func (m *Market) buy(ctx context.Context, j *job, r *jobRecord) error {
	deadline := time.UnixMilli(r.Created).Add(r.Spec.Timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	defer cancel()
	go func() {
		defer close(stopped)
		select {
		case <-j.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if r.State != Asking {
		j.update(func(r *jobRecord) {
			r.State = Asking
			r.event(eventRecord{Text: "looking for sellers"})
		})
	}
	no := j.refused // by the seller that was ordered from, just now
	j.refused = nil
	// After a start there may be no links yet.
	began, gone := time.Now(), j.resumed
	for pause := firstBusy; ; pause = min(2*pause, lastBusy) {
		less := m.ordersLess()
		if no == nil {
			var met bool
			var err error
			no, met, err = m.tryBuy(ctx, j, r)
			if no == nil || err != nil {
				return err
			}
			gone = gone || met && no.Reason == Unreachable
		}
		if over(j.stop) {
			return nil // drive sees why
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && !time.Now().Before(deadline) {
			return refuse(Timeout, "no seller took it within %v; the last said: %s", r.Spec.Timeout, no.Text)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// What may be otherwise soon is waited for: a seller's slots, a seller
		// that was there a moment ago, or our own other orders, which hold what
		// we may owe.
		var again <-chan time.Time
		switch {
		case r.CheckOf != ID{}: // the order that it checks may be what it would wait for
			return no
		case no.Reason == Busy:
			again = time.After(pause)
		case gone && (no.Reason == Unreachable || no.Reason == NoSeller) && time.Since(began) < m.cfg.Patience:
			again = time.After(pause)
		case no.Reason == RefusedCredit && (m.ordersOpen() || over(less)):
		case no.Reason == RefusedCredit && m.ordersRecent():
			again = time.After(pause)
		default:
			return no
		}
		j.update(func(r *jobRecord) {
			r.event(eventRecord{Text: waiting + clip(no.Text), Reason: no.Reason})
		})
		no = nil
		select {
		case <-again:
			m.sellers.Forgive()
		case <-less:
		case <-ctx.Done():
		}
	}
}

func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// tryBuy goes once through the sellers. no says why it came to nothing, met
// whether one of them had shown an offer.
func (m *Market) tryBuy(ctx context.Context, j *job, r *jobRecord) (no *Refused, met bool, err error) {
	s := r.mainSpec()
	if s.MaxCredit <= 0 {
		return refuse(RefusedPrice, "what is spent already is all of the %s credits that it may cost", r.Spec.MaxCredit), false, nil
	}
	if s, no = m.quorumSpec(ctx, s, r.Avoid); no != nil {
		return no, false, nil
	}
	quotes, refusals := m.quotes(ctx, s, r.Avoid)
	var kept []paper
	for _, f := range refusals {
		kept = append(kept, f.papers()...)
	}
	for len(quotes) > 0 {
		q, others := m.sellers.pick(s, quotes)
		quotes = others
		no, err := m.order(ctx, j, q)
		m.sellers.Ordered(q.At, -1) // if there is an order it is followed from now on
		if no == nil || err != nil {
			for _, q := range quotes {
				kept = append(kept, q.papers()...)
			}
			m.keepPapers(r, kept...)
			return nil, true, err
		}
		kept = append(kept, q.papers()...)
		refusals = append(refusals, quotedRefusal{q, no})
	}
	m.keepPapers(r, kept...)
	j.update(func(r *jobRecord) {
		for _, f := range refusals {
			r.event(eventRecord{Text: clip(f.no.Text), Reason: f.no.Reason, Seller: f.Seller, Try: f.no.Try})
			met = met || f.Seller != identity.Entity{}
		}
	})
	if n := len(r.Avoid); n > 0 && len(refusals) == 0 {
		return refuse(NoSeller, "nobody within reach sells but %d that failed it", n), met, nil
	}
	return worst(refusals), met, nil
}

// ask gets one seller's quote. When the seller lends less than the buyer's cap
// and the buyer did not say how much fuel it needs, it asks once more for what
// the seller lends. When the seller's offer, as it is remembered, does not suit, it
// is looked at once more. A notice says what a stranger may owe: where that would
// bound the fuel, the seller is asked what this node may.
func (m *Market) ask(ctx context.Context, s Spec, k known) (quoted, *Refused) {
	if k.Hint && s.Limits.Fuel == 0 && k.Offer.Room < s.MaxCredit {
		if fresh, err := m.fetchOffer(ctx, k.At); err == nil && fresh.Sells {
			k = fresh
		}
	}
	for again := false; ; again = true {
		q, room, no := m.askOnce(ctx, s, k)
		unasked := len(q.ask.Body) == 0 // by what is remembered, which may be otherwise by now
		switch {
		case no == nil || again:
			return q, no
		case no.Reason == RefusedCredit && s.Limits.Fuel == 0 && room >= 0: // the seller's own word of this moment
			k.Offer.Room = room
			m.sellers.room(k.At, func(ledger.Amount) ledger.Amount { return room })
			continue
		case !unasked || !k.Hint && no.Reason != RefusedCredit && time.Until(k.Expires) > pick.OfferAge-offerFresh:
			return q, no
		}
		fresh, err := m.fetchOffer(ctx, k.At)
		if err != nil || !fresh.Sells || no.Reason == RefusedCredit && fresh.Offer.Room <= k.Offer.Room {
			return q, no
		}
		k = fresh
	}
}

func (m *Market) askOnce(ctx context.Context, s Spec, k known) (q quoted, room ledger.Amount, no *Refused) {
	q.known, room = k, -1
	fuel, no := s.fuelFor(k.Offer)
	if no != nil {
		return q, room, no
	}
	q.job = s.job(fuel)
	if no := k.Offer.Caps.refuses(q.job); no != nil {
		no.Try = k.Offer.Caps.flag(no.Reason)
		return q, room, no
	}
	a := Ask{Offer: k.Hash, To: k.Seller, Job: q.job.Encode(), Credit: s.MaxCredit, PerGfuel: s.maxPrice()}
	a.Resold = !s.Fresh && s.Verify.Quorum() == 0 && k.Offer.Labels.resell()
	rand.Read(a.Nonce[:])
	var err error
	if q.ask, err = a.Sign(m.key); err != nil {
		return q, room, refuse(Internal, "%v", err)
	}
	answer, err := askMethod.Call(ctx, m.node, k.At, askRequest{q.ask})
	failpoint.Hit("market:ask-sent")
	if errors.Is(err, rpc.ErrBusy) {
		return q, room, refuse(Busy, "seller %s: %v", k.Seller.Short(), err)
	}
	if err != nil {
		if k.Hint { // it may have left, whatever others still show
			m.sellers.Fail(k.At)
		} else {
			m.sellers.Forget(k.At)
		}
		return q, room, refuse(Unreachable, "seller %s cannot be asked: %v", k.Seller.Short(), err)
	}
	asked := q.ask.Hash(AskPurpose)
	switch {
	case answer.Refusal != nil && answer.Quote == nil:
		ref, err := OpenRefusal(*answer.Refusal)
		if err == nil && (answer.Refusal.By != k.Seller || ref.Of != asked) {
			err = errors.New("it is not an answer to what was asked")
		}
		if err != nil {
			return q, room, refuse(BadStatement, "seller %s: %v", k.Seller.Short(), err)
		}
		q.refusal = *answer.Refusal
		if ref.Reason == RefusedCredit {
			room = ref.Room
		}
		return q, room, refuse(ref.Reason, "seller %s: %s", k.Seller.Short(), ref.Text)
	case answer.Quote == nil || answer.Refusal != nil:
		return q, room, refuse(BadStatement, "seller %s answered neither yes nor no", k.Seller.Short())
	}
	if q.Quote, err = OpenQuote(*answer.Quote); err == nil {
		q.quote = *answer.Quote
		err = q.suits(s, a.Resold, asked)
	}
	if err != nil {
		return q, room, refuse(BadStatement, "seller %s: %v", k.Seller.Short(), err)
	}
	failpoint.Hit("market:quote-received")
	return q, room, nil
}

// suits says what is wrong with a quote, as an answer to what was asked.
func (q quoted) suits(s Spec, resold bool, asked identity.Hash) error {
	ceiling, ok := q.Cost(q.job.Limits.Fuel)
	switch {
	case q.quote.By != q.Seller || q.Ask != asked || q.Quote.Job != q.job.Hash():
		return errors.New("the quote is not for what was asked")
	case q.Resold > 0 && !resold:
		return errors.New("it is for a result from before, and the job is to be run")
	case !ok || q.Ceiling != ceiling:
		return fmt.Errorf("the quote's ceiling is %d micro-credits, its price makes %d", q.Ceiling, ceiling)
	case q.Ceiling > s.MaxCredit || q.PerGfuel > s.maxPrice():
		return errors.New("the quote is above what was allowed")
	}
	return nil
}

// maxPrice is the cap on the price of a Gfuel, which none is written as.
func (s Spec) maxPrice() ledger.Amount {
	if s.MaxPrice == 0 {
		return maxAmount - 1
	}
	return s.MaxPrice
}

// fuelFor is the fuel limit to ask a seller for: the spec's, or as much as the
// cap covers at the offer's price, the seller lends and takes.
func (s Spec) fuelFor(o Offer) (uint64, *Refused) {
	p := s.priceOf(o)
	if p.PerGfuel > s.maxPrice() {
		return 0, refuse(RefusedPrice, "it asks %s credits per Gfuel%s, the cap is %s", p.PerGfuel, withMiB(o.PerGiB, s.Limits.MemoryPages), s.maxPrice()).try("--max-price %s", p.PerGfuel)
	}
	if want := s.Limits.Fuel; want != 0 {
		if cost, ok := p.Cost(want); !ok || cost > s.MaxCredit {
			no := refuse(RefusedPrice, "%d fuel would cost up to %s credits, the cap is %s", want, cost, s.MaxCredit)
			if ok {
				no.try("--max-credit %s", cost)
			}
			return 0, no
		}
		return want, nil
	}
	full := p.Covers(s.MaxCredit, compute.MaxFuel)
	if full == 0 {
		return 0, refuse(RefusedPrice, "the fee is %s credits, the cap is %s", p.Fee, s.MaxCredit).try("--max-credit above %s", p.Fee)
	}
	lent := p.Covers(min(s.MaxCredit, o.Room), full)
	if lent < full/leastPart || lent == 0 {
		return 0, refuse(RefusedCredit, "it lets us owe %s credits more, of %s that the job may cost", o.Room, s.MaxCredit).try("credit pay, or ask it for a grant of %s more", s.MaxCredit-o.Room)
	}
	return min(lent, o.Caps.Fuel), nil
}

// Quotes asks everybody who could run s what it would cost, and orders nothing.
// The best come first, then those who said no. Errors are ctx's, *Refused for a
// wrong spec, and *Refused with NoSeller when nobody was found.
func (m *Market) Quotes(ctx context.Context, s Spec) ([]Quoted, error) {
	s = s.withDefaults()
	if no := s.check(); no != nil {
		return nil, no
	}
	quotes, refusals := m.quotes(ctx, s, nil)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var all []Quoted
	for _, q := range quotes {
		all = append(all, Quoted{
			Seller: q.Seller, At: q.At, Offer: q.Offer, Price: q.Price, Own: q.Own, Dealings: q.Dealt,
			FuelLimit: q.job.Limits.Fuel, Slowest: q.Quote.Slowest, Ceiling: q.Ceiling, Quantum: q.Quantum, Resold: q.Resold, Until: time.UnixMilli(q.Until),
		})
	}
	for _, f := range refusals {
		all = append(all, Quoted{
			Seller: f.Seller, At: f.At, Offer: f.Offer, Price: s.priceOf(f.Offer), Own: f.Own, Dealings: f.Dealt,
			Reason: f.no.Reason, Error: f.no.Text, Hint: f.no.Reason.Hint(), Try: f.no.Try,
		})
	}
	if len(all) == 0 {
		return nil, worst(nil)
	}
	return all, nil
}

// order accepts a quote, if the ledger and the link allow it: the order is then
// on disk, not sent.
func (m *Market) order(ctx context.Context, j *job, q quoted) (no *Refused, err error) {
	if r := j.copy(); q.Ceiling > r.left() || q.PerGfuel > r.Spec.maxPrice() {
		return refuse(RefusedPrice, "seller %s: up to %s credits at %s a Gfuel are above what is left of the cap, %s", q.Seller.Short(), q.Ceiling, q.PerGfuel, r.left()), nil
	}
	if err := m.connect(ctx, q.At); err != nil {
		return refuse(Unreachable, "seller %s cannot be linked to: %v", q.Seller.Short(), err), nil
	}
	if q.Quantum > 0 && q.job.Limits.Fuel > q.Quantum && m.locksWith(q.Seller) >= ledger.MaxLocks {
		return refuse(RefusedCredit, "seller %s has not released %d locks of ours: no more can be made there", q.Seller.Short(), ledger.MaxLocks), nil
	}
	hold, err := m.reserve(q.Seller, q.Quote, identity.Hash{})
	if err != nil {
		return refuse(RefusedCredit, "%v", err), nil
	}
	defer func() {
		if err != nil {
			hold.Release()
		}
	}()
	st, err := Order{Quote: q.quote.Hash(QuotePurpose), At: time.Now().UnixMilli()}.Sign(m.key)
	if err != nil {
		return nil, err
	}
	j.update(func(r *jobRecord) {
		r.State = Running
		r.At, r.Ask, r.Quote, r.Order = q.At, &q.ask, &q.quote, &st
		text := fmt.Sprintf("quote: up to %d fuel, up to %s credits", q.job.Limits.Fuel, q.Ceiling)
		if q.Resold > 0 {
			text += fmt.Sprintf(", for a result from before, at %d %% of the price", q.Resold)
		}
		if r.Spec.Limits.Fuel == 0 && q.job.Limits.Fuel < q.Covers(r.left(), q.Offer.Caps.Fuel) {
			text += ", as much as the seller lets us owe"
		}
		if q.Ceiling > q.Offer.Room {
			text += fmt.Sprintf("; the seller lends %s and holds the job there until we owe less", q.Offer.Room)
		}
		r.event(eventRecord{Text: text, Seller: q.Seller})
	})
	if err = m.book.save(j); err != nil {
		return nil, err
	}
	j.hold = hold // followOrder releases it
	failpoint.Hit("market:order-persisted")
	return nil, nil
}

// connect makes sure that there is a link to the node at at.
func (m *Market) connect(ctx context.Context, at addr.Addr) error {
	conn, err := m.node.Connect(ctx, at)
	if err != nil {
		return err
	}
	return conn.Close() // the link stays as long as both want it
}
