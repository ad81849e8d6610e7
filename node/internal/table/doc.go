// Package table keeps what a node knows of its links' places in the sea: which
// are its siblings, the nodes nearest to it, and which stand for a bucket, the
// part of the sea that shares so many leading bits with it. It is pure: no
// goroutine, no clock, no randomness.
//
// What greedy routing needs is a link into each bucket that is not empty in the
// whole sea, and all siblings. A table says how much the node needs each link;
// both ends tell each other (the Need frame), and a link that neither needs may
// go. So a link is kept for the sake of the side that has nothing else, however
// many links the other side has.
package table
