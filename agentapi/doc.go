// Package agentapi is the agent's side of the daemon: a gRPC server on a Unix
// socket that takes an agent's usage reports in and hands offers and kills
// out. docs/reference/agent-api.md is its contract for those who write a client.
//
// Invariants:
//   - Nobody but root, the daemon's own user and the configured user gets an
//     answer; the socket has mode 0600 from its first moment.
//   - One agent at a time: a second one is refused while the first lives.
//   - A report that cannot be trusted never makes an offer larger: it is
//     refused as a whole, or what is revocable in it still counts.
//   - A kill is handed over only when the very request that is answered lists
//     its executor as revocable; it stays in flight until its container is
//     gone.
//   - Command lines, environments and data of tasks are never kept.
//   - Nothing a client sends ends the daemon.
package agentapi
