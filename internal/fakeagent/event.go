package fakeagent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// EventKind says what an Event is.
type EventKind string

// Kinds of events.
const (
	// TaskRunning: a task's process runs in its container.
	TaskRunning EventKind = "task_running"
	// TaskEnded: a task's container is gone; State, Reason and Text say how.
	TaskEnded EventKind = "task_ended"
	// OfferChanged: the total of revocable resources changed, as a real agent
	// would tell the master.
	OfferChanged EventKind = "offer_changed"
	// KillReceived: a correction was accepted, the container is being
	// destroyed.
	KillReceived EventKind = "kill_received"
	// KillIgnored: a correction did not pass the agent's own guards.
	KillIgnored EventKind = "kill_ignored"
	// KillRefused: a correction asked to kill a container that holds nothing
	// revocable. The daemon is broken.
	KillRefused EventKind = "kill_refused"
	// DestroyFailed: a container could not be removed.
	DestroyFailed EventKind = "destroy_failed"
	// DaemonLost and DaemonFound: calls to the daemon fail, or work again.
	DaemonLost  EventKind = "daemon_lost"
	DaemonFound EventKind = "daemon_found"
)

// Event is one thing that happened.
type Event struct {
	At   time.Time
	Kind EventKind
	// Task and Container are set on events about one.
	Task, Container string
	// Offer is set on OfferChanged.
	Offer Offer
	// State and Reason are Mesos's words, on TaskEnded.
	State, Reason string
	// Text is for people.
	Text string
}

// String is the event in one line.
func (e Event) String() string {
	parts := []string{string(e.Kind), e.Task, e.State, e.Reason, e.Text}
	if e.Kind == OfferChanged {
		parts = append(parts, fmt.Sprintf("total %q free %q", e.Offer.Total, e.Offer.Free()))
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return strings.Join(parts, " ")
}

// Offer is what is there to be launched on as revocable.
type Offer struct {
	// At is when the daemon's last answer came.
	At time.Time
	// Total is allocated revocable plus estimate at that time: what a master
	// would be told.
	Total resources.Quantities
	// Allocated is what is revocable and allocated now.
	Allocated resources.Quantities
}

// Free is what can be launched on: Total − Allocated.
func (o Offer) Free() resources.Quantities { return o.Total.Minus(o.Allocated) }
