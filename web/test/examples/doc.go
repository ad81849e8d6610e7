// Package examples has no code but its tests: the pages of examples/web in Chromium.
package examples
