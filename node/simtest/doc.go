// Package simtest plays whole seas in simulated time: thousands of nodes made of
// the production cores (routing and upkeep), on wires, NATs and clocks that are
// made up. One seed gives one course of events, to the last message; see
// Sea.Hash.
//
// What is made up: links come up after a routed offer and answer and four
// delays; signatures are not made and not checked; the delay of a pair of nodes
// is 20 to 120 ms. A link is pinged as the node does it.
package simtest
