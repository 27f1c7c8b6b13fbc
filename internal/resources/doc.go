// Package resources holds Mesos quantities: the 3-decimal fixed point that the
// agent computes in, amounts by name, and the resource text and JSON that the
// agent's --resources takes.
//
// Invariants:
//   - Amounts are whole thousandths (Milli). A float appears only where
//     protobuf, a kernel reading or the agent's own parser has one (float.go).
//   - Parse accepts what the agent accepts and reads the same amounts from it.
//     Input that makes the agent abort, or wrap a number around, is an error.
//   - Nothing here does I/O.
package resources
