// Package guests has no code but its tests: jobs run by the engine of Chromium, in
// a Web Worker, compared with Go's engine.
package guests
