package fakeagent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	// KillRefused: a correction asked to kill a container without anything
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

// Events keeps what happened, for who waits for it. The zero value is ready,
// and safe for concurrent use.
type Events struct {
	mu   sync.Mutex
	all  []Event
	more chan struct{} // closed and replaced with each event
}

// Observe is a Config's Observe.
func (l *Events) Observe(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
	if l.more != nil {
		close(l.more)
	}
	l.more = make(chan struct{})
}

// after are the events from the i-th on, and what is closed with the next.
func (l *Events) after(i int) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.all[i:], l.more
}

// Find returns the first event of the kind about the task, "" for any.
func (l *Events) Find(kind EventKind, task string) (Event, bool) {
	all, _ := l.after(0)
	i := slices.IndexFunc(all, func(e Event) bool { return e.is(kind, task) })
	if i < 0 {
		return Event{}, false
	}
	return all[i], true
}

// Await is Find that waits; the error is why ctx ended.
func (l *Events) Await(ctx context.Context, kind EventKind, task string) (Event, error) {
	for i := 0; ; {
		fresh, more := l.after(i)
		for _, e := range fresh {
			if e.is(kind, task) {
				return e, nil
			}
		}
		i += len(fresh)
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("no %s of %s: %w", kind, task, context.Cause(ctx))
		}
	}
}

func (e *Event) is(kind EventKind, task string) bool {
	return e.Kind == kind && (task == "" || e.Task == task)
}
