package snapshot

import (
	"time"

	"github.com/estimatord/estimatord/internal/enum"
)

// PollEvery is how far apart two polls of the fast sampler are.
const PollEvery = 50 * time.Millisecond

// Contention says whether other work took the CPU from regular containers at
// the last poll of the fast sampler. The zero value is that nobody polled.
type Contention struct {
	// At is the time of the poll.
	At time.Time `json:"at,omitzero"`
	// State is the answer, Why the reason behind it.
	State ContentionState `json:"state"`
	Why   ContentionWhy   `json:"why"`
	// Container is the id of the one that is contended most, "" for none.
	Container string `json:"container,omitzero"`
	// Degree is how much that one is contended, 0 to 1: the share of time in
	// which some task of it waited for a CPU (ContentionStalled, cgroup v2), or the
	// part of its CPU use of just before that it lost (ContentionSlowed, cgroup v1).
	Degree float64 `json:"degree,omitzero"`
	// Since is the first poll that found it contended; each later one did too.
	// Zero when none is.
	Since time.Time `json:"since,omitzero"`
	// Regular is the number of regular containers, Watched of those whose file
	// is open, Judged of those about which there is an answer.
	Regular int `json:"regular,omitzero"`
	Watched int `json:"watched,omitzero"`
	Judged  int `json:"judged,omitzero"`
	// Every is how many polls it takes to read each of them once: 1 unless
	// there are very many.
	Every int `json:"every,omitzero"`
	// Wake asks for an early tick. It is set once each time that a container
	// becomes contended, and no more often than configured.
	Wake bool `json:"wake,omitzero"`
}

// ContentionState is the answer of a poll.
type ContentionState uint8

// Unknown is no reason to do anything.
const (
	ContentionUnknown ContentionState = iota
	ContentionCalm
	ContentionContended
)

var contentionStates = enum.Words{"unknown", "calm", "contended"}

// NumContentionStates is how many values a ContentionState can have.
const NumContentionStates = int(ContentionContended) + 1

// String is the word for s, as in logs and metric labels.
func (s ContentionState) String() string { return contentionStates.String(uint8(s)) }

// MarshalText is the word for s.
func (s ContentionState) MarshalText() ([]byte, error) { return contentionStates.Marshal(uint8(s)) }

// UnmarshalText reads the word for s.
func (s *ContentionState) UnmarshalText(text []byte) error {
	return enum.Unmarshal(contentionStates, text, s)
}

// ContentionWhy is the reason behind an answer.
type ContentionWhy uint8

// The first six come with ContentionUnknown, the next two with ContentionCalm,
// the last two with ContentionContended.
const (
	// ContentionNotPolled: there is no fast sampler, or it has not polled yet.
	ContentionNotPolled ContentionWhy = iota
	// ContentionStale: the last poll is too long ago to say anything of now.
	ContentionStale
	// ContentionTooSoon: there is nothing yet to compare with.
	ContentionTooSoon
	// ContentionNoPressure: the kernel does not tell how long tasks wait for a
	// CPU (CONFIG_PSI, psi=1).
	ContentionNoPressure
	// ContentionUnreadable: no file of a regular container could be read.
	ContentionUnreadable
	// ContentionImpossible: what was read cannot be true.
	ContentionImpossible
	// ContentionNothingRegular: there is no regular container.
	ContentionNothingRegular
	// ContentionNone: no regular container is contended.
	ContentionNone
	// ContentionStalled: tasks of one wait for a CPU (cgroup v2).
	ContentionStalled
	// ContentionSlowed: one gets less CPU than just before, on a busy host
	// (cgroup v1).
	ContentionSlowed
)

var contentionWhys = enum.Words{
	"not_polled", "stale", "too_soon", "no_pressure", "unreadable", "impossible",
	"nothing_regular", "none", "stalled", "slowed",
}

// NumContentionWhys is how many values a ContentionWhy can have.
const NumContentionWhys = int(ContentionSlowed) + 1

// String is the word for w, as in logs and metric labels.
func (w ContentionWhy) String() string { return contentionWhys.String(uint8(w)) }

// MarshalText is the word for w.
func (w ContentionWhy) MarshalText() ([]byte, error) { return contentionWhys.Marshal(uint8(w)) }

// UnmarshalText reads the word for w.
func (w *ContentionWhy) UnmarshalText(text []byte) error {
	return enum.Unmarshal(contentionWhys, text, w)
}
