// Package prekill warns somebody before a revocable container is killed: Mesos
// gives a KILL no grace, so that this is the only chance to save work, drain a
// queue or send a note.
//
// A warning is a command that is run, or a Unix socket that is written to, with
// one JSON object that says who is to be killed and why. It has a deadline that
// nothing moves: whatever it does, the kill goes on.
package prekill
