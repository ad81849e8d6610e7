//go:build race

package town

const raceDetector = true
