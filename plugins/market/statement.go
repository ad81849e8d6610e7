package market

import (
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

// What the market's statements are signed for.
const (
	OfferPurpose    identity.Purpose = "sea/offer/1"
	AskPurpose      identity.Purpose = "sea/ask/1"
	QuotePurpose    identity.Purpose = "sea/quote/1"
	RefusalPurpose  identity.Purpose = "sea/refusal/1"
	OrderPurpose    identity.Purpose = "sea/order/1"
	DeliveryPurpose identity.Purpose = "sea/delivery/1"
	CancelPurpose   identity.Purpose = "sea/cancel/1"
)

// ErrStatement is returned, wrapped with what is wrong, when one of the
// market's statements is not as PROTOCOL says.
var ErrStatement = errors.New("bad statement")

// version is that of all bodies below.
const version = 1

// Caps are the most that a seller lets one job have. Zero is nothing of it.
type Caps struct {
	Fuel        uint64 `cbor:"fuel" json:"fuel"`
	MemoryPages uint32 `cbor:"pages" json:"memory_pages"`
	OutputBytes uint64 `cbor:"output" json:"output_bytes"`
	WallMillis  uint64 `cbor:"wall" json:"wall_ms"`
	ModuleBytes uint64 `cbor:"module" json:"module_bytes"`
	InputBytes  uint64 `cbor:"input" json:"input_bytes"`
}

// An Offer is what a seller sells, made for the one who asked, or a notice, made
// for anybody. It promises nothing: a quote does.
type Offer struct {
	// For is who asked; zero in a notice.
	For identity.Entity `cbor:"for,omitzero" json:"-"`
	Price
	// PerGiB is how much more a Gfuel costs for each GiB of memory that the job
	// may have, see PriceOf.
	PerGiB ledger.Amount `cbor:"gib,omitempty" json:"price_micro_per_gib"`
	Caps   Caps          `cbor:"caps" json:"caps"`
	// Slowest is that of the quotes.
	Slowest uint64 `cbor:"slowest,omitempty" json:"slowest_rate"`
	// Slots is how many jobs run at once, Free how many could start now.
	Slots uint32 `cbor:"slots" json:"slots"`
	Free  uint32 `cbor:"free" json:"free"`
	// Room is how much more For may come to owe now, Strangers the budget that
	// all strangers share.
	Room      ledger.Amount `cbor:"room" json:"room_micro"`
	Strangers ledger.Amount `cbor:"strangers" json:"strangers_micro"`
	// Labels are the seller's own word for what it is.
	Labels Labels `cbor:"labels,omitempty" json:"labels,omitempty"`
	// Tariff is the price list of fuel, Engine what runs the jobs, for people.
	Tariff uint64 `cbor:"tariff" json:"tariff"`
	Engine string `cbor:"engine" json:"engine"`
	// At and Until are when it was made and how long it is worth remembering,
	// in milliseconds of Unix time.
	At    int64 `cbor:"at" json:"at_ms"`
	Until int64 `cbor:"until" json:"until_ms"`
}

type offerBody struct {
	V uint64 `cbor:"v"`
	Offer
}

// Sign makes the offer the seller's statement.
func (o Offer) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, OfferPurpose, "offer", o.check(), offerBody{version, o})
}

// OpenOffer verifies and reads an offer. Who sells is s.By. The error wraps
// ErrStatement.
func OpenOffer(s identity.Statement) (Offer, error) {
	var b offerBody
	err := open(s, OfferPurpose, "offer", &b, func() error { return b.check() })
	return b.Offer, err
}

// PriceOf is the price of a job that may have so many pages of 64 KiB of memory:
// what a quote for it would say.
func (o Offer) PriceOf(pages uint32) Price { return o.Price.withMemory(o.PerGiB, pages) }

func (o Offer) check() error {
	switch {
	case o.Price.check() != nil:
		return o.Price.check()
	case checkAmount("the price of a GiB", o.PerGiB) != nil:
		return checkAmount("the price of a GiB", o.PerGiB)
	case o.Slots > maxSlots || o.Free > o.Slots:
		return fmt.Errorf("%d of %d slots are free, want at most %d and no more free than there are", o.Free, o.Slots, maxSlots)
	case len(o.Engine) > maxEngine || rpc.Clean(o.Engine) != o.Engine:
		return fmt.Errorf("the engine's name is longer than %d bytes or has control characters", maxEngine)
	case o.At < 0 || o.Until < o.At:
		return fmt.Errorf("it holds from %d until %d", o.At, o.Until)
	}
	if err := checkSlowest(o.Slowest); err != nil {
		return err
	}
	if err := o.Labels.Check(); err != nil {
		return err
	}
	if err := checkAmount("room", o.Room); err != nil {
		return err
	}
	return checkAmount("strangers", o.Strangers)
}

const maxEngine = 128

// An Ask is a buyer's question to one seller: would you run this, for how much?
type Ask struct {
	// Offer is the hash of the offer it answers, zero when none was seen.
	Offer identity.Hash `cbor:"offer"`
	// To is the seller.
	To identity.Entity `cbor:"to"`
	// Job is the job's encoding, which says all that decides its result.
	Job []byte `cbor:"job"`
	// Credit is the most that the job may cost, PerGfuel the most that a Gfuel
	// may; both in micro-credits.
	Credit   ledger.Amount `cbor:"credit"`
	PerGfuel ledger.Amount `cbor:"price"`
	// Resold is whether a result that the seller holds from before will do. It is
	// asked only of a seller whose offer says that it resells.
	Resold bool `cbor:"resold,omitempty"`
	// Nonce makes each ask another one.
	Nonce [16]byte `cbor:"nonce"`
}

type askBody struct {
	V uint64 `cbor:"v"`
	Ask
}

// Sign makes the ask the buyer's statement.
func (a Ask) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, AskPurpose, "ask", a.check(), askBody{version, a})
}

// OpenAsk verifies and reads an ask and the job in it. Who buys is s.By.
func OpenAsk(s identity.Statement) (Ask, compute.Job, error) {
	var b askBody
	var job compute.Job
	err := open(s, AskPurpose, "ask", &b, func() (err error) {
		if err := b.check(); err != nil {
			return err
		}
		job, err = compute.DecodeJob(b.Job)
		return err
	})
	return b.Ask, job, err
}

func (a Ask) check() error {
	if err := checkAmount("credit", a.Credit); err != nil {
		return err
	}
	return checkAmount("price", a.PerGfuel)
}

// A Quote is a seller's word for one ask: until then, for that much. It may be
// ordered by once.
type Quote struct {
	// Ask is the ask's hash and Job the hash of the job in it.
	Ask identity.Hash `cbor:"ask"`
	Job identity.Hash `cbor:"job"`
	Price
	// Slowest is the fuel per second of processor time below which the seller
	// may stop the job, paid to that point; 0 is none.
	Slowest uint64 `cbor:"slowest,omitempty"`
	// Quantum is the fuel after which the seller wants the next voucher; 0 is
	// never: the job is paid on delivery, once.
	Quantum uint64 `cbor:"quantum,omitempty"`
	// Resold is, for a result that the seller holds from before, which part of its
	// usual price the price is, in percent; 0 is for a job that will be run.
	Resold uint32 `cbor:"resold,omitempty"`
	// Ceiling is the price of the job's whole fuel: no bill is higher.
	Ceiling ledger.Amount `cbor:"ceiling"`
	// Until is when it ends, in milliseconds of Unix time by the seller's clock.
	Until int64 `cbor:"until"`
}

type quoteBody struct {
	V uint64 `cbor:"v"`
	Quote
}

// Sign makes the quote the seller's statement.
func (q Quote) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, QuotePurpose, "quote", q.check(), quoteBody{version, q})
}

// OpenQuote verifies and reads a quote. Who sells is s.By.
func OpenQuote(s identity.Statement) (Quote, error) {
	var b quoteBody
	err := open(s, QuotePurpose, "quote", &b, func() error { return b.check() })
	return b.Quote, err
}

func (q Quote) check() error {
	if err := q.Price.check(); err != nil {
		return err
	}
	if q.Until < 0 {
		return fmt.Errorf("it holds until %d", q.Until)
	}
	if err := checkSlowest(q.Slowest); err != nil {
		return err
	}
	if err := checkQuantum(q.Quantum); err != nil {
		return err
	}
	if q.Resold > wholePrice {
		return fmt.Errorf("a result is resold at %d %% of the price, want at most %d", q.Resold, wholePrice)
	}
	if q.Resold > 0 && (q.Quantum > 0 || q.Slowest > 0) {
		return errors.New("what is resold has a quantum or a slowest rate, and does not run")
	}
	return checkAmount("ceiling", q.Ceiling)
}

// A Refusal is a seller's no, to an ask or to an order, and why.
type Refusal struct {
	// Of is the hash of the ask or the order.
	Of     identity.Hash `cbor:"of"`
	Reason Reason        `cbor:"reason"`
	// Text says it to people, at most 256 bytes.
	Text string `cbor:"text"`
	// Room, for refused_credit, is how much more the buyer may come to owe.
	Room ledger.Amount `cbor:"room"`
}

type refusalBody struct {
	V uint64 `cbor:"v"`
	Refusal
}

// Sign makes the refusal the seller's statement.
func (r Refusal) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, RefusalPurpose, "refusal", r.check(), refusalBody{version, r})
}

// OpenRefusal verifies and reads a refusal. Who refuses is s.By.
func OpenRefusal(s identity.Statement) (Refusal, error) {
	var b refusalBody
	err := open(s, RefusalPurpose, "refusal", &b, func() error { return b.check() })
	return b.Refusal, err
}

func (r Refusal) check() error {
	if err := r.Reason.check(); err != nil {
		return err
	}
	if rpc.Clean(r.Text) != r.Text {
		return fmt.Errorf("the text is longer than %d bytes or has control characters", rpc.MaxText)
	}
	return checkAmount("room", r.Room)
}

// An Order accepts a quote: run it, I shall owe you what the bill says.
type Order struct {
	// Quote is the quote's hash.
	Quote identity.Hash `cbor:"quote"`
	// At is when it was signed, in milliseconds of Unix time.
	At int64 `cbor:"at"`
}

type orderBody struct {
	V uint64 `cbor:"v"`
	Order
}

// Sign makes the order the buyer's statement.
func (o Order) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, OrderPurpose, "order", o.check(), orderBody{version, o})
}

// OpenOrder verifies and reads an order. Who buys is s.By.
func OpenOrder(s identity.Statement) (Order, error) {
	var b orderBody
	err := open(s, OrderPurpose, "order", &b, func() error { return b.check() })
	return b.Order, err
}

func (o Order) check() error {
	if o.At < 0 {
		return fmt.Errorf("it was signed at %d", o.At)
	}
	return nil
}

// A Delivery joins an order to the engine's receipt and is the bill.
type Delivery struct {
	// Order and Receipt are the hashes of both statements.
	Order   identity.Hash `cbor:"order"`
	Receipt identity.Hash `cbor:"receipt"`
	// Cost is the quote's price for the receipt's fuel.
	Cost ledger.Amount `cbor:"cost"`
	// Reason is why the seller stopped the job: TooSlow, NoVoucher, CreditLimit
	// or Revoked. It is empty when it did not, or the job's own wall time was
	// over.
	Reason Reason `cbor:"reason,omitempty"`
}

type deliveryBody struct {
	V uint64 `cbor:"v"`
	Delivery
}

// Sign makes the delivery the seller's statement.
func (d Delivery) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, DeliveryPurpose, "delivery", d.check(), deliveryBody{version, d})
}

// OpenDelivery verifies and reads a delivery. Who delivers is s.By.
func OpenDelivery(s identity.Statement) (Delivery, error) {
	var b deliveryBody
	err := open(s, DeliveryPurpose, "delivery", &b, func() error { return b.check() })
	return b.Delivery, err
}

func (d Delivery) check() error {
	if d.Reason != "" && !slices.Contains(stopReasons, d.Reason) {
		return fmt.Errorf("the job was stopped for the reason %q, want none or one of %s", clip(string(d.Reason)), stopReasons)
	}
	return checkAmount("cost", d.Cost)
}

// A Cancel ends an order early: stop, I pay for what ran.
type Cancel struct {
	// Order is the order's hash.
	Order identity.Hash `cbor:"order"`
}

type cancelBody struct {
	V uint64 `cbor:"v"`
	Cancel
}

// Sign makes the cancel the buyer's statement.
func (c Cancel) Sign(s identity.Signer) (identity.Statement, error) {
	return sign(s, CancelPurpose, "cancel", nil, cancelBody{version, c})
}

// OpenCancel verifies and reads a cancel. Who cancels is s.By.
func OpenCancel(s identity.Statement) (Cancel, error) {
	var b cancelBody
	err := open(s, CancelPurpose, "cancel", &b, func() error { return nil })
	return b.Cancel, err
}

// sign encodes and signs a body that passed its check.
func sign(s identity.Signer, p identity.Purpose, what string, wrong error, body any) (identity.Statement, error) {
	if wrong != nil {
		return identity.Statement{}, fmt.Errorf("%w: %s: %w", ErrStatement, what, wrong)
	}
	b, err := cbor.Marshal(body)
	if err != nil {
		return identity.Statement{}, fmt.Errorf("%w: %s: %w", ErrStatement, what, err)
	}
	st, err := s.Sign(p, b)
	if err != nil {
		return identity.Statement{}, fmt.Errorf("sign %s: %w", what, err)
	}
	return st, nil
}

// open verifies a statement and reads its body into body, whose version is
// looked at before all else.
func open(s identity.Statement, p identity.Purpose, what string, body any, check func() error) error {
	b, err := s.Open(p)
	if err == nil {
		err = decodeRecord(b, version, body)
	}
	if err == nil {
		err = check()
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStatement, what, err)
	}
	return nil
}

func checkAmount(name string, a ledger.Amount) error {
	if a < 0 || a >= maxAmount {
		return fmt.Errorf("%s is %d micro-credits, want 0 to 2^62", name, a)
	}
	return nil
}

// The read functions give what a body says that was verified before: our own
// records keep the statements as they came.

func readAsk(b []byte) (Ask, error) {
	var body askBody
	err := cbor.Unmarshal(b, &body)
	return body.Ask, err
}

func readQuote(b []byte) (Quote, error) {
	var body quoteBody
	err := cbor.Unmarshal(b, &body)
	return body.Quote, err
}

func readRefusal(b []byte) (Refusal, error) {
	var body refusalBody
	err := cbor.Unmarshal(b, &body)
	return body.Refusal, err
}

func readDelivery(b []byte) (Delivery, error) {
	var body deliveryBody
	err := cbor.Unmarshal(b, &body)
	return body.Delivery, err
}

func readOrder(b []byte) (Order, error) {
	var body orderBody
	err := cbor.Unmarshal(b, &body)
	return body.Order, err
}
