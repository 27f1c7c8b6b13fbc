// Package replay judges estimators on recorded usage: it runs the very code of
// the daemon under a virtual clock, beside an oracle that knows the future.
//
// Invariants:
//   - Deterministic: the same input gives the same output, byte for byte. No
//     clock is read but to measure cost, and that is reported apart.
//   - Streaming: memory depends on the number of containers of a node, the
//     horizon and the estimators, not on the length of the trace.
//   - An estimator is shown a step only when the clock has reached it.
//   - A malformed row is an error with its line, or is left out and counted
//     when asked for; it is never repaired.
package replay
