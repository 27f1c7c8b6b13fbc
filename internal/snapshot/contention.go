package snapshot

import "time"

// Contention answers whether regular tasks were being squeezed when it was last
// looked, ten times a second between the ticks. The zero value is that nobody
// looked.
type Contention struct {
	// At is when it was looked.
	At time.Time
	// State is the answer, Why the reason behind it.
	State ContentionState
	Why   ContentionWhy
	// Container is the id of the one that is squeezed most, "" for none.
	Container string
	// Degree is how much that one is squeezed, 0 to 1: the share of time in
	// which some task of it waited for a CPU (ContentionStalled, cgroup v2), or the
	// part of its CPU use of just before that it lost (ContentionSlowed, cgroup v1).
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

// ContentionState is the answer of a Squeeze.
type ContentionState uint8

// Unknown is no reason to do anything.
const (
	ContentionUnknown ContentionState = iota
	ContentionCalm
	ContentionContended
)

// NumContentionStates is how many values a ContentionState can have.
const NumContentionStates = len(contentionStates)

var contentionStates = [...]string{ContentionUnknown: "unknown", ContentionCalm: "calm", ContentionContended: "squeezed"}

// String is the stable word for s, as in logs and metric labels.
func (s ContentionState) String() string {
	if int(s) < len(contentionStates) {
		return contentionStates[s]
	}
	return "invalid"
}

// ContentionWhy is the reason behind an answer.
type ContentionWhy uint8

// The first five come with ContentionUnknown, the next two with ContentionCalm, the
// last two with ContentionContended.
const (
	// SqueezeNotLooked: nobody looks between the ticks, or nobody has yet.
	ContentionNotLooked ContentionWhy = iota
	// SqueezeStale: the last look is too long ago to say anything of now.
	ContentionStale
	// SqueezeTooSoon: there is nothing yet to compare with.
	ContentionTooSoon
	// SqueezeNoPressure: the kernel does not tell how long tasks wait for a CPU
	// (CONFIG_PSI, psi=1).
	ContentionNoPressure
	// SqueezeUnreadable: no file of a regular container could be read.
	ContentionUnreadable
	// SqueezeNothingRegular: there is no regular container.
	ContentionNothingRegular
	// SqueezeNone: no regular container is squeezed.
	ContentionNone
	// SqueezeStalled: tasks of one wait for a CPU (cgroup v2).
	ContentionStalled
	// SqueezeSlowed: one gets less CPU than just before, on a busy host
	// (cgroup v1).
	ContentionSlowed
)

// NumContentionWhys is how many values a ContentionWhy can have.
const NumContentionWhys = len(contentionWhys)

var contentionWhys = [...]string{
	ContentionNotLooked: "not_looked", ContentionStale: "stale",
	ContentionTooSoon: "too_soon", ContentionNoPressure: "no_pressure", ContentionUnreadable: "unreadable",
	ContentionNothingRegular: "nothing_regular", ContentionNone: "none", ContentionStalled: "stalled", ContentionSlowed: "slowed",
}

// String is the stable word for w, as in logs and metric labels.
func (w ContentionWhy) String() string {
	if int(w) < len(contentionWhys) {
		return contentionWhys[w]
	}
	return "invalid"
}
