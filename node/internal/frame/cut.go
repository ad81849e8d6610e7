package frame

import (
	"fmt"
	"slices"
)

// A Cut gives out an encoded frame in pieces that fit the wire.
type Cut struct {
	id   uint64
	head []byte // before rest; nil once it is out
	rest []byte
}

// NewCut begins to cut the encoded frame b, which is longer than MaxPiece and
// not changed until the last piece is out. id is the next of this direction.
func NewCut(id uint64, b []byte) *Cut {
	return &Cut{id: id, rest: b}
}

// NewCutOf is NewCut of the encoded frame that is head, which is short, and then
// body. Until the last piece is out or Own is called body is not changed.
func NewCutOf(id uint64, head, body []byte) *Cut {
	return &Cut{id: id, head: head, rest: body}
}

// Own makes the Cut independent of what it was made from.
func (c *Cut) Own() { c.rest = slices.Clone(c.rest) }

// partOverhead is the largest head of a Part around its data: array and tag,
// id, bytes left, and the data's own head.
const partOverhead = 2 + 9 + 5 + 3

// Next returns the next piece, an encoded Part, in scratch if it has room, and
// whether it is the last.
func (c *Cut) Next(scratch []byte) (piece []byte, last bool) {
	n := min(len(c.rest), MaxPiece-partOverhead-len(c.head))
	data := c.rest[:n]
	c.rest = c.rest[n:]
	if len(c.head) > 0 {
		data = append(c.head, data...)
		c.head = nil
	}
	return Append(scratch[:0], &Part{ID: c.id, Left: uint64(len(c.rest)), Data: data}), len(c.rest) == 0
}

// A Joiner puts the Parts of one direction of a link together. Its zero value
// is ready. It holds at most MaxOpen frames of at most MaxFrame bytes, and of
// those only the bytes that have arrived.
type Joiner struct {
	next uint64 // the id of the next frame to begin
	open map[uint64]*joint
	held int
}

// Held returns how many bytes have arrived of frames that are not whole yet.
func (j *Joiner) Held() int { return j.held }

// firstRoom is how much room a frame gets before more of it has arrived.
const firstRoom = 128 << 10

type joint struct {
	b    []byte
	left uint64
}

// Add takes a Part. When it was the last of its frame the frame is returned,
// otherwise nil. The error wraps ErrInvalid, after which the link must end.
func (j *Joiner) Add(p *Part) (Frame, error) {
	o := j.open[p.ID]
	if o == nil {
		if err := j.begin(p); err != nil {
			return nil, fmt.Errorf("%w: part: %w", ErrInvalid, err)
		}
		o = j.open[p.ID]
	}
	if uint64(len(p.Data))+p.Left != o.left {
		return nil, fmt.Errorf("%w: part: %d bytes here and %d left, but %d were left", ErrInvalid, len(p.Data), p.Left, o.left)
	}
	o.b = append(o.b, p.Data...)
	o.left = p.Left
	j.held += len(p.Data)
	if o.left > 0 {
		return nil, nil
	}
	delete(j.open, p.ID)
	j.held -= len(o.b)
	f, err := Decode(o.b)
	if err != nil {
		return nil, err
	}
	if len(o.b) <= MaxPiece {
		return nil, fmt.Errorf("%w: part: a frame of %d bytes need not be cut", ErrInvalid, len(o.b))
	}
	switch f.Tag() {
	case TagMessage, TagRequest, TagReply, TagRouted, TagAnswer, TagPublish:
		return f, nil
	}
	return nil, fmt.Errorf("%w: part: a %v is never cut", ErrInvalid, f.Tag())
}

func (j *Joiner) begin(p *Part) error {
	if p.ID != j.next {
		return fmt.Errorf("id %d, but the next to begin is %d", p.ID, j.next)
	}
	if len(j.open) >= MaxOpen {
		return fmt.Errorf("more than %d frames under way", MaxOpen)
	}
	total := uint64(len(p.Data)) + p.Left
	if total > MaxFrame {
		return fmt.Errorf("a frame of %d bytes, above %d", total, MaxFrame)
	}
	if j.open == nil {
		j.open = make(map[uint64]*joint)
	}
	j.open[p.ID] = &joint{b: make([]byte, 0, min(total, firstRoom)), left: total}
	j.next++
	return nil
}
