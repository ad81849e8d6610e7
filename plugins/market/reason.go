package market

import "fmt"

// A Reason is why a job failed or was refused: a word for programs. It stands
// in signed refusals, in histories and in what the command line prints. Words
// are added, never renamed.
type Reason string

// The reasons. Those from NoSeller to Expired cost nothing; the guest's own,
// and those for which the seller stops it, cost what ran.
const (
	OutOfFuel   Reason = "out_of_fuel"  // the guest used up its fuel limit
	Trapped     Reason = "trap"         // the guest broke a rule of WebAssembly
	OutputLimit Reason = "output_limit" // the guest wrote more than its limit
	Timeout     Reason = "timeout"      // the job's wall time or its --timeout is over
	Cancelled   Reason = "cancelled"    // the buyer cancelled

	NoSeller      Reason = "no_seller"        // nobody within reach sells
	Unreachable   Reason = "unreachable"      // the seller that was named cannot be reached
	RefusedPrice  Reason = "refused_price"    // it would cost more than the buyer's caps allow
	RefusedCredit Reason = "refused_credit"   // the buyer may not owe that much more
	Fuel          Reason = "fuel"             // more fuel than the seller lets a job have
	Memory        Reason = "memory"           // more memory than the seller lets a job have
	Output        Reason = "output"           // more output than the seller lets a job have
	WallTime      Reason = "wall_time"        // more wall time than the seller lets a job have
	ModuleSize    Reason = "module_too_large" // more bytes than the seller, or anyone, takes
	InputSize     Reason = "input_too_large"  // more input than the seller, or anyone, takes
	ModuleInvalid Reason = "module_invalid"   // not WebAssembly, or with something that cannot be metered
	ImportUnknown Reason = "import_unknown"   // the module imports what the guest's world does not have
	BadJob        Reason = "bad_job"          // the job breaks a bound that holds everywhere
	NotSelling    Reason = "not_selling"      // the node does not sell, or not now
	Busy          Reason = "busy"             // all slots and the queue are full, or the buyer's share is
	Expired       Reason = "expired"          // the quote is not valid any more
	UnknownQuote  Reason = "unknown_quote"    // the order names a quote that this seller did not give
	QuoteUsed     Reason = "quote_used"       // the quote was ordered by already
	UnknownOrder  Reason = "unknown_order"    // the seller has no such order
	InputsMissing Reason = "inputs_missing"   // the seller could not get module or input from the buyer
	EngineFailed  Reason = "engine_failed"    // the seller's engine failed, not the guest
	SellerLost    Reason = "seller_lost"      // the seller went away and did not come back in time
	BadReceipt    Reason = "bad_receipt"      // receipt, delivery or bill do not fit the order
	BadOutput     Reason = "bad_output"       // the output is not what the receipt says, or never came
	BadStatement  Reason = "bad_statement"    // something the seller signed cannot be read
	NotPaid       Reason = "not_paid"         // the buyer's ledger would not make the payment
	Internal      Reason = "internal"         // this node failed; its log says more
	TooSlow       Reason = "too_slow"         // below the slowest rate of the quote; what ran is paid
	NoVoucher     Reason = "no_voucher"       // no voucher came for what the guest had used; what ran is paid
	CreditLimit   Reason = "credit_limit"     // the buyer came to owe all that it may; what ran is paid
	Revoked       Reason = "revoked"          // the buyer's entity took its certificate back; what ran is paid
	Mismatch      Reason = "mismatch"         // a check came to something else than the seller signed
	Excluded      Reason = "excluded"         // the seller has lied to this node before
	SellerPaused  Reason = "seller_paused"    // the seller holds the job, and lets it go on when it wants
	Unlabelled    Reason = "unlabelled"       // the seller does not have a label that the job wants
	NotWelcome    Reason = "not_welcome"      // the seller's lists or its policy program refuse buyer or module
)

// stopReasons are the reasons for which a seller ends a guest and bills what ran.
var stopReasons = []Reason{TooSlow, NoVoucher, CreditLimit, Revoked}

var hints = map[Reason]string{
	OutOfFuel:     "give it more with --fuel, or a higher --max-credit",
	Trapped:       "the program's own fault; its output so far is in the job's log",
	OutputLimit:   "it wrote more than its output limit; allow more with --output",
	Timeout:       "allow more time with --timeout",
	Cancelled:     "what ran was paid",
	NoSeller:      "add a peer with --bootstrap or peer add, or sell on another node with up --sell",
	Unreachable:   "check the address with peer ping, or let others serve it by leaving out --to",
	RefusedPrice:  "allow more with --max-credit or --max-price, or ask for less with --fuel",
	RefusedCredit: "ask the seller for a grant (credit limit), or ask for less with --max-credit or --fuel",
	Fuel:          "ask for less with --fuel",
	Memory:        "ask for less with --memory",
	Output:        "ask for less output",
	WallTime:      "ask for less with --timeout",
	ModuleSize:    "a module has at most 64 MiB, and each seller may take less; strip it of debug data",
	InputSize:     "inputs have at most 1 GiB, and each seller may take less",
	ModuleInvalid: "it must be a WebAssembly module for WASI preview 1, for example built with GOOS=wasip1 GOARCH=wasm",
	ImportUnknown: "build it for WASI preview 1 and nothing else",
	BadJob:        "change what the message names",
	NotSelling:    "ask another seller",
	Busy:          "try again later, or ask another seller",
	Expired:       "try again",
	UnknownQuote:  "try again",
	QuoteUsed:     "try again",
	UnknownOrder:  "try again; nothing was paid",
	InputsMissing: "this node must stay reachable until the seller has the inputs; nothing was paid",
	EngineFailed:  "try another seller with --to; nothing was paid",
	SellerLost:    "try another seller with --to; nothing was paid, what arrived is in the job's log",
	BadReceipt:    "do not trust this seller; nothing was paid",
	BadOutput:     "do not trust this seller; nothing was paid",
	BadStatement:  "the seller speaks another version or is broken; nothing was paid",
	NotPaid:       "see credit list and credit check",
	Internal:      "see the node's log",
	TooSlow:       "what ran was paid, and how slow it was is its seller's word; try another with --to, one with a lower slowest rate in quote",
	NoVoucher:     "what ran is owed; keep this node running and within reach of the seller while the job runs, and see its log for why a voucher could not be given",
	Mismatch:      "the seller was not paid and is asked no more; see peer show, and receipt prove for what shows it to others",
	Excluded:      "ask another seller; see peer show, and peer forgive",
	Unlabelled:    "ask for other labels with --label, or leave it away",
	NotWelcome:    "ask another seller, or this one's owner",
	SellerPaused:  "it goes on when the seller does; job cancel ends it, and what ran is paid",
	CreditLimit:   "what ran is owed; ask the seller for a grant (credit limit) as high as the job may cost, or ask for less with --fuel or --max-credit",
	Revoked:       "what ran is owed; have the entity issue a new certificate (cert issue), or use a node that acts for itself",
}

// Hint says what to do about it, in one sentence without a full stop.
func (r Reason) Hint() string { return hints[r] }

// Known says whether r is one of the words above.
func (r Reason) Known() bool { return hints[r] != "" }

// check refuses what is not a word. Words of a later version are let through.
func (r Reason) check() error {
	if len(r) < 1 || len(r) > 32 {
		return fmt.Errorf("the reason has %d characters, want 1 to 32", len(r))
	}
	for _, c := range []byte(r) {
		if (c < 'a' || c > 'z') && c != '_' {
			return fmt.Errorf("the reason has characters other than a-z and _")
		}
	}
	return nil
}

// A Refused error is a job that was refused or could not be had: its Reason,
// and a sentence with the facts.
type Refused struct {
	Reason Reason
	Text   string
	// Try is what would have helped, as flags with their numbers; "" is not known.
	Try string
}

// try says what would have helped.
func (e *Refused) try(format string, args ...any) *Refused {
	e.Try = fmt.Sprintf(format, args...)
	return e
}

// Error returns the sentence and the hint.
func (e *Refused) Error() string {
	text := e.Text
	if text == "" {
		text = string(e.Reason)
	}
	if hint := e.Reason.Hint(); hint != "" {
		text += ": " + hint
	}
	return text
}

// refuse makes a *Refused.
func refuse(r Reason, format string, args ...any) *Refused {
	return &Refused{Reason: r, Text: fmt.Sprintf(format, args...)}
}
