// Package recording keeps what the loop saw, tick by tick, in files small enough
// to leave running, so that an operator's own node becomes a trace.
//
// The format is in docs/reference/recording.md. Invariants:
//   - What is read back equals what was recorded: every reading, every reason
//     of an absence, every time (as wall-clock time, in ns).
//   - Record never waits for the disk. Ticks that the disk is too slow for are
//     left out whole, and counted.
//   - Each frame is readable alone, and so is whatever is left of a file that was
//     cut off or damaged anywhere; the reader says where.
//   - Reading needs memory for a frame, some 100 MB at most, whatever is in the
//     file.
package recording
