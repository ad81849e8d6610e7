package market

import (
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/rpc"
)

// The market's scopes. Offers, what is near, and asks may be routed; notices, and
// orders and what follows them, go over a direct link.
var (
	offerMethod  = rpc.Method[offerRequest, offerAnswer]{Scope: "market:offer"}
	nearMethod   = rpc.Method[nearRequest, nearAnswer]{Scope: "market:near"}
	noticeMethod = rpc.Method[noticeRequest, noticeAnswer]{Scope: "market:notice"}
	askMethod    = rpc.Method[askRequest, askAnswer]{Scope: "market:ask"}
	orderMethod  = rpc.Method[orderRequest, follow]{Scope: "market:order"}
	followMethod = rpc.Method[followRequest, follow]{Scope: "market:follow"}
	cancelMethod = rpc.Method[cancelRequest, cancelAnswer]{Scope: "market:cancel"}
	dueMethod    = rpc.Method[dueRequest, dueAnswer]{Scope: "market:due"}
)

const (
	// followBytes is the most of each stream in one answer, outcomeBytes the
	// longest outcome in it: all together fit into a direct answer of 1 MiB.
	followBytes  = 256 << 10
	outcomeBytes = 256 << 10

	// followMillis is the longest that an answer may be waited for;
	// runningMillis when there is only to say that the guest runs, which a tiny
	// job has done before anybody could read it.
	followMillis  = 25_000
	runningMillis = 100
)

type offerRequest struct{}

type offerAnswer struct {
	Offer identity.Statement `cbor:"offer"`
}

// nearRequest asks a node for its offer and for the notices that it carries.
type nearRequest struct{}

// nearAnswer has the node's own offer, if it sells to who asked, and at most
// pick.MaxNear notices of sellers that are linked to it.
type nearAnswer struct {
	Offer *identity.Statement  `cbor:"offer"`
	Near  []identity.Statement `cbor:"near"`
}

// noticeRequest leaves an offer for anybody with a neighbour of the seller's.
type noticeRequest struct {
	Offer identity.Statement `cbor:"offer"`
}

type noticeAnswer struct{}

type askRequest struct {
	Ask identity.Statement `cbor:"ask"`
}

// askAnswer has one of the two.
type askAnswer struct {
	Quote   *identity.Statement `cbor:"quote"`
	Refusal *identity.Statement `cbor:"refusal"`
}

// orderRequest carries everything that the order hangs on, so that the seller
// needs to remember neither asks nor quotes. Wait and the cursor are those of a
// followRequest: a tiny job is ordered and delivered in one round trip.
type orderRequest struct {
	Order identity.Statement `cbor:"order"`
	Quote identity.Statement `cbor:"quote"`
	Ask   identity.Statement `cbor:"ask"`
	cursor
}

// followRequest asks what has happened to an order since the cursor.
type followRequest struct {
	Order identity.Hash `cbor:"order"`
	cursor
}

// cursor is how far the buyer is. The answer comes when there is more, or after
// Wait milliseconds, at most followMillis.
type cursor struct {
	Stdout uint64 `cbor:"stdout"`
	Stderr uint64 `cbor:"stderr"`
	Fuel   uint64 `cbor:"fuel"`
	Input  uint64 `cbor:"input"`
	// Running is whether the buyer knows that the guest runs, Held why it knows
	// that it is held.
	Running bool   `cbor:"running"`
	Held    Reason `cbor:"held,omitempty"`
	Wait    uint64 `cbor:"wait"`
	// Voucher is the buyer's newest, as the ledger encodes it.
	Voucher []byte `cbor:"voucher,omitempty"`
}

// follow is where an order stands, and the next bytes of its output.
type follow struct {
	State SaleState `cbor:"state"`
	Fuel  uint64    `cbor:"fuel"`
	// Held is why the guest is: NoVoucher, CreditLimit, Revoked, SellerPaused or,
	// while it runs, "".
	Held Reason `cbor:"held,omitempty"`
	// Input is how many bytes of module and input the seller has.
	Input uint64 `cbor:"input"`
	// Stdout and Stderr begin at the cursor; the sizes are those of the whole
	// streams as far as they are known.
	Stdout     []byte `cbor:"stdout"`
	Stderr     []byte `cbor:"stderr"`
	StdoutSize uint64 `cbor:"stdout_size"`
	StderrSize uint64 `cbor:"stderr_size"`

	// Refusal is the end of an order that came to nothing. Receipt and Delivery
	// are the end of one that ran.
	Refusal  *identity.Statement `cbor:"refusal"`
	Receipt  *identity.Statement `cbor:"receipt"`
	Delivery *identity.Statement `cbor:"delivery"`
	// Release lets the buyer close its lock by paying what the delivery says,
	// or nothing after a refusal. It is empty before the lock is here.
	Release []byte `cbor:"release,omitempty"`
	// Outcome is what the receipt's result is the hash of. It is empty when it
	// is longer than outcomeBytes: then it is fetched as a blob of OutcomeSize.
	Outcome     []byte `cbor:"outcome"`
	OutcomeSize uint64 `cbor:"outcome_size"`
}

type cancelRequest struct {
	Cancel identity.Statement `cbor:"cancel"`
}

type cancelAnswer struct{}

// dueRequest reminds a buyer of an order whose delivery is not paid.
type dueRequest struct {
	Order identity.Hash `cbor:"order"`
}

// dueAnswer says whether the buyer still deals with it, or has paid it.
type dueAnswer struct {
	Known bool `cbor:"known"`
}
