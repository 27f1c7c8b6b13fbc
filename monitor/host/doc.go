// Package host reads the node's own figures from /proc: processors, load,
// memory, pressure.
//
// prometheus/procfs would be the obvious choice, and is what the tests compare
// with; but it allocates for each call (up to 176 times for /proc/stat, of
// which one line is needed), and the tick is to allocate nothing. Four small
// parsers on kept descriptors are cheaper than an exception to that rule.
package host
