// Package module holds the tests of the C++ module for a mesos-agent; it has no
// Go code of its own. The C++ is built by module/Makefile and described in
// docs/install.md.
//
// The tests build the transport, which needs no Mesos, with the C++ compiler
// and the libcurl found, once plainly and once under each sanitizer, and drive
// it against real servers. Where there is no compiler or no libcurl they skip.
package module
