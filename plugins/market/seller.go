package market

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/pick"
	"github.com/peersea/sea/plugins/market/queue"
	"github.com/peersea/sea/plugins/market/rest"
	"github.com/peersea/sea/plugins/state"
)

const (
	// quoteTime is how long a quote holds.
	quoteTime = 2 * time.Minute

	// maxSales is how many sales are kept, and sparedSales how many more before
	// the oldest that have ended are forgotten, whose quotes are over; twice as
	// many are the most. saleAge is how long a payment is waited for.
	maxSales    = 10_000
	sparedSales = 100
	saleAge     = 7 * 24 * time.Hour

	// askBurst and askRate bound how often one buyer may ask for offers, quotes
	// and orders, which cost a signature each and a trade two of them; maxAskers
	// is how many are counted.
	askBurst  = 5000
	askRate   = 1000 // a second
	maxAskers = 4096
)

// seller is what the selling side keeps in memory.
type seller struct {
	table   *state.Table // sales by order
	offered *state.Table // "policy"
	results *results

	selling struct {
		sync.Mutex
		policy    Policy
		shift     Shift
		shifted   chan struct{}              // closed and made anew when shift changes
		rest      rest.Rest                  // as of the last look
		sales     map[identity.Hash]*sale    // by order, those that are not paid or refused
		kept      map[identity.Hash]keptSale // by quote, all that are on disk
		open      map[identity.Entity]int    // by buyer: orders that run or wait
		opened    int                        // the sum of these
		crowd     int                        // what of it buyers without a grant have
		unpaid    map[identity.Entity]debts  // by buyer: deliveries that are not paid
		unpaidAll debts
		strangers debts       // what of it buyers without a grant have not paid
		slots     int         // jobs that run
		memory    uint64      // pages that they may have together
		turns     queue.Queue // those that wait for a slot
		askers    map[identity.Entity]bucket
		lines     map[identity.Entity]bool // lines that are looked at: whether more has come meanwhile
		free      bool                     // whether a slot was, when that was last looked at
		forgot    time.Time                // when old sales were last forgotten because there were too many

		complained time.Time // when the log last heard of the policy program
	}

	rate rate

	carried notices       // of neighbours
	changed chan struct{} // of capacity 1: its own notice may be another one

	looking sync.Mutex // held while the machine is looked at, before selling's lock
	watch   *rest.Watch
}

// bucket counts what one buyer asks.
type bucket struct {
	left float64
	at   time.Time
}

// allow takes so much from peer's bucket.
func (m *Market) allow(peer identity.Entity, cost float64) bool {
	now := time.Now()
	m.selling.Lock()
	defer m.selling.Unlock()
	b, known := m.selling.askers[peer]
	if !known {
		if len(m.selling.askers) >= maxAskers {
			for old := range m.selling.askers { // any one: it starts full again
				delete(m.selling.askers, old)
				break
			}
		}
		b = bucket{askBurst, now}
	}
	b.left = min(askBurst, b.left+askRate*now.Sub(b.at).Seconds())
	b.at = now
	ok := b.left >= cost
	if ok {
		b.left -= cost
	}
	m.selling.askers[peer] = b
	return ok
}

var policyKey = []byte("policy")

type policyBody struct {
	V uint64 `cbor:"v"`
	Policy
}

func (m *Market) initSeller() error {
	var err error
	if m.table, err = m.book.store.Table("market/sales", salesVersion); err != nil {
		return err
	}
	if m.offered, err = m.book.store.Table("market/policy", version); err != nil {
		return err
	}
	m.carried.of, m.changed = map[identity.Entity]*notice{}, make(chan struct{}, 1)
	m.selling.lines = map[identity.Entity]bool{}
	m.selling.policy = DefaultPolicy()
	if m.cfg.Policy != nil {
		m.selling.policy = *m.cfg.Policy
	}
	raw, err := m.offered.Get(policyKey)
	if err != nil {
		return err
	}
	if raw != nil {
		var body policyBody
		if err := decodeRecord(raw, version, &body); err != nil {
			return err
		}
		m.selling.policy = body.Policy
	}
	if m.results, err = openResults(m.book.store, m.selling.policy.Resell > 0); err != nil {
		return err
	}
	if err := errors.Join(m.selling.policy.Check(), m.initShift()); err != nil {
		return err
	}
	m.selling.sales = map[identity.Hash]*sale{}
	m.selling.kept = map[identity.Hash]keptSale{}
	m.selling.open = map[identity.Entity]int{}
	m.selling.unpaid = map[identity.Entity]debts{}
	m.selling.askers = map[identity.Entity]bucket{}
	m.look(context.Background())
	return m.readSales()
}

// Policy is on what terms this node sells now.
func (m *Market) Policy() Policy {
	m.selling.Lock()
	defer m.selling.Unlock()
	return m.selling.policy
}

// SetPolicy changes the terms and keeps them on disk. Quotes that were given
// hold. It may be called from Init on; a policy that does not pass Check is
// refused.
func (m *Market) SetPolicy(p Policy) error {
	if err := p.Check(); err != nil {
		return err
	}
	if err := m.mayRest(p.Rules); err != nil {
		return err
	}
	raw, err := cbor.Marshal(policyBody{version, p})
	if err != nil {
		return err
	}
	var b state.Batch
	b.Put(m.offered, policyKey, raw)
	if err := m.book.store.Commit(&b); err != nil {
		return err
	}
	if err := m.results.keeps(p.Resell > 0); err != nil {
		return err
	}
	m.selling.Lock()
	m.selling.policy = p
	for _, s := range m.selling.sales {
		s.control.SetShare(p.share())
	}
	m.wakeSlots()
	m.selling.Unlock()
	m.renotice()
	m.look(context.Background())
	return nil
}

// OwnOffer is what this node would show a stranger now.
func (m *Market) OwnOffer() Offer { return m.offer(identity.Entity{}) }

// offer is what this node sells to a peer now.
func (m *Market) offer(to identity.Entity) Offer {
	p := m.Policy()
	m.selling.Lock()
	free := m.freeLocked()
	m.selling.Unlock()
	strangers := m.credit.Strangers()
	room := strangers.Room()
	if to != (identity.Entity{}) {
		room = m.room(to)
	}
	now := time.Now()
	return Offer{
		For: to, Price: p.Price, PerGiB: p.PerGiB, Caps: p.Caps, Slowest: p.Slowest, Slots: p.Slots, Free: min(free, p.Slots),
		Room: room, Strangers: strangers.Budget, Labels: p.labels(), Tariff: compute.Tariff1, Engine: m.cfg.Engine,
		At: now.UnixMilli(), Until: now.Add(pick.OfferAge).UnixMilli(),
	}
}

// freeLocked is how many jobs could begin now. It is called with the lock held.
func (m *Market) freeLocked() uint32 {
	return uint32(max(0, int(m.selling.policy.Slots)-m.selling.slots-m.selling.turns.Len()))
}

// room is how much more peer may come to owe now.
func (m *Market) room(peer identity.Entity) ledger.Amount {
	hold, err := m.credit.Hold(peer, math.MaxInt64>>1)
	var limit *ledger.LimitError
	switch {
	case err == nil:
		hold.Release()
		return maxAmount - 1
	case errors.As(err, &limit):
		return min(max(0, limit.Limit-limit.Owes-limit.Held), maxAmount-1)
	}
	return 0
}

func (m *Market) serveOffer(_ context.Context, from rpc.Peer, _ offerRequest) (offerAnswer, error) {
	p := m.policyFor(m.Policy(), from)
	if no := m.sellsTo(p, from); no != nil {
		return offerAnswer{}, rpc.Errorf(rpc.Refused, "%s", no.Text)
	}
	if !m.allow(from.Node, 1) {
		return offerAnswer{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	st, err := m.signOffer(p, from)
	return offerAnswer{st}, err
}

// sellsTo says why nothing is sold to a peer now, nil when something may be.
func (m *Market) sellsTo(p Policy, to rpc.Peer) *Refused {
	if !p.Selling || !m.credit.MaySell() {
		return refuse(NotSelling, "this node does not sell")
	}
	if no := m.resting(p); no != nil {
		return no
	}
	return p.refusesPeer(to.Node, to.Entity)
}

// signOffer is the offer to a peer to whom something is sold.
func (m *Market) signOffer(p Policy, to rpc.Peer) (identity.Statement, error) {
	m.checkPaid(to.Node)
	o := m.offer(to.Node)
	o.Price, o.PerGiB = p.Price, p.PerGiB
	return o.Sign(m.key)
}

func (m *Market) serveAsk(ctx context.Context, from rpc.Peer, in askRequest) (askAnswer, error) {
	if !m.allow(from.Node, 1) {
		return askAnswer{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	a, job, err := OpenAsk(in.Ask)
	if err != nil {
		return askAnswer{}, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if in.Ask.By != from.Node || a.To != m.key.Entity() {
		return askAnswer{}, rpc.Errorf(rpc.Refused, "the ask is from or for somebody else")
	}
	m.checkPaid(from.Node)
	asked := in.Ask.Hash(AskPurpose)
	quote, no := m.quote(ctx, from, a, job, asked)
	if no == nil {
		st, err := quote.Sign(m.key)
		failpoint.Hit("market:quote-signed")
		return askAnswer{Quote: &st}, err
	}
	refusal := Refusal{Of: asked, Reason: no.Reason, Text: clip(no.Text)}
	if no.Reason == RefusedCredit {
		refusal.Room = m.room(from.Node)
	}
	st, err := refusal.Sign(m.key)
	return askAnswer{Refusal: &st}, err
}

// quote decides about an ask. A quote sets nothing aside: that is the order's.
func (m *Market) quote(ctx context.Context, from rpc.Peer, a Ask, job compute.Job, asked identity.Hash) (Quote, *Refused) {
	p := m.policyFor(m.Policy(), from)
	if !p.Selling {
		return Quote{}, refuse(NotSelling, "this node does not sell now")
	}
	if !m.credit.MaySell() {
		return Quote{}, refuse(NotSelling, "the certificate under which this node acts does not let it sell")
	}
	for _, no := range []*Refused{p.refusesPeer(from.Node, from.Entity), p.refusesModule(job.Module), p.Caps.refuses(job)} {
		if no != nil {
			return Quote{}, no
		}
	}
	p.Price = p.Price.withMemory(p.PerGiB, job.Limits.MemoryPages)
	if own, ok := m.service(job); ok {
		p.Price, p.Resell = own.Price, 0 // what it asks of this node may be another thing the next time
	}
	if p.Program != "" {
		no := m.mayTake(p, from)
		if no == nil {
			p.Price, no = m.opinion(ctx, p, from, job)
		}
		if no != nil {
			return Quote{}, no
		}
	}
	if a.Resold && p.Resell > 0 && m.results.has(job.Hash()) {
		if q, no := m.terms(p.reselling(), from, a, job, asked); no == nil {
			return q, nil
		} // a job that runs may be paid by vouchers
	}
	p.Resell = 0
	return m.terms(p, from, a, job, asked)
}

// reselling is p for a result that is here: at the share of its price, and with
// nothing that is about how a job runs.
func (p Policy) reselling() Policy {
	p.Price, p.Slowest = p.Price.part(p.Resell), 0
	return p
}

// terms is the quote for a job that a policy lets in at its price: of a result that
// is here if its Resell is not 0.
func (m *Market) terms(p Policy, from rpc.Peer, a Ask, job compute.Job, asked identity.Hash) (Quote, *Refused) {
	buyer := from.Node
	if p.PerGfuel > a.PerGfuel {
		return Quote{}, refuse(RefusedPrice, "a Gfuel costs %s credits here%s, the cap is %s", p.PerGfuel, withMiB(p.PerGiB, job.Limits.MemoryPages), a.PerGfuel)
	}
	ceiling, ok := p.Cost(job.Limits.Fuel)
	if !ok || ceiling > a.Credit {
		return Quote{}, refuse(RefusedPrice, "the job may cost %s credits here, the cap is %s", ceiling, a.Credit)
	}
	if no := m.mayTake(p, from); no != nil {
		return Quote{}, no
	}
	q := Quote{
		Ask: asked, Job: job.Hash(), Price: p.Price, Slowest: p.Slowest, Resold: p.Resell, Ceiling: ceiling,
		Quantum: m.quantum(p, job.Limits.Fuel, m.room(buyer)),
		Until:   time.Now().Add(quoteTime).UnixMilli(),
	}
	if q.Resold > 0 || !m.credit.MayLock(buyer) {
		q.Quantum = 0 // paid on delivery, if all of it fits into what the buyer may owe
	}
	hold, err := m.credit.Hold(buyer, q.part(0))
	if err != nil {
		return Quote{}, refuse(RefusedCredit, "%v", err)
	}
	hold.Release()
	return q, nil
}

// mayTake says why no more orders are taken, from this buyer or at all.
func (m *Market) mayTake(p Policy, from rpc.Peer) *Refused {
	m.selling.Lock()
	defer m.selling.Unlock()
	return m.mayTakeLocked(p, from)
}

// mayTakeLocked is mayTake with the lock held.
func (m *Market) mayTakeLocked(p Policy, from rpc.Peer) *Refused {
	buyer := from.Node
	if no := m.restingLocked(p); no != nil {
		return no
	}
	switch {
	case m.selling.opened >= int(p.Slots)+int(p.Queue):
		return refuse(Busy, "%d orders run or wait", m.selling.opened)
	case m.selling.crowd >= int(p.Slots)+int(p.Queue)/strangersShare && !m.own(from) && !m.credit.Granted(buyer):
		return refuse(Busy, "%d orders of peers without a grant run or wait", m.selling.crowd)
	case m.selling.open[buyer] >= int(p.PerBuyer):
		return refuse(Busy, "%d orders of this buyer run or wait", m.selling.open[buyer])
	case len(m.selling.kept) >= 2*maxSales:
		return refuse(Busy, "%d sales of the last minutes are remembered", len(m.selling.kept))
	}
	return m.owesTooMuchLocked(buyer)
}

// slot waits for one for a sale. The caller gives it back by calling free.
func (m *Market) slot(ctx context.Context, s *sale) (free func(), err error) {
	turn := &queue.Turn{Buyer: s.buyer, First: s.own, Size: uint64(s.work.Limits.MemoryPages), Ready: make(chan struct{})}
	if m.credit.Granted(s.buyer) {
		turn.Party = s.buyer
	}
	free = func() { m.freeSlot(turn) }
	m.selling.Lock()
	m.selling.turns.Add(turn)
	m.wakeSlots()
	m.selling.Unlock()
	select {
	case <-turn.Ready:
		return free, nil
	case <-ctx.Done():
	}
	m.selling.Lock()
	waited := m.selling.turns.Remove(turn)
	m.selling.Unlock()
	if !waited { // it was our turn just now
		free()
	}
	return nil, ctx.Err()
}

func (m *Market) freeSlot(t *queue.Turn) {
	m.selling.Lock()
	defer m.selling.Unlock()
	m.selling.slots--
	m.selling.memory -= t.Size
	m.selling.turns.Done(t)
	m.wakeSlots()
}

// slotFree says whether a guest may begin. It is called with the lock held.
func (m *Market) slotFree() bool {
	return !m.holdsLocked() && m.selling.slots < int(m.selling.policy.Slots)
}

// memoryLeft is how many pages a guest that begins now may have. It is called with
// the lock held.
func (m *Market) memoryLeft() uint64 {
	switch most := uint64(m.selling.policy.Memory); {
	case most == 0:
		return math.MaxUint64
	case m.selling.memory >= most: // it was more before
		return 0
	default:
		return most - m.selling.memory
	}
}

// wakeSlots gives free slots to those who wait, in the queue's order. It is
// called with the lock held.
func (m *Market) wakeSlots() {
	for m.slotFree() {
		t := m.selling.turns.Next(m.memoryLeft())
		if t == nil {
			break
		}
		m.selling.slots++
		m.selling.memory += t.Size
		close(t.Ready)
	}
	if free := m.freeLocked() > 0; free != m.selling.free {
		m.selling.free = free
		m.renotice()
	}
}

// contact is where the buyer ordered from.
func (s *sale) contact() addr.Addr { return s.copy().Buyer }
