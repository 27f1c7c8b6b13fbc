package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/snapshot"
)

const (
	// maxKills and maxEvents are remembered.
	maxKills  = 100
	maxEvents = 500
	// maxWaiting ticks wait for Recent's goroutine; of more than that only the
	// newest are remembered.
	maxWaiting = 256
	// updateEvery is the least time between two updates: the fast sampler can wake
	// 20 ticks a second.
	updateEvery = 200 * time.Millisecond
)

// Recent remembers what happened lately, in bounded memory, and tells those who
// follow. It is a tick.Observer; everything but Observe is for any goroutine. The
// loop only hands its record over: Config.Remember does the work.
type Recent struct {
	records chan *decision.Record
	// rows visits the containers of the newest tick.
	rows func(func(*snapshot.Container))
	hub  hub

	mu     sync.RWMutex
	past   *past
	events []Event
	// kills are in order of time; under way are those whose Outcome is not known.
	kills []*explain.Kill
	// weighed is the newest record in which all containers were weighed, last the
	// newest.
	weighed, last *decision.Record
	// ignoredAfter is the policy's.
	ignoredAfter time.Duration
	revision     uint64
}

// NewRecent makes a Recent that remembers nothing yet. rows visits the containers
// of the newest tick.
func NewRecent(rows func(func(*snapshot.Container))) *Recent {
	return &Recent{records: make(chan *decision.Record, maxWaiting), rows: rows, past: newPast()}
}

// Observe implements tick.Observer.
func (h *Recent) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	select {
	case h.records <- r:
	default: // nobody takes them: the loop does not wait
	}
}

// Remember takes the ticks in until ctx ends, and tells those who follow.
func (cfg *Config) Remember(ctx context.Context) error {
	h := cfg.Recent
	defer h.hub.close("the daemon stops")
	var news []Event // since the last update
	var sent time.Time
	for {
		var r *decision.Record
		select {
		case <-ctx.Done():
			return nil
		case r = <-h.records:
		}
		p := pointOf(r, h.rows)
		news = append(news, h.take(r, p)...)
		switch {
		case !h.hub.followed():
			news = nil
		case time.Since(sent) >= updateEvery:
			p.Events = append(p.Events, news...)
			h.hub.publish(marshal(&Update{Tick: brief(r), History: p, Words: cfg.words(r), Revision: h.revised()}))
			news, sent = nil, time.Now()
		}
	}
}

// Update is what followers are told of a tick.
type Update struct {
	// Tick is the newest record; History has its values, of all containers, and
	// the events since the update before.
	Tick    *decision.Record `json:"tick"`
	History *History         `json:"history"`
	Words   Words            `json:"words"`
	// Revision is that of the Status: it has changed when more has than readings.
	Revision uint64 `json:"revision"`
}

// revised is how often more than readings has changed.
func (h *Recent) revised() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.revision
}

// differs reports whether more than readings has changed since the record before.
func differs(before, r *decision.Record) bool {
	return before == nil || r.UsageAgeSeconds < before.UsageAgeSeconds || r.Containers != before.Containers ||
		r.Throttled != before.Throttled || !slices.Equal(r.QoS.Ladders, before.QoS.Ladders) || len(r.Dying) != len(before.Dying)
}

// take takes one tick in, and returns what happened.
func (h *Recent) take(r *decision.Record, p *History) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Policy != nil {
		h.ignoredAfter = r.Policy.Ladder.IgnoredAfter
	}
	kills := explain.KillsIn(r)
	for _, k := range kills {
		k.Throttles = throttlesOf(h.last, k.Key)
		h.rows(func(c *snapshot.Container) {
			if c.Key == k.Key {
				k.Tasks = tasksOf(c)
			}
		})
	}
	events := append(h.follow(r), eventsOf(h.last, r, kills)...)
	h.kills = lastOf(append(h.kills, kills...), maxKills)
	h.events = lastOf(append(h.events, events...), maxEvents)
	if len(events) > 0 || differs(h.last, r) {
		h.revision++
	}
	if r.Weighed {
		h.weighed = r
	}
	h.last = r
	h.past.add(r.At, p)
	return events
}

// throttlesOf is the throttle of a container in a record.
func throttlesOf(r *decision.Record, key snapshot.Key) []explain.Throttled {
	if r == nil {
		return nil
	}
	for i, t := range r.QoS.Actions.Throttles {
		if t.Victim.Identity().Key == key && i < len(r.ThrottleUsesCores) {
			return []explain.Throttled{{At: r.At, Throttle: t, UsedCores: r.ThrottleUsesCores[i]}}
		}
	}
	return nil
}

// follow sees what became of the kills under way.
func (h *Recent) follow(r *decision.Record) (events []Event) {
	for i, k := range h.kills {
		if k.Shadow || k.Outcome.Gone {
			continue
		}
		now := *k // readers have the one before
		now.Outcome.AfterSeconds = r.At.Sub(k.At).Seconds()
		now.Outcome.Ignored = h.ignoredAfter > 0 && now.Outcome.AfterSeconds > h.ignoredAfter.Seconds()
		if !slices.ContainsFunc(r.Dying, func(d decision.Dying) bool { return d.Key == k.Key }) {
			now.Outcome.Gone = true
			events = append(events, Event{
				At: r.At, Seq: r.Seq, Kind: EventGone, Container: k.ID,
				Text: nameOf(&k.Killed) + " was gone " + Short(r.At.Sub(k.At)) + " after it was killed.",
			})
		}
		h.kills[i] = &now
	}
	return events
}

// lastOf are the last n of all, in an array that does not grow without end.
func lastOf[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	return append(make([]T, 0, n+n/4), all[len(all)-n:]...)
}

// history is that of the window before the newest tick.
func (h *Recent) history(window time.Duration) *History {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := h.past.within(window)
	for _, e := range h.events {
		if h.last != nil && h.last.At.Sub(e.At) <= window {
			out.Events = append(out.Events, e)
		}
	}
	return out
}

// killed are the last kills, the newest first.
func (h *Recent) killed() []explain.Killed {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make([]explain.Killed, 0, len(h.kills))
	for _, k := range slices.Backward(h.kills) {
		all = append(all, k.Killed)
	}
	return all
}

// explainKill says why a container was killed.
func (h *Recent) explainKill(name string) (*explain.Kill, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return explain.Newest(h.kills, name)
}

// explainWhyNot says why a container is not killed.
func (h *Recent) explainWhyNot(name string) (*explain.WhyNot, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.last == nil {
		return nil, explain.ErrNothing
	}
	w, err := explain.WhyNotIn(h.weighed, h.last, name)
	if err == nil {
		for _, k := range h.kills {
			if k.ID == w.ID && !k.Shadow {
				w.KilledAt = k.At
			}
		}
	}
	return w, err
}

// brief is a record without what is only for the log: the text of the policy, and
// how each container was weighed.
func brief(r *decision.Record) *decision.Record {
	if r == nil {
		return nil
	}
	b := *r
	b.Policy, b.Weighed, b.Eligible = nil, false, nil
	return &b
}
