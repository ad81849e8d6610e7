// Package trust decides how much a buyer believes a seller: whether a job that
// was delivered is run a second time, by whom, and what follows when the two
// runs differ.
//
// A job's result and its fuel are exact, so a check is a comparison: Same. A
// Rule says how often it is made, from the straight matches of the seller's
// Record. Whether one job is checked is drawn by lot over its order and its
// receipt: the draw is the buyer's VRF, so the seller cannot foresee it, the
// buyer cannot steer it, and who is shown the proof can check it. Agreed is the
// rule of a quorum.
//
// Book keeps the records on disk. All else is pure: the market and the
// simulation in the tests use the same functions.
package trust
