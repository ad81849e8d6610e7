// Package figures measures the peers of web in a browser; see its benchmarks.
package figures
