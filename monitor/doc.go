// Package monitor makes one snapshot of the node per tick: it finds the
// containers of a Mesos agent (monitor/cgroup), reads them and the host
// (monitor/host), and joins both with what the agent reported.
//
// Invariants:
//   - A steady tick allocates nothing. Descriptors are kept open, text is read
//     into one buffer, and two snapshots take turns.
//   - A value is present, or absent with a reason. Rates are taken over the
//     monotonic time that passed between the two readings themselves.
//   - A reading that cannot be true is absent before anybody sees it, for everybody
//     alike (docs/internals/sampling.md, "What counts as impossible").
//   - Nothing is written, and nothing waits for anything but the kernel.
package monitor
