// Package sealed closes the bodies of routed calls: only the destination can
// read a request, and only the source its answer. Nodes in between see who asks
// whom, when, and how many bytes.
//
// It is HPKE (RFC 9180) in base mode to the X25519 key of the destination's
// contact record. Who asks is proven by the signature of the statement around
// the sealed body, not by HPKE.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

const (
	// KeySize is the size of a public key, and of what a sealed call begins
	// with.
	KeySize = 32

	// MaxCertificate is the largest body of a certificate in a Call.
	MaxCertificate = 1 << 10

	// Overhead is how many bytes a sealed Call or Outcome may have beside the
	// body that it carries: the key, the tag, a scope, a certificate.
	Overhead = 1280

	tagSize   = 16
	nonceSize = 12

	// What the two keys of a call are for.
	callInfo     = "sea/seal/1"
	outcomeLabel = "sea/unseal/1"
)

// ErrOpen is returned, wrapped with the reason, when sealed bytes do not open:
// they were sealed to another key, for another request, or were changed.
var ErrOpen = errors.New("sealed body does not open")

// ErrInside is returned, wrapped with the reason, when bytes open but what was
// inside is no call or outcome.
var ErrInside = errors.New("sealed body")

// A Key is the pair of a node's sealing key. It is drawn anew at each start, so
// that calls of earlier runs stay closed to whoever takes the machine.
type Key struct{ private hpke.PrivateKey }

// NewKey draws a Key.
func NewKey() (*Key, error) {
	k, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw sealing key: %w", err)
	}
	return &Key{k}, nil
}

// Public returns the key that the contact record carries.
func (k *Key) Public() [KeySize]byte { return [KeySize]byte(k.private.PublicKey().Bytes()) }

// A Binding is the request that a sealed body belongs to: in any other it does
// not open.
type Binding struct {
	Network         string
	From            identity.Entity
	To              addr.Addr
	ID              [16]byte
	Issued, Expires time.Time // to the millisecond
}

func (b Binding) bytes() ([]byte, error) {
	return cbor.Marshal(struct {
		_               struct{} `cbor:",toarray"`
		Network         string
		From            identity.Entity
		To              addr.Addr
		ID              [16]byte
		Issued, Expires int64
	}{
		Network: b.Network, From: b.From, To: b.To, ID: b.ID,
		Issued: b.Issued.UnixMilli(), Expires: b.Expires.UnixMilli(),
	})
}

// A Call is what only the destination reads.
type Call struct {
	Scope string
	Body  []byte // at most frame.MaxRouted

	// Certificate, when not nil, names the entity that the source acts for.
	Certificate *identity.Statement
}

type callBody struct {
	_           struct{} `cbor:",toarray"`
	Scope       string
	Body        []byte
	Certificate *identity.Statement
}

func (c Call) check() error {
	if err := rpc.CheckScope(c.Scope); err != nil {
		return fmt.Errorf("%w: %w", ErrInside, err)
	}
	if len(c.Body) > frame.MaxRouted {
		return fmt.Errorf("%w: %d bytes, above %d", ErrInside, len(c.Body), frame.MaxRouted)
	}
	if c.Certificate != nil && len(c.Certificate.Body) > MaxCertificate {
		return fmt.Errorf("%w: a certificate of %d bytes, above %d", ErrInside, len(c.Certificate.Body), MaxCertificate)
	}
	return nil
}

// An Outcome is what only the source reads: the answer, or what went wrong.
type Outcome struct {
	Code rpc.Code
	Text string // at most rpc.MaxText
	Body []byte // at most frame.MaxRouted
}

type outcomeBody struct {
	_    struct{} `cbor:",toarray"`
	Code rpc.Code
	Text string
	Body []byte
}

func (o Outcome) check() error {
	if len(o.Body) > frame.MaxRouted {
		return fmt.Errorf("%w: %d bytes, above %d", ErrInside, len(o.Body), frame.MaxRouted)
	}
	if len(o.Text) > rpc.MaxText || !utf8.ValidString(o.Text) {
		return fmt.Errorf("%w: a text of %d bytes, above %d", ErrInside, len(o.Text), rpc.MaxText)
	}
	return nil
}

// Seal closes a call to the node with the sealing key to. The Answers open what
// comes back.
func Seal(to [KeySize]byte, b Binding, c Call) ([]byte, *Answers, error) {
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	inside, err := cbor.Marshal(callBody{Scope: c.Scope, Body: c.Body, Certificate: c.Certificate})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInside, err)
	}
	bound, err := b.bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInside, err)
	}
	public, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(to[:])
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key: %w", err)
	}
	enc, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(callInfo))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key: %w", err)
	}
	closed, err := sender.Seal(bound, inside)
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	answers, err := newAnswers(sender.Export)
	if err != nil {
		return nil, nil, err
	}
	return append(enc, closed...), answers, nil
}

// Open opens a sealed call. An error that wraps ErrInside comes with Answers:
// the source can be told so that nobody else hears it. With ErrOpen there are
// none.
func (k *Key) Open(b Binding, body []byte) (Call, *Answers, error) {
	if len(body) < KeySize+tagSize {
		return Call{}, nil, fmt.Errorf("%w: %d bytes are too few", ErrOpen, len(body))
	}
	bound, err := b.bytes()
	if err != nil {
		return Call{}, nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	recipient, err := hpke.NewRecipient(body[:KeySize], k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(callInfo))
	if err != nil {
		return Call{}, nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	inside, err := recipient.Open(bound, body[KeySize:])
	if err != nil {
		return Call{}, nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	answers, err := newAnswers(recipient.Export)
	if err != nil {
		return Call{}, nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	c, err := readCall(inside)
	return c, answers, err
}

func readCall(inside []byte) (Call, error) {
	var in callBody
	if err := cbor.Unmarshal(inside, &in); err != nil {
		return Call{}, fmt.Errorf("%w: %w", ErrInside, err)
	}
	c := Call{Scope: in.Scope, Body: in.Body, Certificate: in.Certificate}
	if err := c.check(); err != nil {
		return Call{}, err
	}
	return c, nil
}

// Answers close the outcomes of one call on one side and open them on the other.
// There are a handful at most: each attempt at a request may get one.
type Answers struct{ aead cipher.AEAD }

func newAnswers(export func(string, int) ([]byte, error)) (*Answers, error) {
	key, err := export(outcomeLabel, 32)
	if err != nil {
		return nil, fmt.Errorf("key for the answer: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key for the answer: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key for the answer: %w", err)
	}
	return &Answers{aead}, nil
}

// Seal closes the outcome of the request with the given hash.
func (a *Answers) Seal(request identity.Hash, o Outcome) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	inside, err := cbor.Marshal(outcomeBody{Code: o.Code, Text: o.Text, Body: o.Body})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInside, err)
	}
	nonce := make([]byte, nonceSize, nonceSize+len(inside)+tagSize)
	rand.Read(nonce)
	return a.aead.Seal(nonce, nonce, inside, request[:]), nil
}

// Open opens the outcome of the request with the given hash. Errors wrap ErrOpen
// or ErrInside.
func (a *Answers) Open(request identity.Hash, body []byte) (Outcome, error) {
	if len(body) < nonceSize+tagSize {
		return Outcome{}, fmt.Errorf("%w: %d bytes are too few", ErrOpen, len(body))
	}
	inside, err := a.aead.Open(nil, body[:nonceSize], body[nonceSize:], request[:])
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return readOutcome(inside)
}

func readOutcome(inside []byte) (Outcome, error) {
	var in outcomeBody
	if err := cbor.Unmarshal(inside, &in); err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrInside, err)
	}
	o := Outcome{Code: in.Code, Text: in.Text, Body: in.Body}
	if err := o.check(); err != nil {
		return Outcome{}, err
	}
	return o, nil
}
