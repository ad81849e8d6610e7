// Package sea has no code but its tests: whole peers in Chromium, tabs among Go
// nodes and tabs with each other.
package sea
