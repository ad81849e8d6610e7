package gossip

import (
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

// What messages and members' records are signed for.
const (
	MessagePurpose identity.Purpose = "sea/publish/1"
	MemberPurpose  identity.Purpose = "sea/member/1"
)

// MaxAge and MaxAhead bound the time of issue of a message, by the receiver's
// clock. They are so wide because the clocks of two members may be wrong by a
// minute each.
const (
	MaxAge   = 120 * time.Second
	MaxAhead = 120 * time.Second
)

// ErrInvalid is returned, wrapped with the reason, when a statement is no
// message or no member's record.
var ErrInvalid = errors.New("channel")

// A Message is what an author says in a channel.
type Message struct {
	// Author signed it.
	Author identity.Entity

	// Network and Channel are where it is meant to be.
	Network string
	Channel addr.Addr

	// Issued is the author's time, to the millisecond. Number tells messages
	// of one time apart.
	Issued time.Time
	Number uint64

	Scope string
	Body  []byte
}

type messageBody struct {
	Version uint64    `cbor:"v"`
	Issued  int64     `cbor:"iat"`
	Network string    `cbor:"net"`
	Number  uint64    `cbor:"num"`
	Body    []byte    `cbor:"body"`
	Channel addr.Addr `cbor:"chan"`
	Scope   string    `cbor:"scope"`
}

const version = 1

// Sign returns the frame that carries m, signed by s.
func (m Message) Sign(s identity.Signer) (*frame.Publish, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := cbor.Marshal(messageBody{
		Version: version, Issued: m.Issued.UnixMilli(), Network: m.Network, Number: m.Number,
		Body: m.Body, Channel: m.Channel, Scope: m.Scope,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: message: %w", ErrInvalid, err)
	}
	signed, err := s.Sign(MessagePurpose, b)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	return &frame.Publish{Channel: m.Channel, Author: signed.By, Body: signed.Body, Sig: signed.Sig}, nil
}

// Verify returns an error unless f is a message that its author signed.
func Verify(f *frame.Publish) error {
	if _, err := statement(f).Open(MessagePurpose); err != nil {
		return fmt.Errorf("%w: message: %w", ErrInvalid, err)
	}
	return nil
}

// read reads the message in f, whose signature has been verified.
func read(f *frame.Publish) (*Message, error) {
	if err := cbor.CheckVersion(f.Body, version); err != nil {
		return nil, fmt.Errorf("%w: message: %w", ErrInvalid, err)
	}
	var in messageBody
	if err := cbor.Unmarshal(f.Body, &in); err != nil {
		return nil, fmt.Errorf("%w: message: %w", ErrInvalid, err)
	}
	m := &Message{
		Author: f.Author, Network: in.Network, Channel: in.Channel, Issued: time.UnixMilli(in.Issued),
		Number: in.Number, Scope: in.Scope, Body: in.Body,
	}
	return m, m.check()
}

func (m *Message) check() error {
	if err := rpc.CheckScope(m.Scope); err != nil {
		return fmt.Errorf("%w: message: %w", ErrInvalid, err)
	}
	if len(m.Body) > frame.MaxPublished {
		return fmt.Errorf("%w: message: %d bytes, above %d", ErrInvalid, len(m.Body), frame.MaxPublished)
	}
	if m.Issued.UnixMilli() < 0 {
		return fmt.Errorf("%w: message: issued before 1970", ErrInvalid)
	}
	return nil
}

func statement(f *frame.Publish) identity.Statement {
	return identity.Statement{By: f.Author, Body: f.Body, Sig: f.Sig}
}

// IDOf names the message in f: the first 16 bytes of the statement's hash.
func IDOf(f *frame.Publish) frame.ID {
	h := statement(f).Hash(MessagePurpose)
	return frame.ID(h[:16])
}
