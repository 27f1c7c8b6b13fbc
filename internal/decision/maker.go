package decision

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

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

// Maker makes records, tick after tick. It is for one goroutine. The same ticks
// give the same records.
type Maker struct {
	// Run is that of the records.
	Run string

	policy *policy.Policy
	// loads counts the policies so far, none included.
	loads int
	// weighed is when the containers were weighed last, set which they were.
	weighed time.Time
	set     containerSet
	// throttles are those of the tick before.
	throttles []qos.Throttle
}

// How often all containers are weighed: a minute is what the answer of why-not
// may be old, and one that has just come is asked about first. With very many
// containers a minute it is, whoever comes.
const (
	weighEvery    = time.Minute
	weighSoonest  = 10 * time.Second
	weighPerEntry = 60 * time.Millisecond
)

// maxCandidates of each resource are in a record: nobody asks who would have
// come after them, and a node of a thousand that is short for hours would fill
// the log with them.
const maxCandidates = 32

// Make makes the record of t, whose Decision becomes the record's: nobody else
// uses it any more.
func (m *Maker) Make(t *Tick) *Record {
	s := t.Input.Snapshot
	first := m.loads == 0 || t.Policy != m.policy
	if first {
		*m = Maker{Run: m.Run, policy: t.Policy, loads: m.loads + 1}
	}
	at := t.Wall
	if at.IsZero() {
		at = s.At
	}
	r := &Record{
		Version: Version, Run: m.Run, Seq: s.Seq, At: at.UTC(), PolicyHash: t.Policy.Hash(), Loads: m.loads,
		Reported: s.Usage != nil, TreeWhy: s.TreeWhy, Host: s.Host, Contention: s.Contention, Containers: count(s.Containers),
		Commands: t.Input.Commands, Promises: t.Input.Promises, InFlight: t.InFlight, Offer: t.Offer, QoS: t.Decision,
		Throttled: len(t.Decision.Actions.Throttles),
	}
	if s.Usage != nil {
		age, _ := s.UsageAge()
		r.Agent, r.UsageAgeSeconds = s.Usage.Agent, age.Seconds()
	}
	if t.Policy != nil {
		m.inputs(t, r)
		m.weigh(t, r)
		if first || r.Weighed {
			r.Policy = t.Policy
		}
	}
	r.QoS.Candidates, r.CandidatesMore = firstCandidates(r.QoS.Candidates)
	c := calendar{from: s.At, to: r.At}
	c.record(r)
	return r
}

// inputs fills in what containers that are acted on use.
func (m *Maker) inputs(t *Tick, r *Record) {
	s, fresh := t.Input.Snapshot, t.Policy.Fresh
	for _, f := range t.Input.InFlight {
		r.Dying = append(r.Dying, Dying{
			InFlight: f, Cores: signal.UseOf(fresh, s, f.Key, policy.CPU), WorkingSetBytes: signal.UseOf(fresh, s, f.Key, policy.Memory),
		})
	}
	now := t.Decision.Actions.Throttles
	for _, th := range now {
		r.ThrottleUsesCores = append(r.ThrottleUsesCores, signal.UseOf(fresh, s, th.Victim.Key(), policy.CPU))
	}
	r.unchanged = slices.EqualFunc(now, m.throttles, sameThrottle)
	m.throttles = now
}

func sameThrottle(a, b qos.Throttle) bool {
	return a.Victim.Key() == b.Victim.Key() && a.Cores == b.Cores && a.LowWeight == b.LowWeight && a.MemoryHighBytes == b.MemoryHighBytes
}

// weigh weighs all containers when it is time to.
func (m *Maker) weigh(t *Tick, r *Record) {
	s := t.Input.Snapshot
	now := setOf(s.Containers)
	if !m.weighed.IsZero() {
		wait := weighEvery
		if now != m.set {
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
	m.weighed, m.set = s.At, now
	executors := make(map[snapshot.Key]*snapshot.Executor, len(s.Containers))
	for i := range s.Containers {
		executors[s.Containers[i].Key] = s.Containers[i].Executor
	}
	r.Weighed, r.Eligible = true, make([]Eligible, len(candidates))
	for i, c := range candidates {
		r.Eligible[i].Candidate = c
		if x := executors[c.Key]; x != nil {
			for k := range x.Tasks {
				r.Eligible[i].Tasks = append(r.Eligible[i].Tasks, x.Tasks[k].ID)
			}
		}
	}
}

// containerSet tells whether the same containers are there as before, nearly
// always.
type containerSet struct {
	n   int
	sum uint64
}

func setOf(containers []snapshot.Container) (c containerSet) {
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

// firstCandidates are the first ones for each resource and the chosen ones, and
// how many are left out.
func firstCandidates(all []qos.Candidate) (kept []qos.Candidate, more int) {
	if len(all) <= maxCandidates {
		return all, 0
	}
	seen := map[policy.Resource]int{}
	for i := range all {
		c := &all[i]
		if seen[c.Resource]++; seen[c.Resource] > maxCandidates && c.Why != reason.Chosen {
			more++
			continue
		}
		kept = append(kept, *c)
	}
	return kept, more
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

// calendar turns times that are only a difference apart from the tick's into
// those by the calendar of the tick. A replay, whose clock is another one, then
// writes the same.
type calendar struct{ from, to time.Time }

func (c calendar) date(t *time.Time) {
	if !t.IsZero() {
		*t = c.to.Add(t.Sub(c.from))
	}
}

func (c calendar) record(r *Record) {
	c.date(&r.Host.At)
	c.date(&r.Contention.At)
	c.date(&r.Contention.Since)
	for i := range r.Dying {
		c.date(&r.Dying[i].Since)
	}
	c.decision(&r.QoS)
	if r.QoS.Shadow != nil {
		c.decision(&r.QoS.Shadow.Decision)
	}
}

// decision dates d. Empty slices are left out, as they are when a record is read
// back.
func (c calendar) decision(d *qos.Decision) {
	if len(d.Actions.Throttles) == 0 {
		d.Actions.Throttles = nil
	}
	if len(d.Actions.Freezes) == 0 {
		d.Actions.Freezes = nil
	}
	c.date(&d.LastGone)
	c.date(&d.Budget.OpenSince)
	for i := range d.Rules {
		c.date(&d.Rules[i].Since)
	}
	for i := range d.Ladders {
		c.date(&d.Ladders[i].Since)
	}
}
