// Package marketsim plays a market in simulated time: thousands of nodes that
// route with the production core, buyers that find, ask, order, check and
// remember by the functions of pick and trust, and sellers with the production
// queue. One seed gives one course of events.
//
// What is made up: the links were there before the first job and nobody leaves;
// each seller lends each buyer what it needs; jobs have no input that would have
// to be sent; what a run takes is drawn, and is the same at all sellers; a
// delivery and its payment are a call each.
package marketsim
