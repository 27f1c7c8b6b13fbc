// Package config loads what an operator wrote: the daemon's settings and the
// policy of what is taken back.
//
// Every setting is one row of the table in settings.go, with its place in the
// file, its environment variable and its flag; a flag wins over the
// environment, the environment over the file, the file over the default.
//
// Loading is strict, because a setting that silently has no effect is worse
// than a daemon that does not start: unknown, repeated and misplaced keys,
// values of another type or out of range, a second YAML document, anchors and
// tags are refused. All faults are reported at once, one line each:
//
//	file:line:column: key: reason
//
// Nothing here is read from anywhere but what the caller passes in, and by the
// function that it passes in.
package config
