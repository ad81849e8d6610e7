// Package gossip spreads a channel's messages among its members: who is linked
// to whom (HyParView), which links carry a message and which only its name
// (Plumtree), and where members find each other.
//
// A Core is one member's part in one channel. It has no clock, no goroutine and
// no randomness of its own: Step takes an event and the time and returns what
// to do. A Place is what a node near a channel's address keeps for it: the
// records of a few members, for others to begin with. The node is the shell of
// both; tests run thousands of Cores in one simulated world.
//
// Members see only links to each other as partners. Every member has five or a
// few more, so that a message of at most FloodMax bytes, which goes over all of
// them, is known everywhere after a dozen hops. A larger one goes over the links
// of a tree, which forms by itself: whoever gets a message twice asks the second
// sender to say only that it has it. If the message does not come after all, it
// asks back.
package gossip
