package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
)

// poll is how often the daemon is asked for its newest record: several times a
// tick, so that none is missed.
const poll = tick / 5

// board is how things stand after one tick of the daemon.
type board struct {
	// At is the time since the story began, Step what it is at.
	At   time.Duration
	Step string
	// Tick is the daemon's record.
	Tick *decision.Record
	// Asked is the service's load in cores.
	Asked float64
	// Service and Hog are what the tasks use, Others what is left of the busy
	// CPUs without them.
	Service, Hog use
	Others       float64
}

// use is the CPU that a task uses.
type use struct {
	Runs  bool
	Cores float64
}

func (u use) String() string {
	if !u.Runs {
		return "-"
	}
	return fmt.Sprintf("%.2f", u.Cores)
}

// cpus is the daemon's offer of cpus with its terms.
func (b *board) cpus() *estimator.ResourceOffer {
	for i := range b.Tick.Offer.Resources {
		if o := &b.Tick.Offer.Resources[i]; o.Resource == resources.CPUs {
			return o
		}
	}
	return &estimator.ResourceOffer{}
}

// busy is the reading of the daemon's rule.
func (b *board) busy() string {
	for i := range b.Tick.QoS.Rules {
		if r := &b.Tick.QoS.Rules[i]; r.Name == ruleName && r.Value.OK() {
			return fmt.Sprintf("%.0f %%", 100*r.Value.V)
		}
	}
	return "-"
}

// slackTerms says where the slack comes from.
func slackTerms(o *estimator.ResourceOffer) string {
	if o.Allocated == nil || o.Estimate == nil {
		return "slack - (" + words(string(o.Why)) + ")"
	}
	return fmt.Sprintf("slack %.2f = allocated %.2f − peak %.2f − margin %.2f − unmanaged %.2f",
		o.Slack.Float(), o.RegularAllocated.Float(), o.Peak.Float(), o.Margin.Float(), o.Unmanaged.Float())
}

// words makes a reason code readable.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// watch keeps a board of each tick of the daemon until ctx ends.
func (s *story) watch(ctx context.Context) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	operator := control.Client(s.daemon.operatorSocket())
	var service, hog counter
	last := &decision.Record{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		status, err := operator.Status(ctx)
		if err != nil || status.Tick == nil || status.Tick.Seq == last.Seq {
			continue // if the daemon ended, the story says so
		}
		s.mu.Lock()
		b := board{At: s.since(), Step: s.step, Tick: status.Tick, Asked: s.load}
		hogTask := s.hogTask
		s.mu.Unlock()
		b.Service, b.Hog = service.use(s.agent.CPUTime(s.regular)), hog.use(s.agent.CPUTime(hogTask))
		b.Others = max(0, b.Tick.Host.BusyCores.V-b.Service.Cores-b.Hog.Cores)
		for _, line := range news(last, b.Tick) {
			s.say("daemon: %s", line)
		}
		last = b.Tick
		s.mu.Lock()
		s.boards = append(s.boards, b)
		s.mu.Unlock()
		s.view.show(&b)
	}
}

// news is what a record decides that the one before it did not.
func news(before, now *decision.Record) (lines []string) {
	offers := map[string]estimator.ResourceOffer{}
	for _, o := range before.Offer.Resources {
		offers[o.Resource] = o
	}
	for _, o := range now.Offer.Resources {
		old, known := offers[o.Resource]
		if known && old.Offered == o.Offered && old.RevocableTotal == o.RevocableTotal {
			continue
		}
		lines = append(lines, fmt.Sprintf("offers %s %s, revocable total %s (%s)", o.Offered, o.Resource, o.RevocableTotal, words(string(o.Why))))
	}
	return lines
}

// last is the newest board, empty before the first tick.
func (s *story) last() board {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.boards) == 0 {
		return board{Tick: &decision.Record{}}
	}
	return s.boards[len(s.boards)-1]
}

// others is the mean of what other processes use since then.
func (s *story) others(from time.Duration) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum, count := 0.0, 0
	for i := range s.boards {
		if s.boards[i].At >= from {
			sum += s.boards[i].Others
			count++
		}
	}
	return sum / float64(max(1, count))
}

// decided is when a record's decision was there.
func decided(r *decision.Record) time.Time {
	return r.At.Add(time.Duration(r.TookSeconds * float64(time.Second)))
}

// killOf is the daemon's decision to kill the executor.
func (s *story) killOf(executor string) (at time.Time, why string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.kills {
		if l.Executor == executor {
			return l.Time, l.Why, true
		}
	}
	return time.Time{}, "", false
}

// totalZero is since when the daemon's revocable total of cpus is zero; ok is
// false while it is not.
func (s *story) totalZero() (since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.boards {
		switch b := &s.boards[i]; {
		case b.cpus().RevocableTotal != 0:
			ok = false
		case !ok:
			since, ok = decided(b.Tick), true
		}
	}
	return since, ok
}

// counter turns a growing CPU time into cores.
type counter struct {
	at   time.Time
	used time.Duration
}

func (c *counter) use(used time.Duration, err error) use {
	if err != nil {
		*c = counter{} // the task does not run
		return use{}
	}
	now, u := time.Now(), use{Runs: true}
	if !c.at.IsZero() {
		u.Cores = max(0, (used-c.used).Seconds()/now.Sub(c.at).Seconds())
	}
	c.at, c.used = now, used
	return u
}
