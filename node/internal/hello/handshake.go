package hello

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flynn/noise"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// suite is the Noise protocol's second half; the pattern is XX.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

// ErrHandshake is returned, wrapped with the reason, when the other side does
// not prove itself.
var ErrHandshake = errors.New("handshake")

// A Static is a node's X25519 key pair, made anew at each start.
type Static struct{ pair noise.DHKey }

// NewStatic draws a key pair from random, crypto/rand when it is nil.
func NewStatic(random io.Reader) (Static, error) {
	pair, err := noise.DH25519.GenerateKeypair(random)
	if err != nil {
		return Static{}, fmt.Errorf("draw X25519 key: %w", err)
	}
	return Static{pair}, nil
}

// Public returns the key that the contact record vouches for.
func (s Static) Public() [32]byte { return [32]byte(s.pair.Public) }

// A Party is one side of any number of handshakes. Its fields do not change
// while handshakes run.
type Party struct {
	// Network must be the same on both sides.
	Network string

	// Work is how many bits of work the other side's key needs, 0 for none.
	Work int

	// Static is our key, Record the statement that vouches for it.
	Static Static
	Record identity.Statement

	// Certificate, when not nil, lets our key act for its signer.
	Certificate *identity.Statement

	// Run and Agent are as in Proof.
	Run   [8]byte
	Agent string

	// Now is the clock, Random the source of ephemeral keys; nil is
	// crypto/rand.
	Now    func() time.Time
	Random io.Reader
}

// prologue is mixed into both sides' hashes before the first message: parties
// of other versions or networks do not get past the second.
func (p *Party) prologue() []byte {
	return append([]byte{'s', 'e', 'a', ':', 'l', 'i', 'n', 'k', 0, Version}, p.Network...)
}

func (p *Party) begin(initiator bool) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Random: p.Random, Pattern: noise.HandshakeXX,
		Initiator: initiator, Prologue: p.prologue(), StaticKeypair: p.Static.pair,
	})
}

// Initiate proves us to whoever listens at the other end, and them to us. Once
// they are known and before they know us, decide may refuse them; its error is
// returned. On every error the caller closes conn.
func (p *Party) Initiate(ctx context.Context, conn transport.Conn, decide func(Proof) error) (*Session, error) {
	state, err := p.begin(true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	first, _, _, err := state.WriteMessage([]byte{Version}, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: first message: %w", ErrHandshake, err)
	}
	if err := conn.Send(ctx, first); err != nil {
		return nil, fmt.Errorf("%w: send first message: %w", ErrHandshake, err)
	}
	said, _, _, err := read(ctx, conn, state, "second message")
	if err != nil {
		return nil, err
	}
	proof, err := p.check(said, state.PeerStatic())
	if err == nil && decide != nil {
		err = decide(proof)
	}
	if err != nil {
		return nil, p.refuse(ctx, conn, err)
	}
	mine, err := p.payload()
	if err != nil {
		return nil, fmt.Errorf("%w: third message: %w", ErrHandshake, err)
	}
	third, out, in, err := state.WriteMessage([]byte{Version}, mine)
	if err != nil {
		return nil, fmt.Errorf("%w: third message: %w", ErrHandshake, err)
	}
	if err := conn.Send(ctx, third); err != nil {
		return nil, fmt.Errorf("%w: send third message: %w", ErrHandshake, err)
	}
	return &Session{
		Peer: proof, Initiator: true, Binding: [32]byte(state.ChannelBinding()),
		out: out.Cipher(), in: in.Cipher(),
	}, nil
}

// Respond answers whoever dialled. On every error the caller closes conn.
func (p *Party) Respond(ctx context.Context, conn transport.Conn) (*Session, error) {
	state, err := p.begin(false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	said, _, _, err := read(ctx, conn, state, "first message")
	if err != nil {
		return nil, p.refuse(ctx, conn, err)
	}
	if len(said) > 0 {
		return nil, p.refuse(ctx, conn, fmt.Errorf("%w: first message: %d bytes too many", ErrHandshake, len(said)))
	}
	mine, err := p.payload()
	if err != nil {
		return nil, fmt.Errorf("%w: second message: %w", ErrHandshake, err)
	}
	second, _, _, err := state.WriteMessage([]byte{Version}, mine)
	if err != nil {
		return nil, fmt.Errorf("%w: second message: %w", ErrHandshake, err)
	}
	if err := conn.Send(ctx, second); err != nil {
		return nil, fmt.Errorf("%w: send second message: %w", ErrHandshake, err)
	}
	said, in, out, err := read(ctx, conn, state, "third message")
	if err != nil {
		return nil, p.refuse(ctx, conn, err)
	}
	proof, err := p.check(said, state.PeerStatic())
	if err != nil {
		return nil, p.refuse(ctx, conn, err)
	}
	return &Session{
		Peer: proof, Binding: [32]byte(state.ChannelBinding()),
		out: out.Cipher(), in: in.Cipher(),
	}, nil
}

// read takes the next handshake message.
func read(ctx context.Context, conn transport.Conn, state *noise.HandshakeState, which string) (said []byte, first, second *noise.CipherState, err error) {
	msg, err := conn.Recv(ctx)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: wait for %s: %w", ErrHandshake, which, err)
	}
	if r := ReadRefusal(msg); r != nil {
		return nil, nil, nil, r
	}
	rest, err := checkVersion(msg)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %s: %w", ErrHandshake, which, err)
	}
	if len(rest) > MaxPayload+2*(32+16) {
		return nil, nil, nil, fmt.Errorf("%w: %s: %d bytes are too many", ErrHandshake, which, len(rest))
	}
	said, first, second, err = state.ReadMessage(nil, rest)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %s does not verify (another network, or bytes were changed): %w", ErrHandshake, which, err)
	}
	return said, first, second, nil
}

// A Refusal is the error when a side would not go on with the handshake, or
// when decide would not. Nothing proves who said it.
type Refusal struct {
	Reason frame.Reason
	Text   string

	// Ours tells that it was this side that refused.
	Ours bool

	// Elsewhere are URLs of other nodes, which a side without room named, one a
	// line.
	Elsewhere string
}

// Error returns the reason and the text.
func (r *Refusal) Error() string {
	who := "the other side refused: "
	if r.Ours {
		who = "refused: "
	}
	if r.Text == "" {
		return who + r.Reason.String()
	}
	return who + r.Reason.String() + ": " + r.Text
}

// refusal is the plain message that ends a handshake: a zero byte, where a
// version would be, and this array.
type refusal struct {
	_      struct{} `cbor:",toarray"`
	Reason uint32
	Text   string
}

// Refuse tells the other side, in plain, why there will be no link. The caller
// closes conn.
func Refuse(ctx context.Context, conn transport.Conn, reason frame.Reason, text string) {
	b, err := cbor.Marshal(refusal{Reason: uint32(reason), Text: rpc.Clean(text)})
	if err != nil {
		return // cannot be: a number and clean text
	}
	// Whether they hear it makes no difference to us.
	_ = conn.Send(ctx, append([]byte{0}, b...))
}

// refuse tells the other side what was wrong with it and returns err.
func (p *Party) refuse(ctx context.Context, conn transport.Conn, err error) error {
	var r *Refusal
	switch {
	case errors.As(err, &r) && r.Ours:
		Refuse(ctx, conn, r.Reason, r.Text)
	case errors.As(err, &r), ctx.Err() != nil:
		// They know, or there is no time left to tell.
	default:
		Refuse(ctx, conn, frame.ReasonRefused, err.Error())
	}
	return err
}

// ReadRefusal returns the refusal that msg is, or nil. An initiator may get one
// where the first sealed message would be.
func ReadRefusal(msg []byte) *Refusal {
	if len(msg) < 2 || len(msg) > 1<<10 || msg[0] != 0 {
		return nil
	}
	var r refusal
	if err := cbor.Unmarshal(msg[1:], &r); err != nil {
		return nil
	}
	return &Refusal{Reason: frame.Reason(r.Reason), Text: rpc.Clean(r.Text)}
}
