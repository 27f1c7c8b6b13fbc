package qos

import (
	"github.com/estimatord/estimatord/internal/enum"
	"github.com/estimatord/estimatord/internal/reason"
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
	// Slow: revocable containers are throttled.
	Slow
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

// Actions that a rule may ask for, in order.
func actionNames() []string { return rungWords[StopOffering:] }

// reached is the reason of a rule that has held and whose action is in force.
func (r Rung) reached() reason.Code {
	switch r {
	case StopOffering:
		return reason.Stopped
	case Slow:
		return reason.Throttled
	case Freeze:
		return reason.Frozen
	default:
		return reason.Preempt
	}
}

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

// numResources is how many ladders there are.
const numResources = int(Memory) + 1
