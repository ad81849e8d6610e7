package frame

import (
	"github.com/peersea/sea/node/addr"
)

// The bounds of channels. Sizes are in bytes.
const (
	// MaxPublished is the largest message of a channel as its author gives it.
	MaxPublished = 64 << 10

	// MaxSigned is the largest body that an author signs: a message and what
	// stands around it.
	MaxSigned = MaxPublished + 512

	// MaxIDs is how many messages one frame may name.
	MaxIDs = 64

	// MaxSample is how many members one frame may name.
	MaxSample = 8

	// MaxWalk is how many hops a walk through a channel has at most.
	MaxWalk = 6

	// MaxPast is how many past messages a member may ask for.
	MaxPast = 16
)

// Wants of a Neighbour.
const (
	WantRoom   = iota // only if there is room
	WantNeeded        // in any case: the asker has few partners
	WantNew           // in any case, and lead walks: the asker is new
)

// An ID names a message of a channel.
type ID [16]byte

type (
	// Publish carries a message of a channel: Sig is Author's signature of
	// Body. Past is 1 when it answers a Past.
	Publish struct {
		Channel addr.Addr
		Past    uint64
		Author  [32]byte
		Body    []byte
		Sig     [64]byte
	}

	// Have names messages that the sender has. Without any it says that the
	// sender is there.
	Have struct {
		Channel addr.Addr
		IDs     []ID
	}

	// Graft asks for messages, and for all later ones in full.
	Graft struct {
		Channel addr.Addr
		IDs     []ID
	}

	// Prune asks to be told of large messages by Have alone.
	Prune struct{ Channel addr.Addr }

	// Neighbour asks to become partners. IDs are the sender's latest messages.
	Neighbour struct {
		Channel addr.Addr
		Want    uint64
		IDs     []ID
	}

	// Partner answers a Neighbour: Yes is 0 or 1. Members are some others to
	// ask.
	Partner struct {
		Channel addr.Addr
		Yes     uint64
		IDs     []ID
		Members []addr.Addr
	}

	// Leave tells that the sender is no partner of the receiver, or no member.
	Leave struct{ Channel addr.Addr }

	// Walk leads a new member, Who, to partners: TTL hops are left.
	Walk struct {
		Channel addr.Addr
		Who     addr.Addr
		TTL     uint64
	}

	// Shuffle offers some members to whoever it ends at. Path are the nodes
	// that it has come through, the sender last.
	Shuffle struct {
		Channel addr.Addr
		Path    []addr.Addr
		Members []addr.Addr
	}

	// Shuffled answers a Shuffle. Path are the nodes still to go through, the
	// next one last; it is for the receiver when there are none.
	Shuffled struct {
		Channel addr.Addr
		Path    []addr.Addr
		Members []addr.Addr
	}

	// Past asks for the last messages, Want of them.
	Past struct {
		Channel addr.Addr
		Want    uint64
	}
)

// Tag is TagPublish.
func (*Publish) Tag() Tag { return TagPublish }

// Tag is TagHave.
func (*Have) Tag() Tag { return TagHave }

// Tag is TagGraft.
func (*Graft) Tag() Tag { return TagGraft }

// Tag is TagPrune.
func (*Prune) Tag() Tag { return TagPrune }

// Tag is TagNeighbour.
func (*Neighbour) Tag() Tag { return TagNeighbour }

// Tag is TagPartner.
func (*Partner) Tag() Tag { return TagPartner }

// Tag is TagLeave.
func (*Leave) Tag() Tag { return TagLeave }

// Tag is TagWalk.
func (*Walk) Tag() Tag { return TagWalk }

// Tag is TagShuffle.
func (*Shuffle) Tag() Tag { return TagShuffle }

// Tag is TagShuffled.
func (*Shuffled) Tag() Tag { return TagShuffled }

// Tag is TagPast.
func (*Past) Tag() Tag { return TagPast }

func (f *Publish) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	c.uint("past", &f.Past, 1)
	exactly(c, "author", f.Author[:])
	c.bytes("body", &f.Body, 1, MaxSigned)
	exactly(c, "signature", f.Sig[:])
}
func (f *Have) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	packed(c, "ids", &f.IDs, 0, MaxIDs)
}
func (f *Graft) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	packed(c, "ids", &f.IDs, 0, MaxIDs)
}
func (f *Prune) fields(c codec) { exactly(c, "channel", f.Channel[:]) }
func (f *Neighbour) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	c.uint("want", &f.Want, WantNew)
	packed(c, "ids", &f.IDs, 0, MaxIDs)
}
func (f *Partner) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	c.uint("yes", &f.Yes, 1)
	packed(c, "ids", &f.IDs, 0, MaxIDs)
	packed(c, "members", &f.Members, 0, MaxSample)
}
func (f *Leave) fields(c codec) { exactly(c, "channel", f.Channel[:]) }
func (f *Walk) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	exactly(c, "who", f.Who[:])
	c.uint("ttl", &f.TTL, MaxWalk)
}
func (f *Shuffle) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	packed(c, "path", &f.Path, 1, MaxWalk)
	packed(c, "members", &f.Members, 0, MaxSample)
}
func (f *Shuffled) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	packed(c, "path", &f.Path, 0, MaxWalk)
	packed(c, "members", &f.Members, 0, MaxSample)
}
func (f *Past) fields(c codec) {
	exactly(c, "channel", f.Channel[:])
	c.uint("want", &f.Want, MaxPast)
}

// ChannelOf returns the channel that f is about, if it is a channel's frame.
func ChannelOf(f Frame) (addr.Addr, bool) {
	switch f := f.(type) {
	case *Publish:
		return f.Channel, true
	case *Have:
		return f.Channel, true
	case *Graft:
		return f.Channel, true
	case *Prune:
		return f.Channel, true
	case *Neighbour:
		return f.Channel, true
	case *Partner:
		return f.Channel, true
	case *Leave:
		return f.Channel, true
	case *Walk:
		return f.Channel, true
	case *Shuffle:
		return f.Channel, true
	case *Shuffled:
		return f.Channel, true
	case *Past:
		return f.Channel, true
	}
	return addr.Addr{}, false
}

// exactly is codec.bytes for a member of one length.
func exactly(c codec, name string, v []byte) {
	b := v
	c.bytes(name, &b, len(v), len(v))
	if reads(c) {
		copy(v, b)
	}
}

// reads reports whether c reads. A frame that is written is not touched, for
// several links may write it at once.
func reads(c codec) bool {
	_, ok := c.(*reader)
	return ok
}

// packed is codec.bytes for least to most members of one length, one after the
// other.
func packed[T ID | addr.Addr](c codec, name string, v *[]T, least, most int) {
	var one T
	size := len(one)
	flat := make([]byte, 0, len(*v)*size)
	for _, t := range *v {
		for i := range size {
			flat = append(flat, t[i])
		}
	}
	c.list(name, &flat, size, least*size, most*size)
	if !reads(c) {
		return
	}
	*v = nil
	for ; len(flat) >= size; flat = flat[size:] {
		for i := range size {
			one[i] = flat[i]
		}
		*v = append(*v, one)
	}
}
