package kernel

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A flat-keyed file, such as cpu.stat and memory.stat:
//
//	usage_usec 413947213
//	user_usec 296745540
//	system_usec 117201672
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#format

// Key is a key of a flat-keyed file, prepared for Keyed.
type Key struct {
	// atLine is "\nkey ": in the middle of a file; atLine[1:] is at its start.
	atLine []byte
}

// NewKey prepares name.
func NewKey(name string) Key { return Key{atLine: []byte("\n" + name + " ")} }

// Keyed is the value of key in file.
func Keyed(file []byte, key Key) snapshot.Count {
	var value []byte
	if bytes.HasPrefix(file, key.atLine[1:]) {
		value = file[len(key.atLine)-1:]
	} else if i := bytes.Index(file, key.atLine); i >= 0 {
		value = file[i+len(key.atLine):]
	} else if len(file) == 0 || file[len(file)-1] != '\n' {
		return snapshot.Count{Why: snapshot.Truncated}
	} else {
		return snapshot.Count{Why: snapshot.NoKey}
	}
	n, rest, why := cutNumber(value)
	switch {
	case why != snapshot.Present:
		return snapshot.Count{Why: why}
	case len(rest) == 0:
		return snapshot.Count{Why: snapshot.Truncated}
	case rest[0] != '\n':
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(n)
}
