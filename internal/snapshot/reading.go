package snapshot

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
	// NoQuota: the container has no CPU quota, so nothing throttles it and the
	// file is not read (cgroup v1).
	NoQuota
)

// NumAbsences is how many values an Absence can have.
const NumAbsences = len(absenceNames)

var absenceNames = [...]string{
	NotRead: "not_read", Present: "present", NoFile: "no_file", NoKey: "no_key", Vanished: "vanished",
	NotOnDisk: "not_on_disk", Denied: "denied", Malformed: "malformed", Truncated: "truncated",
	Backwards: "backwards", FirstSample: "first_sample", NoTime: "no_time", Failed: "failed", NoQuota: "no_quota",
}

// String is the stable word for a, as in logs and metric labels.
func (a Absence) String() string {
	if int(a) < len(absenceNames) {
		return absenceNames[a]
	}
	return "invalid"
}

// Count is a whole number that was read, or the reason why it was not. The
// field that holds it names its unit.
type Count struct {
	N   uint64
	Why Absence
}

// OK reports whether N is valid.
func (c Count) OK() bool { return c.Why == Present }

// CountOf is a Count that is present.
func CountOf(n uint64) Count { return Count{N: n, Why: Present} }

// Value is a number derived from what was read (a rate, a share, a load), or
// the reason why there is none. A present Value is finite. The field that
// holds it names its unit.
type Value struct {
	V   float64
	Why Absence
}

// OK reports whether V is valid.
func (v Value) OK() bool { return v.Why == Present }

// ValueOf is a Value that is present.
func ValueOf(v float64) Value { return Value{V: v, Why: Present} }
