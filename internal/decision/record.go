package decision

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// New makes the record of the tick that saw s and decided offer and q, with
// inFlight kills not yet confirmed. It has no Inputs: see Maker.
func New(s *snapshot.Snapshot, offer estimator.Offer, q qos.Decision, inFlight int) *Record {
	r := &Record{
		Seq: s.Seq, At: s.At, Offer: offer, QoS: q, InFlight: inFlight,
		Containers: count(s.Containers), TreeWhy: s.TreeWhy, HostWhy: s.Host.BusyCores.Why,
	}
	if s.Usage != nil {
		r.Agent = s.Usage.Agent
		r.UsageAge, _ = s.UsageAge()
	}
	return r
}

// Tick is everything about one tick.
type Tick struct {
	// Policy is what was decided by, nil for nothing.
	Policy *policy.Policy
	// Input is what was decided on.
	Input    qos.Input
	Decision qos.Decision
	Offer    estimator.Offer
	// InFlight is the number of kills not yet confirmed, those of the tick
	// included.
	InFlight int
	// Wall is the time by the calendar; zero: that of the Snapshot.
	Wall time.Time
}

// Maker makes whole records, tick after tick. The zero Maker is ready; it is
// for one goroutine. The same ticks give the same records.
type Maker struct {
	policy *policy.Policy
	hash   string
	// policies counts the policies so far.
	policies int
	rules    []RuleTerms
	limits   Limits
	// weighed is when the containers were weighed last, crowd what they were.
	weighed time.Time
	crowd   crowd
	// throttles are those of the tick before.
	throttles []qos.Throttle
}

func sameThrottle(a, b qos.Throttle) bool {
	return a.Victim.Key() == b.Victim.Key() && a.Cores == b.Cores && a.LowWeight == b.LowWeight && a.MemoryHighBytes == b.MemoryHighBytes
}

// How often all containers are weighed: a minute is what the answer of why-not
// may be old, and one that has just come is asked about first. With very many
// containers a minute it is, whoever comes.
const (
	weighEvery    = time.Minute
	weighSoonest  = 10 * time.Second
	weighPerEntry = 60 * time.Millisecond
)

// Make makes the record of t.
func (m *Maker) Make(t *Tick) *Record {
	s := t.Input.Snapshot
	r := New(s, t.Offer, t.Decision, t.InFlight)
	if t.Policy != m.policy || m.hash == "" {
		m.follow(t.Policy)
	}
	in := &Inputs{
		Wall: t.Wall, Policy: m.hash, Policies: m.policies, Rules: m.rules, Limits: m.limits, Orders: t.Input.Commands, Promises: t.Input.Promises,
		Host: s.Host, Contention: s.Contention, Reported: s.Usage != nil,
	}
	if in.Wall.IsZero() {
		in.Wall = s.At.Round(0)
	}
	r.Inputs = in
	if t.Policy == nil {
		return r
	}
	for _, f := range t.Input.InFlight {
		in.Dying = append(in.Dying, Dying{
			InFlight: f, Cores: signal.UseOf(t.Policy.Fresh, s, f.Key, policy.CPU), WorkingSet: signal.UseOf(t.Policy.Fresh, s, f.Key, policy.Memory),
		})
	}
	if now := t.Decision.Actions.Throttles; !slices.EqualFunc(now, m.throttles, sameThrottle) {
		for _, th := range now {
			in.Uses = append(in.Uses, signal.UseOf(t.Policy.Fresh, s, th.Victim.Key(), policy.CPU))
		}
		m.throttles = now
	}
	m.weigh(t, in)
	return r
}

func (m *Maker) follow(p *policy.Policy) {
	*m = Maker{policy: p, hash: p.Hash(), policies: m.policies + 1}
	if p == nil {
		return
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		m.rules = append(m.rules, RuleTerms{
			Name: r.Name, Resource: resourceOf(r.Signal), For: r.For, Settle: r.Settle,
			Immediate: r.Immediate, PerCPU: r.PerCPU, While: r.While,
		})
	}
	m.limits = Limits{
		KillsAtOnce: p.Ladder.KillsAtOnce, IgnoredAfter: p.Ladder.IgnoredAfter, BudgetKills: p.Budget.Kills, BudgetPer: p.Budget.Per,
		MinAge: p.Victims.MinAge, MinUsage: p.Victims.MinUsage,
	}
}

// crowd tells whether the same containers are there as before, nearly always.
type crowd struct {
	n   int
	sum uint64
}

func crowdOf(containers []snapshot.Container) (c crowd) {
	for i := range containers {
		o := &containers[i]
		x := o.Inode<<3 | uint64(o.Class())
		if o.OnDisk {
			x |= 4
		}
		c.n++
		c.sum += x * 0x9e3779b97f4a7c15 // spread, so that a sum tells who is in it
	}
	return c
}

// weigh weighs all containers when it is time to.
func (m *Maker) weigh(t *Tick, in *Inputs) {
	s := t.Input.Snapshot
	now := crowdOf(s.Containers)
	if !m.weighed.IsZero() {
		wait := weighEvery
		if now != m.crowd {
			wait = min(weighEvery, max(weighSoonest, time.Duration(now.n)*weighPerEntry))
		}
		if age := s.At.Sub(m.weighed); age >= 0 && age < wait {
			return
		}
	}
	candidates := qos.Eligibility(t.Policy, s, t.Input.InFlight)
	if candidates == nil {
		return // nobody can be told apart: at the next tick, then
	}
	m.weighed, m.crowd = s.At, now
	in.Weighed = true
	tasks := make(map[snapshot.Key]*snapshot.Executor, len(s.Containers))
	for i := range s.Containers {
		tasks[s.Containers[i].Key] = s.Containers[i].Executor
	}
	in.Eligible = make([]Eligible, len(candidates))
	for i, c := range candidates {
		in.Eligible[i].Candidate = c
		if x := tasks[c.Key]; x != nil {
			for k := range x.Tasks {
				in.Eligible[i].Tasks = append(in.Eligible[i].Tasks, x.Tasks[k].ID)
			}
		}
	}
}

func count(containers []snapshot.Container) (n ContainerCounts) {
	for i := range containers {
		c := &containers[i]
		if c.Parent != "" {
			continue
		}
		switch c.Class() {
		case snapshot.ClassUnknown:
			n.UnknownToAgent++
		case snapshot.ClassRegular:
			n.Regular++
		case snapshot.ClassRevocable:
			n.Revocable++
		case snapshot.ClassShared:
			n.Shared++
		}
		switch {
		case !c.OnDisk:
			n.NotOnDisk++
		case !c.CPU.UsageNanos.OK():
			n.Unreadable++
		}
	}
	return n
}
