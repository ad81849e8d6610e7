package market

import (
	"context"
	"fmt"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/plugins/state"
)

// A Mode is whether a seller works for others at the moment.
type Mode string

const (
	// Open takes orders and runs them, as the policy says.
	Open Mode = "open"
	// Draining finishes the orders that were taken, and takes no more.
	Draining Mode = "draining"
	// Paused takes no more and holds those it has where they stand. What a guest
	// has done by then stays done; its time stands still with it.
	Paused Mode = "paused"
)

// A Shift is a seller's mode until it opens again. It is kept on disk, so a
// restart does not end it.
type Shift struct {
	Mode Mode `cbor:"mode" json:"mode"`
	// Until is when it opens by itself, in milliseconds of Unix time; 0 is when
	// SetShift says so. An open one has none.
	Until int64 `cbor:"until,omitempty" json:"until_ms,omitempty"`
}

// Check says what is wrong with the shift.
func (s Shift) Check() error {
	switch {
	case s.Mode != Open && s.Mode != Draining && s.Mode != Paused:
		return fmt.Errorf("the mode is %q, want open, draining or paused", s.Mode)
	case s.Until < 0 || s.Mode == Open && s.Until != 0:
		return fmt.Errorf("a seller that is %s has no end at %d", s.Mode, s.Until)
	}
	return nil
}

// over says whether s has ended by itself.
func (s Shift) over(now time.Time) bool { return s.Until != 0 && now.UnixMilli() >= s.Until }

// refuses says why nothing is taken, nil when something may be.
func (s Shift) refuses() *Refused {
	if s.Mode == Open {
		return nil
	}
	text := "this node has paused"
	if s.Mode == Draining {
		text = "this node finishes what it has and takes no more"
	}
	if s.Until != 0 {
		text += " until " + time.UnixMilli(s.Until).UTC().Format(time.RFC3339)
	}
	return refuse(NotSelling, "%s", text)
}

var shiftKey = []byte("shift")

type shiftBody struct {
	V uint64 `cbor:"v"`
	Shift
}

// Shift is whether this node works for others now.
func (m *Market) Shift() Shift {
	m.selling.Lock()
	defer m.selling.Unlock()
	return m.selling.shift
}

// SetShift pauses, drains or opens this seller, at once, and keeps it on disk. It
// may be called from Init on; a shift that does not pass Check is refused.
func (m *Market) SetShift(s Shift) error {
	if err := s.Check(); err != nil {
		return err
	}
	raw, err := cbor.Marshal(shiftBody{version, s})
	if err != nil {
		return err
	}
	var b state.Batch
	b.Put(m.offered, shiftKey, raw)
	if err := m.book.store.Commit(&b); err != nil {
		return err
	}
	m.shift(s)
	return nil
}

// shift holds the guests or lets them go on, and tells those who follow.
func (m *Market) shift(s Shift) {
	m.selling.Lock()
	m.selling.shift = s
	close(m.selling.shifted)
	m.selling.shifted = make(chan struct{})
	m.holdAllLocked()
	m.selling.Unlock()
}

// holdsLocked says whether guests stand still, because the seller has paused or
// rests.
func (m *Market) holdsLocked() bool {
	return m.selling.shift.Mode == Paused || m.selling.rest.Why != ""
}

// holdAllLocked has every guest follow what holdsLocked says.
func (m *Market) holdAllLocked() {
	for _, s := range m.selling.sales {
		s.pause(m.holdsLocked())
	}
	m.wakeSlots()
	m.renotice()
}

// pause holds the sale's guest, or takes that back. It is called with selling's
// lock held.
func (s *sale) pause(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused = hold; hold {
		s.control.Pause(string(Paused))
		s.tab.mark.at = time.Time{}
	} else {
		s.control.Resume(string(Paused))
	}
	s.touch()
}

// initShift reads what is on disk.
func (m *Market) initShift() error {
	m.selling.shift, m.selling.shifted = Shift{Mode: Open}, make(chan struct{})
	raw, err := m.offered.Get(shiftKey)
	if err != nil || raw == nil {
		return err
	}
	var body shiftBody
	if err := decodeRecord(raw, version, &body); err != nil {
		return err
	}
	if err := body.Check(); err != nil {
		return err
	}
	if !body.over(time.Now()) {
		m.selling.shift = body.Shift
	}
	return nil
}

// keepShift opens the seller when its shift is over, until ctx ends.
func (m *Market) keepShift(ctx context.Context) {
	for {
		m.selling.Lock()
		s, shifted := m.selling.shift, m.selling.shifted
		m.selling.Unlock()
		var end <-chan time.Time
		if s.Until != 0 {
			end = time.After(time.Until(time.UnixMilli(s.Until)))
		}
		select {
		case <-end:
			if m.Shift() == s {
				m.shift(Shift{Mode: Open})
			}
		case <-shifted:
		case <-ctx.Done():
			return
		}
	}
}
