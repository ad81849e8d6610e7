// Package buy has no code but its tests: tabs that buy jobs.
package buy
