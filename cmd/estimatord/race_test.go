//go:build race

package main

// raceMemory is by how much the race detector multiplies memory: 5 to 10 times
// (https://go.dev/doc/articles/race_detector), and less of what is no Go object.
const raceMemory = 4
