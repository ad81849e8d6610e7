// Package original has no code but its tests: the package peersea against the README
// of the first Sea, line by line, in Chromium.
package original
