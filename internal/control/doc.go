// Package control serves people and their programs over HTTP: the operator's
// API on a Unix socket, and /metrics and /healthz on a loopback port.
//
// The socket is for root and the user that the daemon runs as; the kernel says
// who calls. A command is in the log with the process that gave it, and is
// carried out at the next tick: the loop stays the only one that acts. The port
// is for everybody on the node, so it only reads.
package control
