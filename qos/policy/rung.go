package policy

import (
	"github.com/estimatord/estimatord/internal/enum"
	"github.com/estimatord/estimatord/internal/resources"
)

// Rung is a step of the ladder: what is done for regular containers, from the
// mildest on. Who stands on a rung also does what is on the ones below it.
type Rung uint8

// The rungs.
const (
	// None: nothing is done.
	None Rung = iota
	// StopOffering: nothing more is handed out.
	StopOffering
	// Throttle: revocable containers are throttled.
	Throttle
	// Freeze: some are stopped whole, for a bounded time.
	Freeze
	// Kill: one is ended, without grace: the agent knows no other way.
	Kill
)

var rungWords = enum.Words{"none", "stop_offering", "throttle", "freeze", "kill"}

// String is the word for r, as in policy files, logs and metric labels.
func (r Rung) String() string { return rungWords.String(uint8(r)) }

// MarshalText is the word for r.
func (r Rung) MarshalText() ([]byte, error) { return rungWords.Marshal(uint8(r)) }

// UnmarshalText reads the word for r.
func (r *Rung) UnmarshalText(text []byte) error { return enum.Unmarshal(rungWords, text, r) }

// ParseRung is the rung called s.
func ParseRung(s string) (r Rung, ok bool) {
	return r, r.UnmarshalText([]byte(s)) == nil
}

// ActionNames are the words of what a rule may ask for, mildest first.
func ActionNames() []string { return rungWords[StopOffering:] }

// Resource is what containers contend for. Each has a ladder of its own.
type Resource uint8

// The resources.
const (
	CPU Resource = iota
	Memory
)

var resourceWords = enum.Words{resources.CPUs, resources.Mem}

// String is the name of r's resource: cpus or mem.
func (r Resource) String() string { return resourceWords.String(uint8(r)) }

// MarshalText is the name of r's resource.
func (r Resource) MarshalText() ([]byte, error) { return resourceWords.Marshal(uint8(r)) }

// UnmarshalText reads a resource's name.
func (r *Resource) UnmarshalText(text []byte) error { return enum.Unmarshal(resourceWords, text, r) }

// NumResources is how many there are.
const NumResources = int(Memory) + 1
