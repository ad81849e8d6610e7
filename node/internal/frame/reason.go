package frame

import "fmt"

// A Reason says why a link ends. Reasons are appended, never renumbered.
type Reason uint32

// The reasons.
const (
	ReasonNone      Reason = 0 // not said
	ReasonOffline   Reason = 1 // the node goes offline
	ReasonDuplicate Reason = 2 // there is another link between the two
	ReasonReplaced  Reason = 3 // a newer link takes this one's place
	ReasonFull      Reason = 4 // no room for more links
	ReasonProtocol  Reason = 5 // the other side broke a rule of the protocol
	ReasonSilent    Reason = 6 // nothing was heard for too long
	ReasonRefused   Reason = 7 // key, certificate, network or clock not accepted
	ReasonExpired   Reason = 8 // not sent any more: a node whose certificate has ended acts for itself
	ReasonUnwanted  Reason = 9 // the user or the overlay gave the link up
)

var reasonText = [...]string{
	"no reason given", "going offline", "another link exists", "replaced by a newer link",
	"no room for more links", "protocol broken", "silent for too long", "not accepted",
	"certificate ended", "not wanted any more",
}

// String returns the reason in a few words.
func (r Reason) String() string {
	if int(r) < len(reasonText) {
		return reasonText[r]
	}
	return fmt.Sprintf("reason %d", uint32(r))
}
