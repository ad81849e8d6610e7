package frame

import "github.com/peersea/sea/node/transport"

// The bounds of relayed connections, in bytes.
const (
	// MaxRelay is the most that one Relay carries.
	MaxRelay = 8 << 10

	// RelayWindow is how many bytes of Relays, each RelayCost more than its
	// data, may be on their way from one end to the other, which has not taken
	// them.
	RelayWindow = 64 << 10
	RelayCost   = 64
)

// The tags of relayed connections.
const (
	TagRelay Tag = iota + 24
	TagRelayCredit
	TagRelayEnd
)

type (
	// Relay carries a piece of a message of a connection that another node
	// relays. Stream is the relay's name for the connection; Out tells that the
	// frame comes from the relay, 1, or goes to it, 0. Left is how many bytes of
	// the message come after this piece.
	Relay struct {
		Stream, Out, Left uint64
		Data              []byte
	}

	// RelayCredit tells that the other end has taken N bytes of a stream. Out is
	// as in Relay.
	RelayCredit struct{ Stream, Out, N uint64 }

	// RelayEnd ends a stream; Out is as in Relay.
	RelayEnd struct{ Stream, Out uint64 }
)

// Tag is TagRelay.
func (*Relay) Tag() Tag { return TagRelay }

// Tag is TagRelayCredit.
func (*RelayCredit) Tag() Tag { return TagRelayCredit }

// Tag is TagRelayEnd.
func (*RelayEnd) Tag() Tag { return TagRelayEnd }

func (f *Relay) fields(c codec) {
	c.uint("stream", &f.Stream, maxUint)
	c.uint("way", &f.Out, 1)
	c.uint("bytes left", &f.Left, transport.MaxMessage)
	c.bytes("data", &f.Data, 1, MaxRelay)
}
func (f *RelayCredit) fields(c codec) {
	c.uint("stream", &f.Stream, maxUint)
	c.uint("way", &f.Out, 1)
	c.uint("bytes", &f.N, RelayWindow)
}
func (f *RelayEnd) fields(c codec) {
	c.uint("stream", &f.Stream, maxUint)
	c.uint("way", &f.Out, 1)
}
