// Package failpoint names the places in the protocol where a crash must do no
// harm. In an ordinary build Hit does nothing and costs nothing. A binary built
// with the tag "failpoint" kills itself at the place that SEA_FAILPOINT names,
// as a power cut would, so that tests can show what comes back.
//
// It imports nothing of ours, so every package may use it.
package failpoint
