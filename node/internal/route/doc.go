// Package route decides where routed requests go. It is pure: Core.Step takes
// the time and an event and returns effects; there is no goroutine, no clock,
// no socket and no signature check in it.
//
// The rule is greedy: hand a request to the neighbour with the smallest XOR
// distance to its target if that is strictly smaller than one's own, else one
// is the end. It has no loops. Where every node has a link into each part of
// the sea that is not empty, it ends at the node that is nearest of all
// (Kademlia §3 has the argument for iterative look-ups).
//
// The source alone may begin through a neighbour that is not nearer than
// itself: a node that has just joined knows nobody else.
//
// Replies go back the way the request came. Guard keeps a destination from
// carrying out a request twice.
package route
