package frame

import (
	"github.com/peersea/sea/node/rpc"
)

// The bounds. Sizes are in bytes.
const (
	// MaxBody is the largest body of a direct request, reply or message.
	MaxBody = 1 << 20

	// MaxRouted is the largest body of a routed request or reply, before it is
	// sealed.
	MaxRouted = 64 << 10

	// MaxStatement is the largest signed statement of a routed request or
	// reply: its body, a certificate, the seal and the envelope.
	MaxStatement = MaxRouted + 2<<10

	// MaxFrame is the largest frame, joined: a body and its envelope.
	MaxFrame = MaxBody + 1<<10

	// MaxPiece is the largest frame that travels uncut. With the version byte
	// and the seal it makes a message of 16 KiB on the wire.
	MaxPiece = 16<<10 - 1 - 16

	// MaxTTL is how many hops a routed request may begin with.
	MaxTTL = 24

	// MaxAttempt is the number of the last end-to-end attempt; the first is 0.
	MaxAttempt = 2

	// MaxNeed is the greatest need of a link.
	MaxNeed = 2

	// MaxElsewhere is the room that other nodes' URLs have in an Elsewhere.
	MaxElsewhere = 1024

	// MaxBudget is how often a routed request may be tried another way.
	MaxBudget = 4

	// MaxOpen is how many cut frames may be under way at once in one direction
	// of a link.
	MaxOpen = 4

	// Window is how many bytes of messages may be on their way to a receiver
	// that has not taken them.
	Window = 1 << 20

	// MessageCost is what a message counts against the window beside its
	// scope and body.
	MessageCost = 64
)

// A Tag names a frame's kind. Tags are appended, never reused.
type Tag uint8

// The tags.
const (
	TagWelcome Tag = iota
	TagPing
	TagPong
	TagClose
	TagCredit
	TagPart
	TagOpen
	TagMessage
	TagRequest
	TagReply
	TagCancel
	TagRouted
	TagAck
	TagNak
	TagAnswer
	TagNeed
	TagElsewhere
)

// The tags of channels.
const (
	TagPublish Tag = iota + 32
	TagHave
	TagGraft
	TagPrune
	TagNeighbour
	TagPartner
	TagLeave
	TagWalk
	TagShuffle
	TagShuffled
	TagPast
)

// A Frame is one of the structs of this package.
type Frame interface {
	// Tag is the frame's kind.
	Tag() Tag
	fields(c codec)
}

type (
	// Elsewhere comes before a Close of a node without room: URLs of other nodes to
	// link to, one a line.
	Elsewhere struct{ URLs string }

	// Welcome is the responder's first sealed frame: the link counts from here
	// on. Observed is the initiator's address as the wire showed it, or empty.
	Welcome struct{ Observed string }

	// Ping asks for a Pong with the same number.
	Ping struct{ N uint64 }

	// Pong answers a Ping.
	Pong struct{ N uint64 }

	// Close is the last frame of a link and says why it ends.
	Close struct {
		Reason Reason
		Text   string
	}

	// Credit lets the other side send N more bytes of messages.
	Credit struct{ N uint64 }

	// Part is a piece of a frame that was cut. ID counts up from 0 in each
	// direction, Left is how many bytes come after this piece.
	Part struct {
		ID, Left uint64
		Data     []byte
	}

	// Open tells that an application wants to talk over the link.
	Open struct{}

	// Message is a one-way message of an application.
	Message struct {
		Scope string
		Body  []byte
	}

	// Request is a direct call. The caller chooses ID and does not use it for
	// two calls under way.
	Request struct {
		ID    uint64
		Scope string
		Body  []byte
	}

	// Reply answers a Request. Text is empty when Code is rpc.OK, Body when
	// it is not.
	Reply struct {
		ID   uint64
		Code rpc.Code
		Text string
		Body []byte
	}

	// Cancel tells that nobody waits for the reply any more.
	Cancel struct{ ID uint64 }

	// Routed carries a signed request one hop further. Hop names this hop in
	// Ack and Nak and is the sender's choice.
	Routed struct {
		Hop       uint64
		TTL       uint64
		Attempt   uint64
		Budget    uint64
		Statement []byte
	}

	// Ack tells that a Routed arrived and that its next hop is being found.
	Ack struct{ Hop uint64 }

	// Nak gives a Routed back: no way from here, for the reason in Code.
	// Budget is what is left of the request's.
	Nak struct {
		Hop    uint64
		Code   rpc.Code
		Budget uint64
	}

	// Need says how much the sender needs the link: 0 not at all, 1 there is
	// one other like it, 2 there is none. Until one comes it is 2.
	Need struct{ N uint64 }

	// Answer carries a signed reply one hop back. Attempt is the request's.
	Answer struct {
		Attempt   uint64
		Statement []byte
	}
)

// Tag is TagNeed.
func (*Need) Tag() Tag { return TagNeed }

// Tag is TagElsewhere.
func (*Elsewhere) Tag() Tag { return TagElsewhere }

// Tag is TagWelcome.
func (*Welcome) Tag() Tag { return TagWelcome }

// Tag is TagPing.
func (*Ping) Tag() Tag { return TagPing }

// Tag is TagPong.
func (*Pong) Tag() Tag { return TagPong }

// Tag is TagClose.
func (*Close) Tag() Tag { return TagClose }

// Tag is TagCredit.
func (*Credit) Tag() Tag { return TagCredit }

// Tag is TagPart.
func (*Part) Tag() Tag { return TagPart }

// Tag is TagOpen.
func (*Open) Tag() Tag { return TagOpen }

// Tag is TagMessage.
func (*Message) Tag() Tag { return TagMessage }

// Tag is TagRequest.
func (*Request) Tag() Tag { return TagRequest }

// Tag is TagReply.
func (*Reply) Tag() Tag { return TagReply }

// Tag is TagCancel.
func (*Cancel) Tag() Tag { return TagCancel }

// Tag is TagRouted.
func (*Routed) Tag() Tag { return TagRouted }

// Tag is TagAck.
func (*Ack) Tag() Tag { return TagAck }

// Tag is TagNak.
func (*Nak) Tag() Tag { return TagNak }

// Tag is TagAnswer.
func (*Answer) Tag() Tag { return TagAnswer }

// fields walks the members in their order on the wire, each with its bounds.
func (f *Welcome) fields(c codec) { c.text("observed", &f.Observed, rpc.MaxText) }
func (f *Ping) fields(c codec)    { c.uint("number", &f.N, maxUint) }
func (f *Pong) fields(c codec)    { c.uint("number", &f.N, maxUint) }
func (f *Close) fields(c codec) {
	number(c, "reason", &f.Reason, 1<<32-1)
	c.text("text", &f.Text, rpc.MaxText)
}
func (f *Credit) fields(c codec) { c.uint("bytes", &f.N, 2*Window) }
func (f *Part) fields(c codec) {
	c.uint("id", &f.ID, maxUint)
	c.uint("bytes left", &f.Left, MaxFrame)
	c.bytes("data", &f.Data, 1, MaxPiece)
}
func (f *Open) fields(codec) {}
func (f *Message) fields(c codec) {
	c.scope("scope", &f.Scope)
	c.bytes("body", &f.Body, 0, MaxBody)
}
func (f *Request) fields(c codec) {
	c.uint("id", &f.ID, maxUint)
	c.scope("scope", &f.Scope)
	c.bytes("body", &f.Body, 0, MaxBody)
}
func (f *Reply) fields(c codec) {
	c.uint("id", &f.ID, maxUint)
	number(c, "code", &f.Code, 1<<32-1)
	c.text("text", &f.Text, rpc.MaxText)
	c.bytes("body", &f.Body, 0, MaxBody)
}
func (f *Cancel) fields(c codec) { c.uint("id", &f.ID, maxUint) }
func (f *Routed) fields(c codec) {
	c.uint("hop", &f.Hop, maxUint)
	c.uint("ttl", &f.TTL, MaxTTL)
	c.uint("attempt", &f.Attempt, MaxAttempt)
	c.uint("budget", &f.Budget, MaxBudget)
	c.bytes("statement", &f.Statement, 1, MaxStatement)
}
func (f *Ack) fields(c codec) { c.uint("hop", &f.Hop, maxUint) }
func (f *Nak) fields(c codec) {
	c.uint("hop", &f.Hop, maxUint)
	number(c, "code", &f.Code, 1<<32-1)
	c.uint("budget", &f.Budget, MaxBudget)
}
func (f *Answer) fields(c codec) {
	c.uint("attempt", &f.Attempt, MaxAttempt)
	c.bytes("statement", &f.Statement, 1, MaxStatement)
}

func (f *Need) fields(c codec) { c.uint("need", &f.N, MaxNeed) }

func (f *Elsewhere) fields(c codec) { c.text("urls", &f.URLs, MaxElsewhere) }

// blank returns an empty frame of a kind and how many members it has beside
// the tag; nil for a tag that is not known.
func blank(t Tag) (Frame, int) {
	switch t {
	case TagWelcome:
		return new(Welcome), 1
	case TagPing:
		return new(Ping), 1
	case TagPong:
		return new(Pong), 1
	case TagClose:
		return new(Close), 2
	case TagCredit:
		return new(Credit), 1
	case TagPart:
		return new(Part), 3
	case TagOpen:
		return new(Open), 0
	case TagMessage:
		return new(Message), 2
	case TagRequest:
		return new(Request), 3
	case TagReply:
		return new(Reply), 4
	case TagCancel:
		return new(Cancel), 1
	case TagRouted:
		return new(Routed), 5
	case TagAck:
		return new(Ack), 1
	case TagNak:
		return new(Nak), 3
	case TagAnswer:
		return new(Answer), 2
	case TagNeed:
		return new(Need), 1
	case TagElsewhere:
		return new(Elsewhere), 1
	case TagPublish:
		return new(Publish), 5
	case TagHave:
		return new(Have), 2
	case TagGraft:
		return new(Graft), 2
	case TagPrune:
		return new(Prune), 1
	case TagNeighbour:
		return new(Neighbour), 3
	case TagPartner:
		return new(Partner), 4
	case TagLeave:
		return new(Leave), 1
	case TagWalk:
		return new(Walk), 3
	case TagShuffle:
		return new(Shuffle), 3
	case TagShuffled:
		return new(Shuffled), 3
	case TagPast:
		return new(Past), 2
	case TagRelay:
		return new(Relay), 4
	case TagRelayCredit:
		return new(RelayCredit), 3
	case TagRelayEnd:
		return new(RelayEnd), 2
	}
	return nil, 0
}

// String names the kind.
func (t Tag) String() string {
	if int(t) < len(tagNames) && tagNames[t] != "" {
		return tagNames[t]
	}
	return "unknown"
}

var tagNames = [...]string{
	TagWelcome: "welcome", TagPing: "ping", TagPong: "pong", TagClose: "close",
	TagCredit: "credit", TagPart: "part", TagOpen: "open", TagMessage: "message",
	TagRequest: "request", TagReply: "reply", TagCancel: "cancel",
	TagRouted: "routed", TagAck: "ack", TagNak: "nak", TagAnswer: "answer", TagNeed: "need",
	TagElsewhere: "elsewhere",
	TagPublish:   "publish", TagHave: "have", TagGraft: "graft", TagPrune: "prune",
	TagNeighbour: "neighbour", TagPartner: "partner", TagLeave: "leave", TagWalk: "walk",
	TagShuffle: "shuffle", TagShuffled: "shuffled", TagPast: "past",
	TagRelay: "relay", TagRelayCredit: "relay credit", TagRelayEnd: "relay end",
}
