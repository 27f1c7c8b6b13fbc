// Package recording keeps what the loop saw, tick by tick, in files small enough
// to leave running, so that an operator's own node becomes a trace.
//
// The format is in docs/reference/recording.md. Invariants:
//   - What is read back equals what was recorded: every reading, every reason
//     of an absence, every time (as wall-clock time, in ns).
//   - Record never waits for the disk. A tick that the disk is too slow for is
//     left out whole, and counted.
//   - Each file is readable alone, and so is whatever is left of a file that
//     was cut off anywhere; the reader says that it was cut off.
//   - Reading needs memory for a tick, not for the recording, whatever is in
//     the file.
package recording
