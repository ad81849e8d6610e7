package market

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

const (
	// jobsVersion, salesVersion and modulesVersion are those of the tables.
	jobsVersion    = 1
	salesVersion   = 1
	modulesVersion = 1

	// inlineBytes is how much of an output is kept in the record itself: tiny
	// jobs cost no file.
	inlineBytes = 4 << 10

	// The history keeps its first and its last events.
	firstEvents = 64
	lastEvents  = 192
)

// jobRecord is a job on disk, with all that was signed for it.
type jobRecord struct {
	ID      ID     `cbor:"id"`
	Spec    Spec   `cbor:"spec"`
	State   State  `cbor:"state"`
	Reason  Reason `cbor:"reason"`
	Error   string `cbor:"error"`
	Created int64  `cbor:"created"` // milliseconds of Unix time, as all times here
	Ended   int64  `cbor:"ended"`

	// Stop is why the buyer wants it to end early: Cancelled, Timeout or "".
	Stop Reason `cbor:"stop"`
	// Avoid are sellers that have failed this job, Tried the orders that they
	// failed, and Spent what earlier tries cost: see Job. Dropped
	// counts the orders that were not taken.
	Avoid   []identity.Entity `cbor:"avoid"`
	Dropped int               `cbor:"dropped"`
	Tried   []attempt         `cbor:"tried,omitempty"`
	Spent   ledger.Amount     `cbor:"spent,omitempty"`
	// Of is the job that this one is a retry of, zero when it is none.
	Of ID `cbor:"of,omitzero"`
	// mapped is that a map bought it, or what it is to check. The key has it.
	mapped bool

	At       addr.Addr           `cbor:"at"` // the seller's address
	Ask      *identity.Statement `cbor:"ask"`
	Quote    *identity.Statement `cbor:"quote"`
	Order    *identity.Statement `cbor:"order"`
	Receipt  *identity.Statement `cbor:"receipt"`
	Delivery *identity.Statement `cbor:"delivery"`

	// Lock is the ledger's lock for the order, Vouched the highest voucher that
	// this node remembers, Release what the seller closes the lock with.
	Lock    identity.Hash `cbor:"lock,omitzero"`
	Vouched ledger.Amount `cbor:"vouched,omitempty"`
	Release []byte        `cbor:"release,omitempty"`

	// Votes are the jobs that were bought to be compared with this one, at most
	// twice maxVotes; Vote is whether this is one.
	Votes []vote `cbor:"votes,omitempty"`
	Vote  bool   `cbor:"vote,omitempty"`
	// CheckOf is the job that this one was bought to check, zero when none.
	CheckOf ID `cbor:"check_of,omitzero"`
	// Check is what has come of the check of the delivery, Auditor the job that
	// was bought for it, Draw the proof of the lot, Proof evidence of the last
	// contradiction.
	Check   Check  `cbor:"check,omitempty"`
	Auditor ID     `cbor:"auditor,omitzero"`
	Draw    []byte `cbor:"draw,omitempty"`
	Proof   []byte `cbor:"proof,omitempty"`

	// Outcome is the result without its bytes.
	Outcome []byte `cbor:"outcome"`
	Out     output `cbor:"out"`
	Err     output `cbor:"err"`
	Paid    bool   `cbor:"paid"`

	History []eventRecord `cbor:"history"`
	Events  uint64        `cbor:"events"` // how many there have been
}

// output is what is kept of a stream: the bytes, or their name in the storage.
type output struct {
	Blob  compute.Blob `cbor:"blob"`
	Bytes []byte       `cbor:"bytes"`
}

// inline says whether Bytes are all of it.
func (o output) inline() bool { return uint64(len(o.Bytes)) == o.Blob.Size }

type eventRecord struct {
	Seq    uint64          `cbor:"seq"`
	At     int64           `cbor:"at"`
	State  State           `cbor:"state"`
	Text   string          `cbor:"text"`
	Reason Reason          `cbor:"reason"`
	Seller identity.Entity `cbor:"seller,omitzero"`
	Try    string          `cbor:"try,omitempty"`
}

type jobBody struct {
	V uint64 `cbor:"v"`
	jobRecord
}

func (r *jobRecord) encode() ([]byte, error) {
	return cbor.Marshal(jobBody{jobsVersion, *r})
}

func decodeJob(b []byte) (*jobRecord, error) {
	var body jobBody
	if err := decodeRecord(b, jobsVersion, &body); err != nil {
		return nil, fmt.Errorf("job record: %w", err)
	}
	return &body.jobRecord, nil
}

// decodeRecord reads a record, its version first.
func decodeRecord(b []byte, version uint64, into any) error {
	if err := cbor.CheckVersion(b, version); err != nil {
		return err
	}
	return cbor.Unmarshal(b, into)
}

// event adds a line to the history.
func (r *jobRecord) event(e eventRecord) {
	e.Seq, e.At, e.State = r.Events, time.Now().UnixMilli(), r.State
	r.Events++
	r.History = append(r.History, e)
	if len(r.History) > firstEvents+lastEvents {
		r.History = append(r.History[:firstEvents:firstEvents], r.History[firstEvents+1:]...)
	}
}

// drop forgets an order that the seller has not taken, or whose delivery is not
// accepted, so that another can be made. The history keeps what happened.
func (r *jobRecord) drop() {
	r.At, r.Ask, r.Quote, r.Order = addr.Addr{}, nil, nil, nil
	r.Lock, r.Vouched, r.Release = identity.Hash{}, 0, nil
	r.Receipt, r.Delivery, r.Outcome, r.Out, r.Err = nil, nil, nil, output{}, output{}
	r.Check, r.Auditor, r.Draw = "", ID{}, nil
}

// job is the record as others see it. Signatures were verified when the
// statements came; here they are only read.
func (r *jobRecord) job() Job {
	j := Job{
		ID: r.ID, Spec: r.Spec, State: r.State, Reason: r.Reason, Error: r.Error, Hint: r.Reason.Hint(),
		Created: time.UnixMilli(r.Created), Paid: r.Paid, At: r.At, Vouched: r.Vouched,
		Spent: r.Spent, Of: r.Of,
		Stdout: r.Out.Blob, Stderr: r.Err.Blob, Votes: r.voters(),
		CheckOf: r.CheckOf, Check: r.Check, Auditor: r.Auditor, Contradiction: len(r.Proof) > 0,
	}
	if r.Ended != 0 {
		j.Ended = time.UnixMilli(r.Ended)
	}
	if n := len(r.Tried); n > 0 && r.Order == nil { // show the last one
		last, now := r.Tried[n-1], *r
		now.At, now.Ask, now.Quote, now.Order, now.Lock = last.At, last.Ask, last.Quote, last.Order, last.Lock
		now.Vouched = last.Owed
		r = &now
		j.At, j.Vouched = r.At, r.Vouched
	}
	if r.Order != nil {
		j.Order = r.Order.Hash(OrderPurpose)
	}
	if r.Quote != nil {
		j.Seller = r.Quote.By
		if q, err := readQuote(r.Quote.Body); err == nil {
			j.Price, j.Ceiling, j.JobHash, j.Resold = q.Price, q.Ceiling, q.Job, q.Resold
			if r.Lock != (identity.Hash{}) {
				j.Locked = q.Ceiling
			}
		}
	}
	if (r.Vouched > 0 || slices.ContainsFunc(r.Tried, func(a attempt) bool { return a.Owed > 0 })) && !r.Paid {
		j.Hint = strings.Replace(j.Hint, "nothing was paid", "what was vouched for may be claimed, and nothing else", 1)
	}
	if job, err := r.work(); err == nil {
		j.FuelLimit = job.Limits.Fuel
	}
	if r.Receipt == nil || r.Delivery == nil {
		return j
	}
	j.Receipt = r.Receipt.Hash(compute.ReceiptPurpose)
	if rec, err := compute.DecodeReceipt(r.Receipt.Body); err == nil {
		j.Fuel, j.End = rec.Fuel, rec.End
		if rec.End == compute.Exit {
			j.Exit = &rec.Code
		}
	}
	j.Cost = r.cost()
	if o, err := compute.DecodeOutcome(r.Outcome); err == nil {
		j.Trap, j.Stdout, j.Stderr, j.Files = o.Trap, o.Stdout, o.Stderr, o.Files
		if j.Reason == Trapped && o.Trap == compute.TrapDepth {
			j.Hint = "it calls deeper than its limit; allow more with --depth"
		}
	}
	return j
}

// cost is the bill of what was delivered and accepted, 0 when nothing was.
func (r *jobRecord) cost() ledger.Amount {
	if r.Receipt == nil || r.Delivery == nil || slices.Contains([]Reason{BadReceipt, BadOutput, Mismatch}, r.Reason) {
		return 0
	}
	d, err := readDelivery(r.Delivery.Body)
	if err != nil {
		return 0
	}
	return d.Cost
}

// work is the job that was asked for.
func (r *jobRecord) work() (compute.Job, error) {
	if r.Ask == nil {
		return compute.Job{}, ErrNoReceipt
	}
	a, err := readAsk(r.Ask.Body)
	if err != nil {
		return compute.Job{}, err
	}
	return compute.DecodeJob(a.Job)
}

// history copies the events as others see them.
func (r *jobRecord) history() []Event {
	events := make([]Event, len(r.History))
	for i, e := range r.History {
		events[i] = Event{e.Seq, time.UnixMilli(e.At), e.State, e.Text, e.Reason, e.Seller, e.Try}
	}
	return events
}

// saleRecord is an order at the seller, with all that was signed for it.
type saleRecord struct {
	State SaleState `cbor:"state"`
	// Reason and Text are the refusal's.
	Reason Reason `cbor:"reason"`
	Text   string `cbor:"text"`
	Taken  int64  `cbor:"taken"`
	Ended  int64  `cbor:"ended"`

	Buyer  addr.Addr           `cbor:"buyer"` // where it ordered from
	Module identity.Hash       `cbor:"module"`
	Ask    *identity.Statement `cbor:"ask"` // nil when the sale has ended
	Quote  identity.Statement  `cbor:"quote"`
	Order  identity.Statement  `cbor:"order"`
	// Cancelled is whether the buyer wants it to end.
	Cancelled bool `cbor:"cancelled"`

	Refusal  *identity.Statement `cbor:"refusal"`
	Receipt  *identity.Statement `cbor:"receipt"`
	Delivery *identity.Statement `cbor:"delivery"`
	Outcome  []byte              `cbor:"outcome"`
	Out      output              `cbor:"out"`
	Err      output              `cbor:"err"`
	// Fuel and Cost are the receipt's and the delivery's.
	Fuel uint64        `cbor:"fuel"`
	Cost ledger.Amount `cbor:"cost"`
}

type saleBody struct {
	V uint64 `cbor:"v"`
	saleRecord
}

func (r *saleRecord) encode() ([]byte, error) {
	return cbor.Marshal(saleBody{salesVersion, *r})
}

func decodeSale(b []byte) (*saleRecord, error) {
	var body saleBody
	if err := decodeRecord(b, salesVersion, &body); err != nil {
		return nil, fmt.Errorf("sale record: %w", err)
	}
	return &body.saleRecord, nil
}

// slim drops from a sale that has ended what nobody will ask for again: the
// buyer has its output and has paid.
func (r *saleRecord) slim() {
	r.Ask, r.Outcome, r.Out.Bytes, r.Err.Bytes = nil, nil, nil, nil
}

// sale is the record as others see it.
func (r *saleRecord) sale() Sale {
	s := Sale{
		Order: r.Order.Hash(OrderPurpose), Buyer: r.Order.By, State: r.State, Reason: r.Reason, Text: r.Text,
		Module: r.Module, Fuel: r.Fuel, Cost: r.Cost, Taken: time.UnixMilli(r.Taken),
	}
	if r.Ended != 0 {
		s.Ended = time.UnixMilli(r.Ended)
	}
	if q, err := readQuote(r.Quote.Body); err == nil {
		s.Ceiling, s.Resold = q.Ceiling, q.Resold
	}
	if r.Receipt != nil {
		s.Receipt = r.Receipt.Hash(compute.ReceiptPurpose)
	}
	return s
}
