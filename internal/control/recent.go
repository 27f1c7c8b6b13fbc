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
	// throttled are the throttles in force, with the begin of each.
	throttled map[snapshot.Key]explain.Throttled
	// weighed is the newest record in which all containers were weighed, last the
	// newest.
	weighed, last *decision.Record
	// ignoredAfter is the policy's.
	ignoredAfter time.Duration
	allKills     int
	shape        shape
	revision     uint64
}

// NewRecent makes a Recent that remembers nothing yet. rows visits the containers
// of the newest tick.
func NewRecent(rows func(func(*snapshot.Container))) *Recent {
	return &Recent{records: make(chan *decision.Record, maxWaiting), rows: rows, past: newPast(), throttled: map[snapshot.Key]explain.Throttled{}}
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
			u := h.update(r, p, news)
			u.Words = cfg.words(r)
			h.hub.publish(marshal(u))
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

func (h *Recent) update(r *decision.Record, p *point, news []Event) *Update {
	u := &Update{Tick: brief(r), History: p.history(), Revision: h.revised()}
	u.History.Events = append([]Event{}, news...)
	return u
}

// revised is how often more than readings has changed.
func (h *Recent) revised() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.revision
}

// shape is what changes rarely: when it does, a Status is to be read again.
type shape struct {
	// report is when the agent's came, in tenths of a second.
	report                         int64
	containers                     decision.ContainerCounts
	loads, kills, dying, throttled int
	paused, open                   bool
	limits                         [2]float64
}

func shapeOf(r *decision.Record, kills int) shape {
	s := shape{
		report:     int64(10 * (float64(r.At.UnixMilli())/1000 - r.UsageAgeSeconds)),
		containers: r.Containers, loads: r.Loads, kills: kills, dying: len(r.Dying), throttled: r.Throttled,
		paused: r.Commands.Paused, open: r.QoS.Budget.Open(),
	}
	for i := range r.QoS.Ladders[:min(len(r.QoS.Ladders), len(s.limits))] {
		s.limits[i] = r.QoS.Ladders[i].Limit
	}
	return s
}

// take takes one tick in, and returns what happened.
func (h *Recent) take(r *decision.Record, p *point) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Policy != nil {
		h.ignoredAfter = r.Policy.Ladder.IgnoredAfter
	}
	kills := explain.KillsIn(r)
	for _, k := range kills {
		h.rows(func(c *snapshot.Container) {
			if c.Key == k.Key {
				k.Tasks = tasksOf(c)
			}
		})
		if t, ok := h.throttled[k.Key]; ok {
			k.Throttles = []explain.Throttled{t}
		}
	}
	events := eventsOf(h.last, r, kills)
	events = append(events, h.follow(r)...)
	h.kills = lastOf(append(h.kills, kills...), maxKills)
	h.events = lastOf(append(h.events, events...), maxEvents)
	h.throttles(r)
	if r.Weighed {
		h.weighed = r
	}
	h.allKills += len(kills)
	if s := shapeOf(r, h.allKills); s != h.shape {
		h.shape, h.revision = s, h.revision+1
	}
	h.last = r
	h.past.add(p)
	return events
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

// throttles remembers since when each throttle is in force.
func (h *Recent) throttles(r *decision.Record) {
	before := h.throttled
	h.throttled = make(map[snapshot.Key]explain.Throttled, len(r.QoS.Actions.Throttles))
	for i := range r.QoS.Actions.Throttles {
		t := explain.Throttled{At: r.At, Throttle: r.QoS.Actions.Throttles[i]}
		if i < len(r.ThrottleUsesCores) {
			t.UsedCores = r.ThrottleUsesCores[i]
		}
		key := t.Victim.Identity().Key
		if was, ok := before[key]; ok && was.Cores == t.Cores && was.LowWeight == t.LowWeight && was.MemoryHighBytes == t.MemoryHighBytes {
			t = was
		}
		h.throttled[key] = t
	}
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
	out.Events = []Event{}
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
