package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/estimatord/estimatord/internal/enum"
)

// Absence says why a number is not there. The zero value is NotRead, so that
// a reading nobody filled in is absent, never a zero.
type Absence uint8

// Why a reading is absent. Present is the only value with which its number
// means anything.
const (
	// NotRead: nobody has read it (yet).
	NotRead Absence = iota
	// Present: the number is valid.
	Present
	// NoFile: this kernel, mount or controller has no such file.
	NoFile
	// NoKey: the file exists, but lacks the key.
	NoKey
	// Vanished: the cgroup was removed while it was read.
	Vanished
	// NotOnDisk: the agent knows the container, but it has no cgroup here.
	NotOnDisk
	// Denied: no permission.
	Denied
	// Malformed: the file's text is not what the kernel documents.
	Malformed
	// Truncated: the file ended in the middle of what was to be read.
	Truncated
	// Backwards: a counter is lower than it was, the difference means nothing.
	Backwards
	// FirstSample: a rate needs two samples, this was the first.
	FirstSample
	// NoTime: no time passed, or the clock did not advance, between two samples.
	NoTime
	// Failed: the read failed with another error.
	Failed
	// NoQuota: there is no limit. Of a container's throttling: it has no CPU
	// quota, so nothing throttles it and the file is not read (cgroup v1).
	NoQuota
	// Impossible: the number was read, but it is more than this machine or
	// container can have or do.
	Impossible
	// Hidden: it is about processes of another PID namespace, which this process
	// cannot see.
	Hidden
)

var absenceWords = enum.Words{
	"not_read", "present", "no_file", "no_key", "vanished", "not_on_disk", "denied", "malformed", "truncated",
	"backwards", "first_sample", "no_time", "failed", "no_quota", "impossible", "hidden",
}

// NumAbsences is how many values an Absence can have.
const NumAbsences = int(Hidden) + 1

// String is the word for a, as in logs and metric labels.
func (a Absence) String() string { return absenceWords.String(uint8(a)) }

// MarshalText is the word for a.
func (a Absence) MarshalText() ([]byte, error) { return absenceWords.Marshal(uint8(a)) }

// UnmarshalText reads the word for a.
func (a *Absence) UnmarshalText(text []byte) error { return enum.Unmarshal(absenceWords, text, a) }

// Count is a whole number that was read, or the reason why it was not. The
// field that holds it names its unit. In JSON it is the number, or the word of
// the reason.
type Count struct {
	N   uint64
	Why Absence
}

// OK reports whether N is valid.
func (c Count) OK() bool { return c.Why == Present }

// CountOf is a Count that is present.
func CountOf(n uint64) Count { return Count{N: n, Why: Present} }

// MarshalJSON writes the number or the reason of its absence.
func (c Count) MarshalJSON() ([]byte, error) { return marshalReading(c.N, c.Why) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Count) UnmarshalJSON(text []byte) error {
	*c = Count{}
	return unmarshalReading(text, &c.N, &c.Why)
}

// Value is a number derived from what was read (a rate, a share, a load), or
// the reason why there is none. A present Value is finite. The field that
// holds it names its unit. In JSON it is the number, or the word of the reason.
type Value struct {
	V   float64
	Why Absence
}

// OK reports whether V is valid.
func (v Value) OK() bool { return v.Why == Present }

// ValueOf is a Value that is present.
func ValueOf(v float64) Value { return Value{V: v, Why: Present} }

// MarshalJSON writes the number or the reason of its absence.
func (v Value) MarshalJSON() ([]byte, error) { return marshalReading(v.V, v.Why) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(text []byte) error {
	*v = Value{}
	return unmarshalReading(text, &v.V, &v.Why)
}

func marshalReading(number any, why Absence) ([]byte, error) {
	if why == Present {
		return json.Marshal(number)
	}
	return json.Marshal(why)
}

func unmarshalReading(text []byte, number any, why *Absence) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		return nil
	case bytes.HasPrefix(text, []byte(`"`)):
		if err := json.Unmarshal(text, why); err != nil || *why != Present {
			return err
		}
		return errors.New("a reading that is present is a number")
	}
	*why = Present
	return json.Unmarshal(text, number)
}
