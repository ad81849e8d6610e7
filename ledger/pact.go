package ledger

import (
	"fmt"

	"github.com/peersea/sea/identity"
)

// Agreed is the newest checkpoint of a line as this ledger's owner reads it.
type Agreed struct {
	N    uint64        `json:"n"`
	Tick uint64        `json:"tick"`
	Hash identity.Hash `json:"hash"`

	// Mine and Theirs are how far both half-chains had come.
	Mine   Half `json:"mine"`
	Theirs Half `json:"theirs"`
}

// pact is what is kept of a line's checkpoints: the newest that both signed,
// and on the low side the one after it, from when it is signed until the high
// side's signature is there.
type pact struct {
	peer     identity.Entity
	agreed   *Checkpoint
	proposed *Checkpoint
}

func (p pact) n() uint64 {
	if p.agreed == nil {
		return 0
	}
	return p.agreed.N
}

func (k book) pact(line LineID, peer identity.Entity) (pact, error) {
	p, found, err := read(k, bCheckpoint, line[:], decodePact)
	switch {
	case err != nil:
		return pact{}, err
	case !found:
		return pact{peer: peer}, nil
	case p.peer != peer:
		return pact{}, damage(k, bCheckpoint, line[:], nil, "it is of another peer")
	}
	return p, nil
}

func (b *batch) keepPact(line LineID, p pact) error {
	if err := b.put(bCheckpoint, line[:], p.encode()); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

func (p pact) encode() []byte {
	b := append(make([]byte, 0, 1+32+2+CheckpointSize+ProposalSize+sumSize), version)
	return appendPacts(append(b, p.peer[:]...), p.agreed, p.proposed)
}

func decodePact(b []byte) (pact, error) {
	r := reader{b: b, what: "checkpoint record"}
	r.version()
	p := pact{peer: identity.Entity(r.hash())}
	p.agreed, p.proposed = r.pacts()
	return p, r.end()
}

// pactMessage is all that is said about checkpoints, either way:
//
//	checkpoint   the newest that both signed as I have it, and the one that I propose
//
// Only the low side proposes.
type pactMessage struct {
	line     LineID
	agreed   *Checkpoint
	proposed *Checkpoint
}

func (m pactMessage) encode() []byte {
	return appendPacts(begin(typeCheckpoint, m.line), m.agreed, m.proposed)
}

func decodePactMessage(b []byte) (pactMessage, error) {
	r := reader{b: b, what: "checkpoint message"}
	m := pactMessage{line: r.begin(typeCheckpoint)}
	m.agreed, m.proposed = r.pacts()
	for _, c := range []*Checkpoint{m.agreed, m.proposed} {
		if c != nil && c.Line != m.line {
			r.fail(ErrFormat, "its checkpoint is of another line")
		}
	}
	return m, r.end()
}

func appendPacts(b []byte, agreed, proposed *Checkpoint) []byte {
	b = append(b, flagByte(agreed != nil))
	if agreed != nil {
		b = append(b, agreed.Encode()...)
	}
	b = append(b, flagByte(proposed != nil))
	if proposed != nil {
		b = append(b, proposed.encodeProposal()...)
	}
	return b
}

func (r *reader) pacts() (agreed, proposed *Checkpoint) {
	if r.flag("whether there is a checkpoint") {
		c := r.checkpoint()
		agreed = &c
	}
	if r.flag("whether there is a proposal") {
		c := r.proposal()
		proposed = &c
	}
	return agreed, proposed
}
