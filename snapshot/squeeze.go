package snapshot

import "time"

// Squeeze answers whether regular tasks were being squeezed when it was last
// looked, ten times a second between the ticks. The zero value is that nobody
// looked.
type Squeeze struct {
	// At is when it was looked.
	At time.Time
	// State is the answer, Why the reason behind it.
	State SqueezeState
	Why   SqueezeWhy
	// Container is the id of the one that is squeezed most, "" for none.
	Container string
	// Degree is how much that one is squeezed, 0 to 1: the share of time in
	// which some task of it waited for a CPU (SqueezeStalled, cgroup v2), or the
	// part of its CPU use of just before that it lost (SqueezeSlowed, cgroup v1).
	Degree float64
	// Since is the look at which that one began to be squeezed; it was at each
	// look from then on. Zero when none is.
	Since time.Time
	// Regular is the number of regular containers, Watched of those whose file
	// is open, Judged of those about which there is an answer.
	Regular, Watched, Judged int
	// Every is how many looks it takes to read each of them once: 1 unless
	// there are very many.
	Every int
	// Wake: this is news that is worth an early tick. It is said once for each
	// time that a container begins to be squeezed, and no more often than
	// configured.
	Wake bool
}

// SqueezeState is the answer of a Squeeze.
type SqueezeState uint8

// Unknown is no reason to do anything.
const (
	SqueezeUnknown SqueezeState = iota
	SqueezeCalm
	SqueezeSqueezed
)

// NumSqueezeStates is how many values a SqueezeState can have.
const NumSqueezeStates = len(squeezeStates)

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

// The first five come with SqueezeUnknown, the next two with SqueezeCalm, the
// last two with SqueezeSqueezed.
const (
	// SqueezeNotLooked: nobody looks between the ticks, or nobody has yet.
	SqueezeNotLooked SqueezeWhy = iota
	// SqueezeStale: the last look is too long ago to say anything of now.
	SqueezeStale
	// SqueezeTooSoon: there is nothing yet to compare with.
	SqueezeTooSoon
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

// NumSqueezeWhys is how many values a SqueezeWhy can have.
const NumSqueezeWhys = len(squeezeWhys)

var squeezeWhys = [...]string{
	SqueezeNotLooked: "not_looked", SqueezeStale: "stale",
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
