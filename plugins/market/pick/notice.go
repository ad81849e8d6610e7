package pick

import "time"

// A notice is an offer for anybody, which a seller leaves with its neighbours, so
// that a buyer who asks one node hears of all that sell near to it.
const (
	// Carriers is how many of the linked nodes are asked first for what is sold
	// near them, MaxNear how many notices each may answer with.
	Carriers = 8
	MaxNear  = 16

	// A seller leaves its notice with the NoticeTo linked nodes that are nearest to
	// it: at once with a new one, each NoticeEvery, more or less, with all, and
	// when it has changed, but not before NoticeRest is over.
	NoticeTo    = 8
	NoticeEvery = 10 * time.Minute
	NoticeRest  = 10 * time.Second

	// NoticeLife is for how long a notice may be shown to others, HintAge for how
	// long a buyer remembers one.
	NoticeLife = 25 * time.Minute
	HintAge    = 2 * time.Minute
)
