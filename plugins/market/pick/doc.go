// Package pick is how a buyer finds and picks sellers: whom it knows, whom it
// has dealt well with, in which order it asks them, and which quote it takes. It
// does no I/O; clock and chance are its caller's, so the market and the
// simulation of one decide with the same functions.
package pick
