package qos

import "github.com/estimatord/estimatord/internal/reason"

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

var rungNames = [...]string{None: "none", StopOffering: "stop_offering", Slow: "throttle", Freeze: "freeze", Kill: "kill"}

// String is the stable word for r, as in policy files, logs and metric labels.
func (r Rung) String() string {
	if int(r) < len(rungNames) {
		return rungNames[r]
	}
	return "invalid"
}

// ParseRung is the rung called s.
func ParseRung(s string) (Rung, bool) {
	for r, name := range rungNames {
		if name == s {
			return Rung(r), true
		}
	}
	return None, false
}

// Actions that a rule may ask for, in order.
func actionNames() []string { return rungNames[StopOffering:] }

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

var resourceNames = [...]string{CPU: "cpu", Memory: "memory"}

// String is the stable word for r, as in logs and metric labels.
func (r Resource) String() string {
	if int(r) < len(resourceNames) {
		return resourceNames[r]
	}
	return "invalid"
}

// numResources is how many ladders there are.
const numResources = len(resourceNames)
