package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/peersea/sea/identity"
)

// Unit is what amounts are of: micro-credits. It is part of a LineID.
const Unit = "credit"

// LineID names the credit account between two keys:
// SHA-256("sea/line/1" || Unit || low key || high key).
type LineID [32]byte

// LineOf returns the line between a and b, in either order. A key has no line
// with itself: nothing may be promised on it.
func LineOf(a, b identity.Entity) LineID {
	low, high := a, b
	if SideOf(a, b) == High {
		low, high = b, a
	}
	text := append(make([]byte, 0, 128), "sea/line/1"+Unit...)
	return LineID(sha256.Sum256(append(append(text, low[:]...), high[:]...)))
}

// String returns 64 hex digits.
func (id LineID) String() string { return hex.EncodeToString(id[:]) }

// Side says which of a line's two keys is meant.
type Side uint8

// The sides: Low is the key whose bytes are the smaller.
const (
	Low  Side = 0
	High Side = 1
)

// SideOf returns the side of a on the line between a and b.
func SideOf(a, b identity.Entity) Side {
	if bytes.Compare(a[:], b[:]) > 0 {
		return High
	}
	return Low
}

func (s Side) other() Side { return s ^ 1 }

// State says whether a line can be used.
//
//	            the peer shows an entry of mine that I do not have
//	Open ───────────────────────────────────────────────────────▶ Fenced
//	  │
//	  └─ the peer's signed entries contradict each other ───────▶ Disputed
//
// Neither ends by itself. Recall and what follows it open a fenced line again. A
// line that is both shows as fenced.
type State string

// The states.
const (
	// StateOpen: nothing is wrong.
	StateOpen State = "open"

	// StateFenced: this ledger is older than what the peer has of it, as after a
	// backup was restored. Nothing is signed on the line until it is rebuilt, see Recall; what
	// comes is taken.
	StateFenced State = "fenced"

	// StateDisputed: the peer signed two things that cannot both be. Nothing more of
	// theirs is taken and no credit is given; what we owe can be paid.
	StateDisputed State = "disputed"

	// StateRevoked: the entity that the peer acted for has taken its certificate
	// back. No credit is given; what the peer promises is taken, as its own.
	StateRevoked State = "revoked"

	// StateDamaged: the line cannot be read from the file. See Check.
	StateDamaged State = "damaged"
)

// Line is what a ledger knows about its account with one peer.
type Line struct {
	Peer identity.Entity `json:"peer"`

	// Balance is what the peer has promised us less what we have promised it:
	// positive when the peer owes us.
	Balance Amount `json:"balance_micro"`

	// Repaid is what of the peer's promises it owes no more: the smaller of what
	// each side has promised the other.
	Repaid Amount `json:"repaid_micro"`
	// Claim is what we may claim less what the peer may: Balance, and what
	// vouchers and preimages promise beside it. It is what limits count.
	Claim Amount `json:"claim_micro"`

	// TheyMayOwe is the limit of the grant we gave, zero once it has expired.
	// Without any the peer is a Stranger, and it is the budget that all
	// strangers share, or the part of it that newcomers do.
	TheyMayOwe Amount `json:"they_may_owe_micro"`

	// Growth is how far our grant has grown because the peer repaid.
	Growth Growth `json:"growth,omitzero"`

	// IMayOwe is the limit of the grant the peer gave us, zero without one.
	IMayOwe Amount `json:"i_may_owe_micro"`

	// TheyMayUntil and IMayUntil are when the two grants expire; zero is never.
	TheyMayUntil time.Time `json:"they_may_until,omitzero"`
	IMayUntil    time.Time `json:"i_may_until,omitzero"`

	// Warning says, for people, that 80 % of a limit is used or that a grant ends
	// within a week, or has ended; "" when there is nothing to say.
	Warning string `json:"warning,omitempty"`

	// Held is what is set aside at this moment: Holding for what the peer is
	// about to owe us, and Reserved for what we are about to owe it.
	Held     Amount `json:"held_micro"`
	Holding  Amount `json:"holding_micro"`
	Reserved Amount `json:"reserved_micro"`

	State    State  `json:"state"`
	Reason   string `json:"reason,omitempty"` // of a state that is not open, for people
	Stranger bool   `json:"stranger"`

	// Signed is what we have written on the line, and Acked what of it the peer
	// has acknowledged; Undelivered tells that there is more.
	Signed      Mark `json:"signed"`
	Acked       Mark `json:"acked"`
	Undelivered bool `json:"undelivered"`

	// Mine and Theirs are the two half-chains.
	Mine   Half `json:"mine"`
	Theirs Half `json:"theirs"`

	// Agreed is the newest checkpoint, zero before the first.
	Agreed Agreed `json:"agreed,omitzero"`

	// Acting says for whom the peer acts by the certificate that it last showed;
	// nil is for itself.
	Acting *Acting `json:"acting,omitempty"`
}

// Known tells that the ledger has records of the line.
func (l Line) Known() bool {
	return l.Signed != Mark{} || l.Theirs.Seq > 0 || l.IMayOwe > 0 || l.State != StateOpen
}

// Mark is a place in what one side has written: the numbers of its newest entry
// and grant, zero for none.
type Mark struct {
	Entry uint64 `json:"entry"`
	Grant uint64 `json:"grant"`
}

// Reaches says whether m is not before n.
func (m Mark) Reaches(n Mark) bool { return m.Entry >= n.Entry && m.Grant >= n.Grant }

// Half is the state of one writer's half-chain.
type Half struct {
	Seq uint64        `json:"seq"` // number of entries
	Cum Amount        `json:"cum_micro"`
	Tip identity.Hash `json:"tip"` // of the newest entry; zero when there is none

	// Claim is what the other side may claim in all: Cum, and beside it what
	// vouchers and preimages promise of locks. Locked is set aside in open locks.
	Claim  Amount `json:"claim_micro"`
	Locked Amount `json:"locked_micro"`
}
