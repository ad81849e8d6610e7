// Package rtc has no code but its tests: the browser's WebRTC wires, in Chromium,
// against Go's and against each other.
package rtc
