// Package sim is a small world of discrete events in which pure cores talk to
// each other: a clock that jumps from event to event, randomness from one seed,
// messages with a delay, losses, and counters.
//
// A Host is the shell around a core: it gives the core what arrives and carries
// its effects out with Send and WakeAt. Everything happens in one goroutine and
// in an order that only the seed decides, so two runs with one seed have the
// same Hash. Hosts must take randomness from the World alone and must not let
// the order of a map decide what they do.
//
// It is no test file because tests of several packages and benchmarks use it.
package sim
