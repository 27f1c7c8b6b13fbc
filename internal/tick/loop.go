// Package tick runs the tick: sample, estimate, decide, hand over, record.
//
// One loop, one clock, one Snapshot per tick. Nothing in a tick forks or waits
// for the network: the agent's report is the last one that came in, and an
// answer is published for the next request.
package tick

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// Sampler reads the node.
type Sampler interface {
	// Sample reads every container and the host and joins them with the
	// agent's report, which may be nil.
	Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot
}

// Actor carries out what throttles and freezes, on the containers' cgroups.
type Actor interface {
	// Apply makes what is wanted now, and nothing else, be in force. Containers
	// in dying are let go of, so that they can end.
	Apply(now time.Time, wanted qos.Actions, dying []qos.Victim)
}

// Agent is the agent's side: its reports come in, offers and kills go out.
type Agent interface {
	// Usage is the last report, nil before the first.
	Usage() *snapshot.Usage
	// Observe tells which containers are there, so that kills are confirmed.
	Observe(s *snapshot.Snapshot)
	// InFlight are the kills decided and not yet confirmed.
	InFlight() []qos.InFlight
	// Dying are the kills that the agent was told of and whose containers are
	// not gone.
	Dying() []qos.Victim
	// Kill queues a kill for the agent.
	Kill(v qos.Victim) error
	// Publish sets what the agent is answered from now on.
	Publish(o estimator.Offer)
}

// Observer is told of every tick once it has been acted on, on the loop's
// goroutine: it must not wait, and it copies what it keeps of s for longer than
// snapshot.Snapshot says.
type Observer interface {
	Observe(r *decision.Record, s *snapshot.Snapshot)
}

// Policies is where the policy comes from, which may change between two ticks.
type Policies interface {
	// Current is the policy in force, nil for none. It does not change once it
	// was returned.
	Current() *policy.Policy
}

// Always is a policy that never changes.
type Always struct{ Policy *policy.Policy }

// Current implements Policies.
func (a Always) Current() *policy.Policy { return a.Policy }

// Config is what a Loop is made of. All fields but Policies, Actor, Commands,
// Resume, Keep, Observers and Wake are required.
type Config struct {
	Sampler   Sampler
	Agent     Agent
	Estimator estimator.Estimator
	// Policies says what may be taken back; nil: nothing.
	Policies Policies
	// Actor throttles and freezes; nil: nobody does, and rules that ask for it
	// go on to the next rung.
	Actor Actor
	// Commands takes what operators have asked for since it was last called; nil:
	// nothing ever.
	Commands func() qos.Commands
	// Resume is what the decisions of an earlier run must not have forgotten. Keep
	// is told at each tick what to keep of this one, before a kill is handed over;
	// nil: nobody keeps it.
	Resume    qos.Resume
	Keep      func(qos.Resume)
	Observers []Observer
	// Wake asks for a tick before its time; nil: nobody does.
	Wake <-chan struct{}
	Log  *slog.Logger
}

// Loop is the running daemon's core. Tick and Run are for one goroutine; Last
// is for any.
type Loop struct {
	cfg   Config
	brain *Brain
	maker decision.Maker
	last  atomic.Pointer[decision.Record]
	log   changes
}

// New makes a Loop that has not ticked yet.
func New(cfg Config) *Loop {
	return &Loop{
		cfg: cfg, brain: NewBrain(cfg.Estimator, cfg.Resume.State()), log: changes{log: cfg.Log},
		// 60 random bits tell the starts of one node apart.
		maker: decision.Maker{Run: rand.Text()[:12]},
	}
}

// Last is the newest record, nil before the first tick.
func (l *Loop) Last() *decision.Record { return l.last.Load() }

// Tick does one round at time now and returns its record.
func (l *Loop) Tick(now time.Time) *decision.Record {
	began := time.Now()
	s := l.cfg.Sampler.Sample(now, l.cfg.Agent.Usage())
	l.cfg.Agent.Observe(s)

	in := qos.Input{Snapshot: s, InFlight: l.cfg.Agent.InFlight()}
	if l.cfg.Commands != nil {
		in.Commands = l.cfg.Commands()
	}
	policy := l.policy()
	dec, offer := l.brain.Think(policy, &in)
	if l.cfg.Keep != nil {
		l.cfg.Keep(l.brain.State().Resume())
	}
	for _, v := range dec.Kills {
		l.kill(v)
	}
	if l.cfg.Actor != nil {
		l.cfg.Actor.Apply(now, dec.Actions, l.cfg.Agent.Dying())
	}
	l.cfg.Agent.Publish(offer)

	r := l.maker.Make(&decision.Tick{
		Policy: policy, Input: in, Decision: dec, Offer: offer, InFlight: len(l.cfg.Agent.InFlight()),
	})
	r.TookSeconds = time.Since(began).Seconds()
	l.last.Store(r)
	l.log.record(r)
	for _, o := range l.cfg.Observers {
		o.Observe(r, s)
	}
	return r
}

func (l *Loop) policy() *policy.Policy {
	if l.cfg.Policies == nil {
		return nil
	}
	return l.cfg.Policies.Current()
}

// kill hands a victim to the agent's side. A refusal there is a defect in the
// decision, so it is loud; nothing else happens to the container.
func (l *Loop) kill(v qos.Victim) {
	attrs := []any{
		"container", v.Key().ID, "framework", v.FrameworkID(), "executor", v.ExecutorID(),
		"rule", v.Cause().Rule, "why", v.Cause().Text,
	}
	if err := l.cfg.Agent.Kill(v); err != nil {
		l.cfg.Log.Error("kill refused", append(attrs, "err", err)...)
		return
	}
	l.cfg.Log.Warn("kill", attrs...)
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
		last := time.Now()
		l.Tick(last)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-l.cfg.Wake:
		}
		// A wake may come just after a tick, or just before the next one.
		if early := min(leastGap, interval) - time.Since(last); early > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(early):
			}
		}
	}
}

// leastGap is the least time between two ticks. The kernel charges running tasks
// at its timer tick, every 4 to 10 ms: over less than a few of them no rate means
// anything, and over less than 1 ms there is none, so that every rule that is
// about the node would be blind at the very tick it was woken for.
const leastGap = 20 * time.Millisecond
