package ledger

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/peersea/sea/identity"
)

// Posting is an entry of a line as this ledger's owner reads it.
type Posting struct {
	// Number is the entry's place in this ledger's log, from 1; grants have
	// numbers too, so there are gaps.
	Number uint64 `json:"number"`
	// Time is the writer's clock, to 10 s: a peer's may say anything up to the
	// year 9999, which is the last that is shown.
	Time time.Time       `json:"time"`
	Peer identity.Entity `json:"peer"`
	// Ours tells that we promised. Otherwise the peer did.
	Ours bool   `json:"ours"`
	Kind string `json:"kind"`
	// Amount is what the balance grew by: negative when it is ours, zero for an
	// entry that promises nothing yet. Balance is that with the peer afterwards,
	// positive when the peer owes us.
	Amount  Amount `json:"amount_micro"`
	Balance Amount `json:"balance_micro"`
	// Seq is the entry's number in its writer's half-chain, Cum what the writer
	// has promised in all.
	Seq uint64 `json:"seq"`
	Cum Amount `json:"cum_micro"`
	// Ref is what it is for, the order of a job. Hash is the entry's.
	Ref  identity.Hash `json:"ref"`
	Hash identity.Hash `json:"hash"`
	// Job and Module are what Ref's order was for. The ledger leaves them empty:
	// whoever keeps the orders fills them in.
	Job    string        `json:"job,omitempty"`
	Module identity.Hash `json:"module,omitzero"`
}

// Filter says which postings are wanted. The zero value takes all.
type Filter struct {
	Peer     identity.Entity // zero is any
	Ref      identity.Hash   // zero is any
	From, To time.Time       // From <= Time < To; zero is any
}

func (f Filter) takes(p Posting) bool {
	switch {
	case f.Peer != (identity.Entity{}) && p.Peer != f.Peer,
		f.Ref != (identity.Hash{}) && p.Ref != f.Ref,
		!f.From.IsZero() && p.Time.Before(f.From),
		!f.To.IsZero() && !p.Time.Before(f.To):
		return false
	}
	return true
}

// historyChunk is how many records are read in one transaction: a long one
// would keep pages that writers free.
const historyChunk = 1000

// History yields the postings that f takes, in the order in which they were
// written here, up to those of the moment it was called or later. After an error
// nothing follows: ErrDamaged, ErrSegment, ErrClosed. It reads the whole log, and needs
// memory for each line, about 100 bytes.
func (l *Ledger) History(f Filter) iter.Seq2[Posting, error] {
	return func(yield func(Posting, error) bool) {
		sums := map[identity.Entity][2]Amount{} // by peer: ours, theirs
		chunk := make([]Posting, 0, historyChunk)
		for next := uint64(1); ; {
			chunk = chunk[:0]
			read := 0
			err := l.store.view(func(g getter) error {
				k := book{g}
				return k.records(next, func(n uint64, value []byte) (bool, error) {
					payload, err := unseal(k, bLog, number(n), value)
					if err != nil {
						return false, err
					}
					rec, err := decodeRecord(payload)
					if err != nil {
						return false, damage(k, bLog, number(n), value, err.Error())
					}
					if rec.entry != nil {
						chunk = append(chunk, l.posting(next, rec, sums))
					}
					next++
					read++
					return read < historyChunk, nil
				})
			})
			if err != nil && errors.Is(l.Writable(), ErrClosed) {
				err = ErrClosed
			}
			if err != nil {
				yield(Posting{}, fmt.Errorf("read the ledger's history: %w", err))
				return
			}
			for _, p := range chunk {
				if f.takes(p) && !yield(p, nil) {
					return
				}
			}
			if read < historyChunk {
				return // that was the last
			}
		}
	}
}

func (l *Ledger) posting(n uint64, rec record, sums map[identity.Entity][2]Amount) Posting {
	e := rec.entry
	p := Posting{
		Number: n, Time: shown(e.Time()), Peer: rec.peer, Ours: e.Side == SideOf(l.self, rec.peer),
		Kind: e.Kind.String(), Seq: e.Seq, Cum: e.Cum, Ref: e.Ref, Hash: e.Hash(),
	}
	s := sums[rec.peer]
	if p.Ours {
		p.Amount = s[0] - e.Cum
		s[0] = e.Cum
	} else {
		p.Amount = e.Cum - s[1]
		s[1] = e.Cum
	}
	sums[rec.peer] = s
	p.Balance = s[1] - s[0]
	return p
}

// shown is t within the years that formats of text have.
func shown(t time.Time) time.Time {
	if last := time.Date(9999, 12, 31, 23, 59, 50, 0, time.UTC); t.After(last) {
		return last
	}
	return t.UTC()
}
