package upkeep

import (
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/table"
)

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Up tells of a link that was proven. Since is filled in.
	Up struct{ Link table.Link }

	// Entry tells that a neighbour is a way into the sea, a bootstrap: the node
	// is looked up through it.
	Entry struct{ Addr addr.Addr }

	// Down tells that a link ended.
	Down struct{ Addr addr.Addr }

	// Needs tells how much the peer needs the link to it.
	Needs struct {
		From addr.Addr
		Need table.Need
	}

	// Holds tells whether an application or the user wants a link.
	Holds struct {
		Addr addr.Addr
		Held bool
	}

	// Told is the answer to Ask: what is near to us, as far as From knows.
	Told struct {
		From  addr.Addr
		Addrs []addr.Addr
	}

	// Named is the end of a Whom: what is near to its Target, as far as the
	// neighbour knows; nothing when there was no answer.
	Named struct {
		ID    uint64
		Addrs []addr.Addr
	}

	// Found is the end of a Look. OK is false when there was no answer.
	Found struct {
		ID   uint64
		Addr addr.Addr
		OK   bool
	}

	// Idle tells that a neighbour has been silent for its Pace.
	Idle struct{ Addr addr.Addr }

	// Silent tells that a link is given up because its peer said nothing for its
	// Pace; Down follows.
	Silent struct{ Addr addr.Addr }

	// Rumor tells that a neighbour has given up the link to another, who said
	// nothing.
	Rumor struct{ From, Of addr.Addr }

	// Tried tells that a Link has come to its end. If it succeeded Up tells so,
	// before or after.
	Tried struct{ To addr.Addr }

	// Tick lets time pass; send it at Wake.
	Tick struct{}
)

func (Up) event()     {}
func (Entry) event()  {}
func (Down) event()   {}
func (Needs) event()  {}
func (Holds) event()  {}
func (Told) event()   {}
func (Named) event()  {}
func (Found) event()  {}
func (Idle) event()   {}
func (Silent) event() {}
func (Rumor) event()  {}
func (Tried) event()  {}
func (Tick) event()   {}

// An Effect is something to do: one of the types below.
type Effect interface{ effect() }

type (
	// Look asks for the node nearest to Target that is not this one, beginning
	// at the neighbour First. Found must follow, whatever comes of it.
	Look struct {
		ID     uint64
		Target addr.Addr
		First  addr.Addr
	}

	// Link asks for a link to the node at To, which is found through the
	// neighbour First; the zero Addr is any. Tried must follow.
	Link struct{ To, First addr.Addr }

	// Ask asks a neighbour for the nodes that it is linked to and that are
	// nearest to this one. Told may follow.
	Ask struct{ To addr.Addr }

	// Whom asks a neighbour for the nodes that it is linked to and that are
	// nearest to Target. Named must follow.
	Whom struct {
		ID     uint64
		To     addr.Addr
		Target addr.Addr
	}

	// Ping asks a neighbour for a sign of life.
	Ping struct{ To addr.Addr }

	// Warn tells a neighbour that another may be dead.
	Warn struct{ To, Of addr.Addr }

	// Doubt asks a neighbour that was silent for RumorAfter to show that it lives,
	// within DoubtFor.
	Doubt struct{ Of addr.Addr }

	// Say tells a neighbour how much this node needs the link.
	Say struct {
		To   addr.Addr
		Need table.Need
	}

	// Drop ends a link that neither side needs.
	Drop struct{ To addr.Addr }

	// Probe asks all neighbours to show that they live, within ProbeWait; the
	// links of those who do not are to be ended.
	Probe struct{}

	// Rejoin asks for a link to any bootstrap: there is no link at all, or the
	// sea may have been in two.
	Rejoin struct{}
)

func (Look) effect()   {}
func (Link) effect()   {}
func (Ask) effect()    {}
func (Whom) effect()   {}
func (Ping) effect()   {}
func (Warn) effect()   {}
func (Doubt) effect()  {}
func (Say) effect()    {}
func (Drop) effect()   {}
func (Probe) effect()  {}
func (Rejoin) effect() {}
