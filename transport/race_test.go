//go:build race

package transport_test

func raceDetector() bool { return true }
