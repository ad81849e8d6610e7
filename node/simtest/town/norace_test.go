//go:build !race

package town

const raceDetector = false
