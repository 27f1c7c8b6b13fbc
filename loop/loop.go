// Package loop runs the tick: sample, estimate, decide, hand over, record.
//
// One loop, one clock, one Snapshot per tick. Nothing in a tick forks or waits
// for the network: the agent's report is the last one that came in, and an
// answer is published for the next request.
package loop

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/decision"
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/snapshot"
)

// Sampler reads the node.
type Sampler interface {
	// Sample reads every container and the host and joins them with the
	// agent's report, which may be nil.
	Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot
}

// Agent is the agent's side: its reports come in, offers and kills go out.
type Agent interface {
	// Usage is the last report, nil before the first.
	Usage() *snapshot.Usage
	// Observe tells which containers are there, so that kills are confirmed.
	Observe(s *snapshot.Snapshot)
	// InFlight are the kills decided and not yet confirmed.
	InFlight() []qos.InFlight
	// Kill queues a kill for the agent.
	Kill(v qos.Victim) error
	// Publish sets what the agent is answered from now on.
	Publish(o estimator.Offer)
}

// Observer is told of every record, on the loop's goroutine: it must not wait.
type Observer interface {
	Observe(r *decision.Record)
}

// Watcher is told of every snapshot, once it has been acted on, on the loop's
// goroutine: it must not wait, and it copies what it keeps for longer than
// snapshot.Snapshot says.
type Watcher interface {
	Watch(s *snapshot.Snapshot)
}

// Config is what a Loop is made of. All fields but Policy, Observers, Watchers
// and Wake are required.
type Config struct {
	Sampler   Sampler
	Agent     Agent
	Estimator estimator.Estimator
	// Policy is what may be taken back; nil: nothing.
	Policy    *qos.Policy
	Observers []Observer
	Watchers  []Watcher
	// Wake asks for a tick before its time; nil: nobody does.
	Wake <-chan struct{}
	Log  *slog.Logger
}

// Loop is the running daemon's core. Tick and Run are for one goroutine; Last
// is for any.
type Loop struct {
	cfg  Config
	qos  qos.State
	last atomic.Pointer[decision.Record]
	log  changes
}

// New makes a Loop that has not ticked yet.
func New(cfg Config) *Loop {
	return &Loop{cfg: cfg, log: changes{log: cfg.Log}}
}

// Last is the newest record, nil before the first tick.
func (l *Loop) Last() *decision.Record { return l.last.Load() }

// Tick does one round at time now and returns its record.
func (l *Loop) Tick(now time.Time) *decision.Record {
	began := time.Now()
	s := l.cfg.Sampler.Sample(now, l.cfg.Agent.Usage())
	l.cfg.Agent.Observe(s)

	offer := l.cfg.Estimator.Estimate(s)
	dec := l.decide(s)
	for _, v := range dec.Kills {
		l.kill(now, v)
	}
	l.cfg.Agent.Publish(offer)

	r := decision.New(s, offer, dec, len(l.cfg.Agent.InFlight()))
	r.Took = time.Since(began)
	l.last.Store(r)
	l.log.record(r)
	for _, o := range l.cfg.Observers {
		o.Observe(r)
	}
	for _, w := range l.cfg.Watchers {
		w.Watch(s)
	}
	return r
}

func (l *Loop) decide(s *snapshot.Snapshot) (d qos.Decision) {
	d, l.qos = qos.Decide(l.cfg.Policy, l.qos, qos.Input{Snapshot: s, InFlight: l.cfg.Agent.InFlight()})
	return d
}

// kill hands a victim to the agent's side. A refusal there is a defect in the
// decision, so it is loud; nothing else happens to the container.
func (l *Loop) kill(now time.Time, v qos.Victim) {
	attrs := []any{
		"container", v.Key().ID, "framework", v.FrameworkID(), "executor", v.ExecutorID(),
		"rule", v.Cause().Rule, "why", v.Cause().Text,
	}
	if err := l.cfg.Agent.Kill(v); err != nil {
		l.cfg.Log.Error("kill refused", append(attrs, "err", err)...)
		return
	}
	l.cfg.Log.Warn("kill", attrs...)
	l.cfg.Estimator.Feedback(estimator.Feedback{At: now, Acted: true})
}

// Run ticks at once and then every interval until ctx ends, and whenever it is
// woken in between. A tick that takes longer than the interval delays the next
// one; missed ticks are not made up for, since a reading is only worth something
// when it is fresh.
func (l *Loop) Run(ctx context.Context, interval time.Duration) error {
	if interval <= 0 {
		return errors.New("loop: the interval must be above zero")
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		l.Tick(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-l.cfg.Wake:
		}
	}
}
