package hello

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/rpc"
)

const (
	// MaxPayload is the largest payload of a handshake message.
	MaxPayload = 4 << 10

	// MaxAgent is the longest name of a program, in bytes.
	MaxAgent = 64

	// MaxSkew is by how much two clocks may differ for a link. Routed requests
	// bear less: see route.Slack.
	MaxSkew = 10 * time.Minute
)

// ErrPayload is returned, wrapped with the reason, when what the peer said of
// itself does not hold.
var ErrPayload = errors.New("hello")

// A Proof is what a handshake has shown about a peer.
type Proof struct {
	// Node is the peer's key.
	Node identity.Entity

	// Entity is who it acts for: the signer of its certificate, or Node.
	Entity identity.Entity

	// Record is its contact record, Statement the same as it was signed.
	Record    contact.Record
	Statement identity.Statement

	// Granted is the certificate that lets Node act for Entity; nil when they
	// are the same. Whoever looks later asks it again: it ends.
	Granted *identity.Certificate

	// Refused says why a certificate that was shown does not count, or is nil.
	Refused error

	// Skew is how far the peer's clock was ahead of ours, and the time the
	// handshake's message took on its way.
	Skew time.Duration

	// Run differs for each start of the peer's node.
	Run [8]byte

	// Agent is the program's name and version, in its own words.
	Agent string
}

// Addr is where the peer's node is.
func (p Proof) Addr() addr.Addr { return addr.OfNode(p.Node) }

// payload is the array that the second and the third message carry.
type payload struct {
	_           struct{} `cbor:",toarray"`
	Record      identity.Statement
	Certificate *identity.Statement
	Clock       int64 // Unix, ms
	Run         [8]byte
	Agent       string
}

// payload returns what this side says of itself.
func (p *Party) payload() ([]byte, error) {
	return cbor.Marshal(payload{
		Record: p.Record, Certificate: p.Certificate,
		Clock: p.Now().UnixMilli(), Run: p.Run, Agent: p.Agent,
	})
}

// check reads the peer's payload and holds it against the X25519 key that the
// handshake has proven.
func (p *Party) check(b, static []byte) (Proof, error) {
	if len(b) > MaxPayload {
		return Proof{}, fmt.Errorf("%w: a payload of %d bytes, above %d", ErrPayload, len(b), MaxPayload)
	}
	var in payload
	if err := cbor.Unmarshal(b, &in); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	now := p.Now()
	proof := Proof{
		Node: in.Record.By, Entity: in.Record.By, Statement: in.Record,
		Skew: time.UnixMilli(in.Clock).Sub(now), Run: in.Run, Agent: rpc.Clean(in.Agent),
	}
	if len(in.Agent) > MaxAgent || !utf8.ValidString(in.Agent) {
		return Proof{}, fmt.Errorf("%w: a program's name of %d bytes, above %d", ErrPayload, len(in.Agent), MaxAgent)
	}
	// Work comes before the signature: it is cheaper to check than to forge.
	if work := identity.Work(proof.Node); work < p.Work {
		return Proof{}, fmt.Errorf("%w: the key has %d bits of work, this network asks for %d", ErrPayload, work, p.Work)
	}
	if proof.Skew > MaxSkew || proof.Skew < -MaxSkew {
		return Proof{}, fmt.Errorf("%w: the clocks differ by %s, at most %s is allowed", ErrPayload,
			proof.Skew.Abs().Round(time.Second), MaxSkew)
	}
	var err error
	if proof.Record, err = contact.Open(in.Record); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if proof.Record.Network != p.Network {
		return Proof{}, fmt.Errorf("%w: the contact record is of another network", ErrPayload)
	}
	if string(proof.Record.Key[:]) != string(static) {
		return Proof{}, fmt.Errorf("%w: the contact record vouches for another X25519 key than this handshake's", ErrPayload)
	}
	if err := proof.Record.ValidAt(now); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if in.Certificate != nil {
		c, err := CheckCertificate(*in.Certificate, proof.Node, now)
		if proof.Refused = err; err == nil { // else it is still the node that it proves to be
			proof.Entity, proof.Granted = in.Certificate.By, &c
		}
	}
	return proof, nil
}

// CheckCertificate verifies that s lets node act for its signer, another key, at
// the time now.
func CheckCertificate(s identity.Statement, node identity.Entity, now time.Time) (identity.Certificate, error) {
	c, err := identity.OpenCertificate(s)
	switch {
	case err != nil:
		return c, err
	case c.Node != node:
		return c, fmt.Errorf("%w: it names another node", identity.ErrBadCertificate)
	case s.By == node:
		return c, fmt.Errorf("%w: the node signed it itself", identity.ErrBadCertificate)
	}
	return c, c.ValidAt(now)
}
