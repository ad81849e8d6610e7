//go:build race

package wsnet

// RaceEnabled tells tests that judge time that there is none to judge.
const RaceEnabled = true
