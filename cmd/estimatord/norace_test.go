//go:build !race

package main

// raceMemory is 1 without the race detector.
const raceMemory = 1
