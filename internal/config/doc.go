// Package config loads what an operator wrote: the daemon's settings and the
// policy of what is taken back.
//
// Both documents are tables of rows (settings.go, policy.go), each bound to the
// variable that it sets. Loading, flags, environment variables, the schemas in
// configs/ and the tables in docs/reference come from these rows. A flag wins
// over the environment, the environment over the file, the file over the
// default.
//
// Loading is strict, because a setting that silently has no effect is worse
// than a daemon that does not start: unknown, repeated and misplaced keys,
// values of another type or out of range, a second YAML document, anchors and
// tags are refused. All faults are reported at once, one line each:
//
//	file:line:column: key: reason
//
// Load and ParsePolicy read nothing but what the caller passes in, and by the
// function that it passes in. PolicySource follows the policy file while the
// daemon runs. A daemon of root obeys no file that others can change
// (ReadTrusted).
package config
