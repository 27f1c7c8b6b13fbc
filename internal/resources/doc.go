// Package resources holds Mesos quantities: the 3-decimal fixed point that the
// agent computes in, amounts by name, and the resource text and JSON that the
// agent's --resources takes.
//
// Invariants:
//   - Amounts are whole thousandths (Milli). A float appears only where
//     protobuf, a kernel reading or the agent's own parser has one.
//   - Parse reads the same amounts as the agent does from whatever it accepts,
//     and accepts nothing that the agent refuses, aborts on or wraps around.
//   - Nothing here does I/O.
package resources
