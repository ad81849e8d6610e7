package market

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

var (
	// ErrNoJob is returned when no job has the id, or the beginning of an id.
	ErrNoJob = errors.New("no such job")

	// ErrAmbiguous is returned when several jobs begin with the digits given.
	ErrAmbiguous = errors.New("several jobs begin like that")

	// ErrID is returned when text is not a job's id.
	ErrID = errors.New("not a job's id: want 32 hex digits")

	// ErrGone is returned when the bytes asked for are not kept any more, or
	// not yet here.
	ErrGone = errors.New("not here (any more)")

	// ErrNoReceipt is returned when a job has no receipt, because it has not
	// ended or nothing ran.
	ErrNoReceipt = errors.New("the job has no receipt")

	// ErrNoProof is returned when no two receipts of a job contradict each other.
	ErrNoProof = errors.New("no two receipts of the job contradict each other")

	// ErrFinal is returned when a job is to be cancelled that has ended.
	ErrFinal = errors.New("the job has ended")

	// ErrNotFailed is returned when a job is to be tried again that runs still,
	// or is done.
	ErrNotFailed = errors.New("the job has not failed")
)

// ID names a job at its buyer. It is drawn at random; nobody else sees it.
type ID [16]byte

// NewID draws one.
func NewID() (id ID) {
	rand.Read(id[:])
	return id
}

// ParseID reads 32 lower-case hex digits, the only spelling.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, ErrID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, ErrID
	}
	return id, nil
}

// String returns the 32 digits that ParseID reads.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first ten digits, which Book.Find takes.
func (id ID) Short() string { return id.String()[:10] }

// MarshalText returns the text of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseID reads.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// State is where a job stands:
//
//	queued → asking → running → verifying → done
//	            ↑________|          |
//	       (order not taken)        |
//	any of them → failed, cancelled ←
type State string

// The states. Done, Failed and Cancelled are final.
const (
	Queued      State = "queued"    // waiting for its turn at this node
	Asking      State = "asking"    // looking for sellers and quotes
	Running     State = "running"   // ordered; Event and Progress tell more
	Verifying   State = "verifying" // the delivery is here; output is fetched, checked and paid
	Done        State = "done"      // the guest ended by itself and is paid
	Failed      State = "failed"    // see Reason; what ran may have been paid
	CancelledBy State = "cancelled" // by the buyer; what ran may have been paid
)

// Final says whether the state is one of the three last.
func (s State) Final() bool { return s == Done || s == Failed || s == CancelledBy }

// An Event is a line of a job's history. Seq counts from 0 without gaps.
type Event struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	State State     `json:"state"`
	// Text says what happened, in a few words.
	Text string `json:"text"`
	// Reason is a word when something was refused or went wrong, else empty.
	Reason Reason `json:"reason,omitempty"`
	// Seller is whom it is about, zero when nobody.
	Seller identity.Entity `json:"seller,omitzero"`
	// Try is what would have helped, with its number, where that can be told.
	Try string `json:"try,omitempty"`
}

// A Job is what a buyer knows of one. It is a copy.
type Job struct {
	ID ID `json:"job"`
	// Of is the job that this one is a retry of, zero when it is none.
	Of    ID    `json:"retry_of,omitzero"`
	Spec  Spec  `json:"spec"`
	State State `json:"state"`
	// Reason, Error and Hint say why it failed or was cancelled; else empty.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`

	// Created and Ended are when; Ended is zero before the end.
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`

	// Seller, At, Price, Ceiling and Fuel's limit are the quote's; zero before
	// one was ordered by. JobHash names what was ordered.
	Seller  identity.Entity `json:"seller,omitzero"`
	At      addr.Addr       `json:"seller_address,omitzero"`
	Price   Price           `json:"price"`
	Ceiling ledger.Amount   `json:"ceiling_micro"`
	// Resold is, for a result that the seller had from before, which part of its
	// usual price Price is, in percent; 0 is for a job that is run.
	Resold    uint32        `json:"resold_percent,omitempty"`
	FuelLimit uint64        `json:"fuel_limit"`
	JobHash   identity.Hash `json:"job_hash,omitzero"`
	Order     identity.Hash `json:"order,omitzero"`

	// Fuel is what was used so far, as the seller says, and at the end what the
	// receipt says. Cost is the bill: 0 until the delivery is accepted.
	Fuel uint64        `json:"fuel"`
	Cost ledger.Amount `json:"cost_micro"`
	// Paid is whether this node's ledger has the entry for Cost.
	Paid bool `json:"paid"`
	// Locked is what was set aside in the ledger for a job that is paid as it
	// runs, Vouched what of it the seller may claim before Cost is paid, as far
	// as this node knows. Both are 0 for one that is paid on delivery.
	Locked  ledger.Amount `json:"locked_micro"`
	Vouched ledger.Amount `json:"vouched_micro"`
	// Spent is what earlier tries cost: what sellers that failed it can claim for
	// vouchers, the bill of the job that this one is a retry of, and checks. The cap
	// covers it, too.
	Spent ledger.Amount `json:"spent_micro"`

	// Votes are the jobs that other sellers did to be compared with this one.
	Votes []ID `json:"votes,omitempty"`
	// CheckOf is the job that this one was bought to check, zero when none. Check
	// is what came of the check of this one, Auditor the job that was bought for
	// it, and Contradiction whether two signed receipts of it contradict each
	// other; see Book.Contradiction.
	CheckOf       ID    `json:"check_of,omitzero"`
	Check         Check `json:"check,omitempty"`
	Auditor       ID    `json:"auditor,omitzero"`
	Contradiction bool  `json:"contradiction,omitempty"`

	// Receipt is the receipt's hash, zero before there is one. End, Exit and
	// Trap are how the guest ended: Exit is nil unless it ended by itself.
	Receipt identity.Hash `json:"receipt,omitzero"`
	End     compute.End   `json:"end,omitempty"`
	Exit    *int32        `json:"exit"`
	Trap    string        `json:"trap,omitempty"`
	// Stdout and Stderr are, after the receipt, what they must be; Files is the
	// output folder.
	Stdout compute.Blob      `json:"stdout"`
	Stderr compute.Blob      `json:"stderr"`
	Files  []compute.OutFile `json:"files,omitempty"`

	// History is at most the first 64 and the last 192 events.
	History []Event `json:"history,omitempty"`
}

// Stream is one of a guest's two outputs.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// A Cursor is how far somebody has watched a job: the next event and the next
// bytes that have not been seen. The zero Cursor is the beginning.
type Cursor struct {
	Event  uint64 `json:"event"`
	Stdout uint64 `json:"stdout"`
	Stderr uint64 `json:"stderr"`
}

// An Update is what has happened since a Cursor. Next is the cursor after it.
type Update struct {
	Events []Event `json:"events,omitempty"`
	// Stdout and Stderr are the next bytes of each, as the seller says: they
	// are proven when the job is done.
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Fuel is how much was used so far and Cost what that much costs. FuelLimit
	// is what it may use, 0 before it was ordered.
	Fuel      uint64        `json:"fuel"`
	FuelLimit uint64        `json:"fuel_limit"`
	Cost      ledger.Amount `json:"cost_micro"`
	// Vouched is how much of it the seller has vouchers for.
	Vouched ledger.Amount `json:"vouched_micro"`
	// Sent is how much the seller has of the Input's bytes, module included;
	// Fetched how much is here of the Output folder's.
	Sent    uint64 `json:"sent"`
	Input   uint64 `json:"input"`
	Fetched uint64 `json:"fetched"`
	Output  uint64 `json:"output"`
	Next    Cursor `json:"next"`
	// Job is set in the last Update: the job has ended and all of it was shown.
	Job *Job `json:"job,omitempty"`
}

// Quoted is one seller's answer to Market.Quotes.
type Quoted struct {
	Seller identity.Entity `json:"seller,omitzero"`
	At     addr.Addr       `json:"seller_address"`
	Offer  Offer           `json:"offer"`
	Price  Price           `json:"price"`
	// FuelLimit is the most fuel the job would have, Ceiling what that costs.
	// Below Slowest fuel per second the seller may stop it; 0 is none.
	FuelLimit uint64        `json:"fuel_limit"`
	Slowest   uint64        `json:"slowest_rate"`
	Ceiling   ledger.Amount `json:"ceiling_micro"`
	// Quantum is the fuel between two vouchers; 0 is paid on delivery.
	Quantum uint64 `json:"quantum"`
	// Resold is which part of the usual price it is, in percent, for a result from
	// before; 0 is for a job that will be run.
	Resold uint32    `json:"resold_percent,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Own tells that it is a machine of the same owner, Dealings what it has done
	// for this node.
	Own      bool     `json:"own"`
	Dealings Dealings `json:"dealings"`
	// Reason, Error, Hint and Try are set when the answer was no.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Try    string `json:"try,omitempty"`
}

// SellerOffer is an offer and whose it is.
type SellerOffer struct {
	Seller identity.Entity `json:"seller,omitzero"`
	At     addr.Addr       `json:"seller_address"`
	Offer
}

// Verification is what came of running a job again.
type Verification struct {
	// Match is whether fuel, peak memory, end and output are all the same.
	Match          bool   `json:"match"`
	FuelClaimed    uint64 `json:"fuel_claimed"`
	FuelRecomputed uint64 `json:"fuel_recomputed"`
	// OutputMatch is whether end, exit code and every byte of the output are.
	OutputMatch bool `json:"output_match"`
}

// Sale is what a seller keeps of an order. It is a copy.
type Sale struct {
	Order   identity.Hash   `json:"order"`
	Buyer   identity.Entity `json:"buyer"`
	Module  identity.Hash   `json:"module"`
	State   SaleState       `json:"state"`
	Reason  Reason          `json:"reason,omitempty"`
	Text    string          `json:"text,omitempty"`
	Fuel    uint64          `json:"fuel"`
	Cost    ledger.Amount   `json:"cost_micro"`
	Ceiling ledger.Amount   `json:"ceiling_micro"`
	// Vouched is what of the cost may be claimed by vouchers while the sale is
	// under way.
	Vouched ledger.Amount `json:"vouched_micro"`
	// Resold is the quote's.
	Resold  uint32        `json:"resold_percent,omitempty"`
	Receipt identity.Hash `json:"receipt,omitzero"`
	Taken   time.Time     `json:"taken"`
	Ended   time.Time     `json:"ended,omitzero"`
}

// SaleState is where a sale stands: taken → running → delivered → paid, or
// refused at any time before delivered.
type SaleState string

// The states of a sale. SalePaid and SaleRefused are final.
const (
	SaleTaken     SaleState = "taken"     // waiting for a slot or its inputs
	SaleRunning   SaleState = "running"   // the guest runs
	SaleDelivered SaleState = "delivered" // receipt signed; waiting for the payment
	SalePaid      SaleState = "paid"
	SaleRefused   SaleState = "refused" // nothing ran that could be billed; see Reason
)

// Earnings sums the sales that are kept.
type Earnings struct {
	Jobs uint64 `json:"jobs"`
	Fuel uint64 `json:"fuel"`
	// Paid was paid, Due is delivered and not paid yet.
	Paid ledger.Amount `json:"paid_micro"`
	Due  ledger.Amount `json:"due_micro"`
}

// String names a job for people.
func (j Job) String() string { return fmt.Sprintf("job %s (%s)", j.ID.Short(), j.State) }
