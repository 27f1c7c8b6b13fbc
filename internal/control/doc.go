// Package control lets the operator of a node ask its daemon how things stand
// and give it orders, over a Unix socket.
//
// The socket is for root and the user that the daemon runs as; the kernel says
// who calls. An order is in the log with the process that gave it, and is
// carried out at the next tick: the loop stays the only one that acts.
package control
