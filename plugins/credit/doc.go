// Package credit carries the ledger's messages between nodes: what one has
// signed, the other gets, whatever is lost on the way.
//
// It serves two scopes. On credit:sync two nodes tell each other what they hold
// of the other's half-chain, each time they meet. On credit:push one sends
// entries and a grant, and is answered with an acknowledgement. Both bodies are
// the ledger's own messages, byte for byte.
//
// The outbox is the ledger's and is on the disk. This plugin empties it: at
// once when something is signed, again when a link to the peer comes up, and
// otherwise with growing pauses. One message per peer is under way at a time;
// it takes along all that has been signed meanwhile, so a busy line needs no
// window to keep in order.
//
// A line is between the keys of two nodes: what comes is the word of the node
// key that the link or the request's signature has proven.
package credit
