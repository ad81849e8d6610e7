package route

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/rpc"
)

// What routed requests and their replies are signed for.
const (
	RequestPurpose identity.Purpose = "sea/rpc/1"
	ReplyPurpose   identity.Purpose = "sea/reply/1"
)

// MaxLife is how long after its issue a request may still be carried out, by the source's
// clock: see Slack.
const MaxLife = 30 * time.Second

// What a routed request may ask for in the open: both without a body.
const (
	// NearScope is the one scope that is answered by the end of the path,
	// whoever that is; all others only by the node at the target.
	NearScope = "sea:nearest"

	// ContactScope asks the node at the target for its contact record, whose
	// key all else is sealed to.
	ContactScope = "sea:contact"
)

// SealedScope is what all other requests bear: what they ask for is in the sealed
// body.
const SealedScope = "sea:sealed"

// MaxBody is the largest body of a routed request or reply as it travels.
const MaxBody = frame.MaxRouted + sealed.Overhead

// ErrInvalid is returned, wrapped with the reason, when a statement is not a
// routed request or reply.
var ErrInvalid = errors.New("routed")

// A Request is what a source asks of the node at To.
type Request struct {
	// Source signed it.
	Source identity.Entity

	// Network is where it is meant to be.
	Network string

	// ID is drawn by the source and names the request together with Source.
	ID [16]byte

	// To is the target. Not, when not zero, is a node that must not be the
	// end of the path; only a request of NearScope has it.
	To, Not addr.Addr

	// Issued and Expires bound when it may be carried out, to the millisecond,
	// at most MaxLife apart.
	Issued, Expires time.Time

	// Scope is NearScope or ContactScope, and then Body is empty, or it is
	// SealedScope.
	Scope string
	Body  []byte

	// Signed is the statement as it came or was made, Encoded its bytes.
	Signed  identity.Statement
	Encoded []byte
}

// Near reports whether the end of the path answers, whoever it is.
func (r *Request) Near() bool { return r.Scope == NearScope }

// Sealed reports whether the body is sealed to the node at To.
func (r *Request) Sealed() bool { return r.Scope == SealedScope }

// Binding is what a sealed body is bound to. Source must be set.
func (r *Request) Binding() sealed.Binding {
	return sealed.Binding{
		Network: r.Network, From: r.Source, To: r.To, ID: r.ID, Issued: r.Issued, Expires: r.Expires,
	}
}

// Hash names the request.
func (r *Request) Hash() identity.Hash { return r.Signed.Hash(RequestPurpose) }

type requestBody struct {
	Version uint64    `cbor:"v"`
	Network string    `cbor:"net"`
	ID      [16]byte  `cbor:"id"`
	To      addr.Addr `cbor:"to"`
	Not     []byte    `cbor:"not"`
	Issued  int64     `cbor:"iat"`
	Expires int64     `cbor:"exp"`
	Scope   string    `cbor:"scope"`
	Body    []byte    `cbor:"body"`
}

const version = 1

// Sign signs r by s and fills in Source, Signed and Encoded.
func (r *Request) Sign(s identity.Signer) error {
	r.Source = s.Entity()
	if err := r.check(); err != nil {
		return err
	}
	in := requestBody{
		Version: version, Network: r.Network, ID: r.ID, To: r.To,
		Issued: r.Issued.UnixMilli(), Expires: r.Expires.UnixMilli(),
		Scope: r.Scope, Body: r.Body,
	}
	if r.Not != (addr.Addr{}) {
		in.Not = r.Not[:]
	}
	b, err := cbor.Marshal(in)
	if err != nil {
		return fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	r.Signed, err = s.Sign(RequestPurpose, b)
	if err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	r.Encoded = r.Signed.Encode()
	return nil
}

// ReadRequest reads what Sign encoded. It does not verify the signature: see
// Verify.
func ReadRequest(b []byte) (*Request, error) {
	signed, err := identity.DecodeStatement(b)
	if err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	if err := cbor.CheckVersion(signed.Body, version); err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	var in requestBody
	if err := cbor.Unmarshal(signed.Body, &in); err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	r := &Request{
		Source: signed.By, Network: in.Network, ID: in.ID, To: in.To,
		Issued: time.UnixMilli(in.Issued), Expires: time.UnixMilli(in.Expires),
		Scope: in.Scope, Body: in.Body, Signed: signed, Encoded: b,
	}
	switch {
	case len(in.Not) == addr.Size && addr.Addr(in.Not) != addr.Addr{}:
		r.Not = addr.Addr(in.Not)
	case len(in.Not) != 0:
		return nil, fmt.Errorf("%w: request: the address to leave out is none", ErrInvalid)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// Over reports whether r's time is over at now, also for one whose clock is right when the
// source's is behind.
func (r *Request) Over(now time.Time) bool { return now.Sub(r.Expires) > Slack }

// Verify returns an error unless the source signed r.
func (r *Request) Verify() error {
	if _, err := r.Signed.Open(RequestPurpose); err != nil {
		return fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	return nil
}

func (r *Request) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: request: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch r.Scope {
	case SealedScope:
		if len(r.Body) > MaxBody {
			return bad("a body of %d bytes, above %d", len(r.Body), MaxBody)
		}
	case NearScope, ContactScope:
		if len(r.Body) > 0 {
			return bad("%s takes no body", r.Scope)
		}
	default:
		return bad("it is not sealed")
	}
	if r.Not != (addr.Addr{}) && !r.Near() {
		return bad("only %s may leave a node out", NearScope)
	}
	issued, expires := r.Issued.UnixMilli(), r.Expires.UnixMilli()
	if issued < 0 || expires < issued || expires-issued > MaxLife.Milliseconds() {
		return bad("it holds for no time, or for longer than %s", MaxLife)
	}
	return nil
}

// A Reply is what the destination answers.
type Reply struct {
	// By signed it, To is the source of the request.
	By, To  identity.Entity
	Network string

	// ID is the request's, Request its hash.
	ID      [16]byte
	Request identity.Hash

	// Code is rpc.OK or why the request was not opened; then Text may say
	// more. The answer to a request that was opened is sealed in Body,
	// whatever it is.
	Code rpc.Code
	Text string
	Body []byte

	// Signed is the statement as it came or was made, Encoded its bytes.
	Signed  identity.Statement
	Encoded []byte
}

type replyBody struct {
	Version uint64          `cbor:"v"`
	Network string          `cbor:"net"`
	ID      [16]byte        `cbor:"id"`
	To      identity.Entity `cbor:"to"`
	Request identity.Hash   `cbor:"req"`
	Code    rpc.Code        `cbor:"code"`
	Text    string          `cbor:"text"`
	Body    []byte          `cbor:"body"`
}

// Sign signs r by s and fills in By, Signed and Encoded.
func (r *Reply) Sign(s identity.Signer) error {
	r.By = s.Entity()
	if err := r.check(); err != nil {
		return err
	}
	b, err := cbor.Marshal(replyBody{
		Version: version, Network: r.Network, ID: r.ID, To: r.To, Request: r.Request,
		Code: r.Code, Text: r.Text, Body: r.Body,
	})
	if err != nil {
		return fmt.Errorf("%w: reply: %w", ErrInvalid, err)
	}
	r.Signed, err = s.Sign(ReplyPurpose, b)
	if err != nil {
		return fmt.Errorf("sign reply: %w", err)
	}
	r.Encoded = r.Signed.Encode()
	return nil
}

// ReadReply reads what Sign encoded. It does not verify the signature: see
// Verify.
func ReadReply(b []byte) (*Reply, error) {
	signed, err := identity.DecodeStatement(b)
	if err != nil {
		return nil, fmt.Errorf("%w: reply: %w", ErrInvalid, err)
	}
	if err := cbor.CheckVersion(signed.Body, version); err != nil {
		return nil, fmt.Errorf("%w: reply: %w", ErrInvalid, err)
	}
	var in replyBody
	if err := cbor.Unmarshal(signed.Body, &in); err != nil {
		return nil, fmt.Errorf("%w: reply: %w", ErrInvalid, err)
	}
	r := &Reply{
		By: signed.By, To: in.To, Network: in.Network, ID: in.ID, Request: in.Request,
		Code: in.Code, Text: in.Text, Body: in.Body, Signed: signed, Encoded: b,
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// Verify returns an error unless By signed r.
func (r *Reply) Verify() error {
	if _, err := r.Signed.Open(ReplyPurpose); err != nil {
		return fmt.Errorf("%w: reply: %w", ErrInvalid, err)
	}
	return nil
}

func (r *Reply) check() error {
	if len(r.Body) > MaxBody {
		return fmt.Errorf("%w: reply: a body of %d bytes, above %d", ErrInvalid, len(r.Body), MaxBody)
	}
	if len(r.Text) > rpc.MaxText || !utf8.ValidString(r.Text) {
		return fmt.Errorf("%w: reply: a text of %d bytes, above %d", ErrInvalid, len(r.Text), rpc.MaxText)
	}
	return nil
}

// Fits returns an error unless r answers q: the same network, source, id and
// request, and from the target where q names one node.
func (r *Reply) Fits(q *Request) error {
	switch {
	case r.Network != q.Network, r.To != q.Source, r.ID != q.ID, r.Request != q.Hash():
		return fmt.Errorf("%w: reply: it answers another request", ErrInvalid)
	case !q.Near() && addr.OfNode(r.By) != q.To:
		return fmt.Errorf("%w: reply: it comes from another node than was asked", ErrInvalid)
	}
	return nil
}
