// Package log keeps decision.Records on disk, one a tick, so that what the
// daemon did can be explained when it is long gone.
//
// A log is a directory of files in the order of their numbers: the one that is
// written, text, and the ones before it, compressed. Invariants:
//   - Whoever hands over a record never waits for the disk. What the disk is
//     too slow for, or refuses, is left out line by line, and counted.
//   - All files together never take more than MaxBytes.
//   - A line that was cut off, as by a power failure, is passed over and
//     counted by the reader; every other line is read.
package log
