package monitor

import "time"

// Squeeze answers whether regular tasks are being squeezed right now.
type Squeeze struct {
	// At is when it was asked.
	At time.Time
	// State is the answer, Why the reason behind it.
	State SqueezeState
	Why   SqueezeWhy
	// Container is the id of the one that is squeezed most, "" for none.
	Container string
	// Regular is the number of regular containers, Watched of those whose file
	// is open, Judged of those about which there is an answer.
	Regular, Watched, Judged int
	// Every is how many polls it takes to read each of them once: 1 unless
	// there are very many.
	Every int
	// Wake: this is news that is worth an early tick. It is said once for each
	// time that a container begins to be squeezed, and no more often than
	// configured.
	Wake bool
}

// SqueezeState is the answer of a Squeeze.
type SqueezeState uint8

// Unknown is no reason to do anything; the tick looks at everything anyway.
const (
	SqueezeUnknown SqueezeState = iota
	SqueezeCalm
	SqueezeSqueezed
)

var squeezeStates = [...]string{SqueezeUnknown: "unknown", SqueezeCalm: "calm", SqueezeSqueezed: "squeezed"}

// String is the stable word for s, as in logs and metric labels.
func (s SqueezeState) String() string {
	if int(s) < len(squeezeStates) {
		return squeezeStates[s]
	}
	return "invalid"
}

// SqueezeWhy is the reason behind an answer.
type SqueezeWhy uint8

// The first three come with SqueezeUnknown, the next two with SqueezeCalm, the
// last two with SqueezeSqueezed.
const (
	// SqueezeTooSoon: there is nothing yet to compare with.
	SqueezeTooSoon SqueezeWhy = iota
	// SqueezeNoPressure: the kernel does not tell how long tasks wait for a CPU
	// (CONFIG_PSI, psi=1).
	SqueezeNoPressure
	// SqueezeUnreadable: no file of a regular container could be read.
	SqueezeUnreadable
	// SqueezeNothingRegular: there is no regular container.
	SqueezeNothingRegular
	// SqueezeNone: no regular container is squeezed.
	SqueezeNone
	// SqueezeStalled: tasks of one wait for a CPU (cgroup v2).
	SqueezeStalled
	// SqueezeSlowed: one gets less CPU than just before, on a busy host
	// (cgroup v1).
	SqueezeSlowed
)

var squeezeWhys = [...]string{
	SqueezeTooSoon: "too_soon", SqueezeNoPressure: "no_pressure", SqueezeUnreadable: "unreadable",
	SqueezeNothingRegular: "nothing_regular", SqueezeNone: "none", SqueezeStalled: "stalled", SqueezeSlowed: "slowed",
}

// String is the stable word for w, as in logs and metric labels.
func (w SqueezeWhy) String() string {
	if int(w) < len(squeezeWhys) {
		return squeezeWhys[w]
	}
	return "invalid"
}
