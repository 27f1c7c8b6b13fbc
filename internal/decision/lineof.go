package decision

import (
	"math"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// LineOf is r as it is logged. What a tick cost is no part of it: it is not the
// same in a replay.
func LineOf(r *Record) *Line {
	in := r.Inputs
	if in == nil {
		in = &Inputs{Wall: r.At, Policy: policy.NoHash, Reported: r.Agent != ""}
	}
	m := liner{at: r.At, in: in}
	l := &Line{
		Version: LineVersion, Seq: r.Seq, Policy: in.Policy, Agent: text(r.Agent),
		Host: m.host(&in.Host), Contention: m.squeeze(&in.Contention), Containers: ContainersLine(r.Containers),
		After: r.InFlight, Weighed: in.Weighed, DecidedLine: m.decided(&r.QoS, in.Uses),
		Limits: LimitsLine{
			KillsAtOnce: in.Limits.KillsAtOnce, IgnoredAfter: Seconds(in.Limits.IgnoredAfter),
			BudgetKills: in.Limits.BudgetKills, BudgetPer: Seconds(in.Limits.BudgetPer),
			MinAge: Seconds(in.Limits.MinAge), MinUsage: finite(in.Limits.MinUsage),
		},
	}
	if y := in.Wall.Year(); y > 1678 && y < 2262 { // where UnixNano is defined
		l.At = Instant(in.Wall.UnixNano())
	}
	if in.Reported {
		l.UsageAge = (*Seconds)(&r.UsageAge)
	}
	if r.TreeWhy != snapshot.Present {
		l.TreeWhy = r.TreeWhy.String()
	}
	if in.Orders.ResetBudget {
		l.Orders = append(l.Orders, "reset_budget")
	}
	if in.Orders.Paused {
		l.Orders = append(l.Orders, "pause")
	}
	for _, p := range in.Promises {
		l.Promises = append(l.Promises, PromiseLine{Resource: text(p.Resource), Peak: Amount(p.Peak), Allocated: Amount(p.Allocated), Lent: Amount(p.RevocableTotal)})
	}
	for _, s := range r.QoS.Signals {
		l.Signals = append(l.Signals, SignalLine{Signal: text(string(s.Signal)), Value: valueOf(s.Value), Worst: text(s.Container)})
	}
	for i := range in.Dying {
		d := &in.Dying[i]
		l.InFlight = append(l.InFlight, DyingLine{KeyLine: keyLine(d.Key), Since: m.ago(d.Since), Cores: valueOf(d.Cores), WorkingSet: valueOf(d.WorkingSet)})
	}
	for i := range r.Offer.Resources {
		l.Offer = append(l.Offer, m.offer(&r.Offer.Resources[i]))
	}
	if sh := r.QoS.Shadow; sh != nil {
		l.Shadow = &ShadowLine{DecidedLine: m.decided(&sh.Decision, nil), Deducted: sh.Deducted}
		for _, o := range sh.Outcomes {
			l.Shadow.Outcomes = append(l.Shadow.Outcomes, OutcomeLine{KeyLine: keyLine(o.Key), Rule: text(o.Rule), Cleared: o.Cleared})
		}
	}
	for i := range in.Eligible {
		e := &in.Eligible[i]
		line := EligibleLine{CandidateLine: candidateLine(&e.Candidate)}
		for _, task := range e.Tasks {
			line.Tasks = append(line.Tasks, text(task))
		}
		l.Eligible = append(l.Eligible, line)
	}
	return l
}

// maxCandidates of each resource are logged: nobody asks who would have come
// after them, and a node of a thousand that is short for hours would fill the
// log with them.
const maxCandidates = 32

// liner makes the lines of one tick.
type liner struct {
	at time.Time
	in *Inputs
}

// text is s as JSON can hold it: a container's id may be any file name.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ago is how long t is before the tick; nothing for no time at all.
func (m *liner) ago(t time.Time) Seconds {
	if t.IsZero() {
		return 0
	}
	return Seconds(m.at.Sub(t))
}

func (m *liner) maybe(t time.Time) *Seconds {
	if t.IsZero() {
		return nil
	}
	s := m.ago(t)
	return &s
}

// left is how long it takes until t, 0 when that is over.
func (m *liner) left(t time.Time) Seconds {
	if t.IsZero() {
		return 0
	}
	return Seconds(max(0, t.Sub(m.at)))
}

func keyLine(k snapshot.Key) KeyLine { return KeyLine{ID: text(k.ID), Inode: k.Inode} }

func (m *liner) host(h *snapshot.Host) HostLine {
	return HostLine{
		Age: m.ago(h.At), CPUs: countOf(h.CPUs), UsableCPUs: valueOf(h.UsableCPUs), BusyCores: valueOf(h.BusyCores),
		Load1: valueOf(h.Load1), Load5: valueOf(h.Load5), Load15: valueOf(h.Load15),
		MemTotal: countOf(h.MemTotalBytes), MemAvailable: countOf(h.MemAvailableBytes),
		CPUPressure: valueOf(h.Pressure.CPUSome), MemoryPressure: valueOf(h.Pressure.MemorySome), MemoryFull: valueOf(h.Pressure.MemoryFull),
	}
}

func (m *liner) squeeze(s *snapshot.Contention) *ContentionLine {
	if *s == (snapshot.Contention{}) {
		return nil
	}
	return &ContentionLine{
		State: s.State.String(), Why: s.Why.String(), Age: m.ago(s.At),
		Container: text(s.Container), Degree: finite(s.Degree), Since: m.ago(s.Since),
	}
}

func (m *liner) offer(o *estimator.ResourceOffer) OfferLine {
	l := OfferLine{
		Resource: text(o.Resource), Target: Amount(o.Target), Gross: Amount(o.RevocableTotal), Free: Amount(o.Offered), Why: string(o.Why),
	}
	if a := o.Allocated; a != nil {
		l.Allocated, l.Held = Amount(a.RegularAllocated), Amount(a.RevocableAllocated)
	}
	if e := o.Estimate; e != nil {
		l.Usage, l.Demand, l.Peak = Amount(e.Usage), Amount(e.Demand), Amount(e.Peak)
		l.Margin, l.Unmanaged, l.Slack = Amount(e.Margin), Amount(e.Unmanaged), Amount(e.Slack)
	}
	if g := o.Governor; g != nil {
		l.Governor = GovernorLine{
			Before: Amount(g.Before), Least: Amount(g.Least), HoldFor: secondsOf(g.HoldSeconds), RaiseIn: secondsOf(g.RaiseSeconds),
			Stopped: g.Stopped, Quantum: Amount(g.Quantum), Step: Amount(g.Step), DeadBand: Amount(g.DeadBand), Reserve: Amount(g.Reserve),
		}
	}
	if o.Cap != nil {
		limit := Amount(*o.Cap)
		l.Cap = &limit
	}
	return l
}

func secondsOf(s float64) Seconds { return Seconds(math.Round(s * float64(time.Second))) }

func (m *liner) decided(d *qos.Decision, uses []snapshot.Value) DecidedLine {
	l := DecidedLine{
		Why: string(d.Why), StopOffering: d.StopOffering, Acted: d.Acted, Gone: m.maybe(d.LastGone),
		Budget: BudgetLine{Left: d.Budget.Left, Used: d.Budget.Used},
	}
	if d.Budget.Open() {
		open := m.ago(d.Budget.OpenSince)
		l.Budget.Open = &open
	}
	for i := range d.Rules {
		l.Rules = append(l.Rules, m.rule(d, &d.Rules[i]))
	}
	for i := range d.Ladders {
		s := &d.Ladders[i]
		l.Ladders = append(l.Ladders, LadderLine{
			Resource: s.Resource.String(), Rung: s.Rung.String(), Wanted: s.Wanted.String(), Since: m.maybe(s.Since),
			Limit: finite(s.Limit), Rule: text(s.Rule),
		})
	}
	l.Throttled = len(d.Actions.Throttles)
	for i := range uses {
		t := &d.Actions.Throttles[i]
		l.Throttles = append(l.Throttles, ThrottleLine{
			KeyLine: keyLine(t.Victim.Key()), Uses: valueOf(uses[i]), Cores: finite(t.Cores), LowWeight: t.LowWeight, MemoryHigh: t.MemoryHighBytes,
		})
	}
	for _, v := range d.Actions.Freezes {
		l.Freezes = append(l.Freezes, victimLine(v))
	}
	var seen [2]int
	for i := range d.Candidates {
		c := &d.Candidates[i]
		of := &seen[int(c.Resource)%len(seen)]
		if *of++; *of > maxCandidates && c.Why != reason.Chosen {
			l.More++
			continue
		}
		l.Candidates = append(l.Candidates, candidateLine(c))
	}
	for _, v := range d.Kills {
		l.Kills = append(l.Kills, victimLine(v))
	}
	return l
}

func (m *liner) rule(d *qos.Decision, s *qos.RuleState) RuleLine {
	l := RuleLine{
		Name: text(s.Name), Signal: text(string(s.Signal)), Resource: resourceOf(s.Signal).String(), Action: s.Action.String(),
		Value: valueOf(s.Value), Above: finite(s.Above), Clear: finite(s.Clear), Missing: valueOf(s.Shortfall), Worst: text(s.Container),
		Exceeded: s.Exceeded, Since: m.maybe(s.Since), Held: s.Active, Why: string(s.Why),
	}
	if s.Why != reason.Calm { // what is calm needs no sentence
		l.Text = text(d.Sentence(s, m.at))
	}
	for i := range m.in.Rules {
		r := &m.in.Rules[i]
		if r.Name != s.Name {
			continue
		}
		l.For, l.Settle, l.Immediate, l.PerCPU = Seconds(r.For), Seconds(r.Settle), r.Immediate, r.PerCPU
		if r.While != (policy.While{}) {
			l.While = &WhileLine{Signal: text(string(r.While.Signal)), Above: finite(r.While.Above)}
		}
	}
	return l
}

func victimLine(v qos.Victim) VictimLine {
	c := v.Cause()
	return VictimLine{KeyLine: keyLine(v.Key()), Framework: text(v.FrameworkID()), Executor: text(v.ExecutorID()), Rule: text(c.Rule), Text: text(c.Text)}
}

func candidateLine(c *qos.Candidate) CandidateLine {
	return CandidateLine{
		KeyLine: keyLine(c.Key), Framework: text(c.FrameworkID), Executor: text(c.ExecutorID), Resource: c.Resource.String(),
		Usage: finite(c.Usage), Over: finite(c.Over), Priority: c.Priority, Age: Seconds(math.Round(c.AgeSeconds * 1e9)), Why: string(c.Why),
	}
}

// terms are those of the governor.
func (g *GovernorLine) terms() estimator.Terms {
	milli := func(a Amount) resources.Milli { return resources.Milli(a) }
	return estimator.Terms{
		Before: milli(g.Before), Least: milli(g.Least), Stopped: g.Stopped,
		HoldSeconds: max(0, time.Duration(g.HoldFor).Seconds()), RaiseSeconds: max(0, time.Duration(g.RaiseIn).Seconds()),
		Quantum: milli(g.Quantum), Step: milli(g.Step), DeadBand: milli(g.DeadBand), Reserve: milli(g.Reserve),
	}
}

// clamp is x, never below zero, as all amounts of a formula are.
func clamp(x int64) Amount { return Amount(max(0, min(x, math.MaxInt64))) }

// resourceOf is the resource that is scarce when a signal is high.
func resourceOf(name policy.Signal) policy.Resource {
	if s := signal.Of(name); s != nil {
		return s.Resource
	}
	return policy.CPU
}
