// Package upkeep decides which links a node makes, keeps and lets go. It is
// pure: Core.Step takes the time and an event and returns effects; there is no
// goroutine, no clock and no socket in it, and randomness is given to it.
//
// A node joins by looking its own address up through its first neighbour, links
// to the node found, asks it for others that are near, and so on until its
// siblings are the nearest there are; then it fills its buckets, the shallow
// ones first. Three rules make this come out right under churn:
//
//   - a bucket is looked for through a neighbour that is nearer than the bucket
//     and so has the same one: greedy routing from oneself ends at oneself;
//   - a link that the other side has nothing in place of is always taken, and
//     only links that are not needed make room (package table);
//   - now and then a node looks itself up through a far neighbour, which finds
//     what its own neighbourhood has not heard of.
//
// Times are those of the wall clock: a jump of it is how sleep shows.
package upkeep
