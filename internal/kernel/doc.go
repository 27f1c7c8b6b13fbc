// Package kernel reads and parses the kernel's text files without allocating.
//
// Invariants:
//   - Reading and parsing are separate: a parser sees bytes only.
//   - A parser never guesses. What is not exactly what the kernel documents is
//     absent with a reason (snapshot.Absence).
//   - Every file here ends in a newline; one that does not was cut off.
//   - What cannot be true is absent (Impossible), judged where it is read against
//     what can have happened since the reading before. Nothing is cut to size.
package kernel
