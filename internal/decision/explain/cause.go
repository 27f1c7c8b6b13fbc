package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Cause is one thing that keeps an offer from being larger.
type Cause struct {
	Why reason.Code `json:"why"`
	// Text says what it is, and how much it takes where that is known; Cure is
	// what can be done.
	Text string `json:"text"`
	Cure string `json:"cure,omitzero"`
	// Expected: nobody need act. It is meant to be so, it passes, or something
	// else decided.
	Expected bool `json:"expected,omitzero"`
}

// Causes are all that keeps the offer of a resource from being larger, in the
// order in which to look at them: an operator's pause, the kill budget, what could
// not be read, active rules, a setting, learning, use outside the containers, the
// demand of regular containers, the cap, and the governor's waiting.
func Causes(r *decision.Record, o *estimator.ResourceOffer) (all []Cause) {
	if r.Commands.Paused || r.QoS.Why == reason.Paused {
		all = append(all, Cause{Why: reason.Paused, Text: "an operator has paused the daemon", Cure: "estimatord resume"})
	}
	if r.QoS.Budget.Open() {
		all = append(all, Cause{
			Why: reason.BudgetSpent, Text: "the kill budget is spent; half of it must be there again",
			Cure: "find out what makes so many kills necessary (estimatord kills), then: estimatord budget reset",
		})
	}
	if o.Why.IsBlind() {
		all = append(all, blind(r, o))
	}
	switch rules := asking(r); {
	case o.Why != reason.Stopped:
	case rules != "":
		all = append(all, Cause{
			Why: reason.Stopped, Text: "active rules: " + rules,
			Cure: "relieve the node, or raise the rules' thresholds if it is meant to run like that",
		})
	case len(all) == 0:
		all = append(all, Cause{Why: reason.Stopped, Text: "no rule is active any more, the ladder is on its way down", Expected: true})
	}
	switch {
	case o.Why == reason.Noop:
		return append(all, Cause{Why: o.Why, Text: "mode noop offers nothing", Cure: "choose another mode", Expected: true})
	case o.Why == reason.Fixed, o.Governor == nil && o.Why == reason.Stopped:
		return append(all, Cause{
			Why: reason.Fixed, Text: "the operator has fixed the total at " + Quantity(o.Resource, o.Target), Cure: "raise resources", Expected: true,
		})
	}
	all = append(all, inFull(r, o)...)
	if o.Estimate != nil && o.Allocated != nil {
		all = append(all, terms(o)...)
	}
	if o.Allocation != nil {
		all = append(all, reserved(o.Resource, o.Allocation)...)
	}
	return all
}

// reserved is what keeps more of reservations from being offered.
func reserved(resource string, a *estimator.AllocationOffer) (all []Cause) {
	if a.Why == reason.UnusableExecutor {
		return []Cause{{
			Why: a.Why, Text: "the agent's report has an executor that cannot be used: of which reservation it has how much is not known",
			Cure: "the daemon's log names it",
		}}
	}
	if a.Governor == nil {
		return nil
	}
	var keep, free resources.Milli
	for i := range a.Roles {
		free, keep = free.Plus(a.Roles[i].Unallocated), keep.Plus(a.Roles[i].Keep)
	}
	all = []Cause{{
		Why: reason.NoSlack, Expected: true,
		Text: fmt.Sprintf("%d roles have %s reserved and not allocated, of which %s stay free for them", len(a.Roles), Quantity(resource, free), Quantity(resource, keep)),
	}}
	if a.Shortfall > 0 {
		all = append(all, Cause{
			Why: reason.UsedOutside, Text: Quantity(resource, a.Shortfall) + " of that is used by others, or is not there",
			Cure: "let the agent manage less of the node, or move what runs outside its containers into containers",
		})
	}
	if a.Cap != nil && *a.Cap < a.Slack {
		all = append(all, Cause{
			Why: reason.Cap, Expected: a.Why != reason.Cap, Cure: "raise allocation.cap",
			Text: fmt.Sprintf("allocation.cap caps it at %s, the slack is %s", Quantity(resource, *a.Cap), Quantity(resource, a.Slack)),
		})
	}
	return append(all, waits(&estimator.ResourceOffer{Resource: resource, Governor: a.Governor, Why: a.Why, Target: a.Target})...)
}

// Deciding is the cause to name alone: the first that somebody has to act on, else
// the one of what decided the offer, else the first; zero for none.
func Deciding(all []Cause, why reason.Code) (c Cause) {
	for _, is := range []func(Cause) bool{
		func(c Cause) bool { return !c.Expected }, func(c Cause) bool { return c.Why == why }, func(Cause) bool { return true },
	} {
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i]
		}
	}
	return c
}

// blind says which input is absent.
func blind(r *decision.Record, o *estimator.ResourceOffer) Cause {
	c := Cause{Why: o.Why}
	switch o.Why {
	case reason.NoAgent:
		c.Text = "no agent has called since the start"
		c.Cure = "start the agent with the module, whose parameter socket must be the setting socket"
	case reason.StaleUsage:
		c.Text = fmt.Sprintf("the agent's last report is %s old", r.UsageAge().Round(time.Second))
		c.Cure = "look into the agent's log; usage_stale_after must be above its oversubscribed_resources_interval"
	case reason.NoHost:
		c.Text = unreadableHost(o.Resource, &r.Host)
		c.Cure = "proc_root must be the host's procfs; what is impossible there, only the kernel or hypervisor can mend"
	default:
		c.Text = fmt.Sprintf("the containers' cgroups cannot be read: %s", r.TreeWhy)
		c.Cure = "cgroup_root must be where cgroups are mounted, mesos_cgroups_root the agent's --cgroups_root, which runs containers"
	}
	return c
}

// unreadableHost says what of the host is absent for an offer of a resource.
func unreadableHost(resource string, h *snapshot.Host) string {
	what, why := "processors", h.BusyCores.Why
	if h.BusyCores.OK() {
		why = h.UsableCPUs.Why
	}
	if resource == resources.Mem {
		total, available := h.UsableMemory()
		if what, why = "memory", total.Why; total.OK() {
			why = available.Why
		}
	}
	return fmt.Sprintf("the host's %s cannot be read: %s", what, why)
}

// inFull is what counts in full: containers that cannot be read, and young ones.
func inFull(r *decision.Record, o *estimator.ResourceOffer) (all []Cause) {
	decides := o.Why == reason.NoSlack || o.Why == reason.CountedInFull
	if n := r.Containers.Unreadable; n > 0 {
		all = append(all, Cause{
			Why: reason.CountedInFull, Text: fmt.Sprintf("%d containers cannot be read and count at their whole allocation", n),
			Cure: "the reasons are in the metric estimatord_readings_absent and in /metrics/containers", Expected: !decides,
		})
	}
	if n := r.Containers.NotOnDisk; n > 0 {
		all = append(all, Cause{
			Why: reason.CountedInFull, Text: fmt.Sprintf("%d containers of the agent have no cgroup and count at their whole allocation", n),
			Cure: "run them in the Mesos containerizer, with mesos_cgroups_root as the agent's --cgroups_root", Expected: !decides,
		})
	}
	switch e := o.Estimate; {
	case e == nil:
	case e.LearningSeconds > 0:
		all = append(all, Cause{
			Why: reason.CountedInFull, Expected: true, Cure: "wait, or lower estimator.warm_up",
			Text: fmt.Sprintf("still learning for %s: containers with %s are too young to be predicted, and count in full",
				seconds(e.LearningSeconds), Quantity(o.Resource, e.InFull)),
		})
	case e.InFull > 0 && len(all) == 0:
		all = append(all, Cause{
			Why: reason.CountedInFull, Expected: true,
			Text: Quantity(o.Resource, e.InFull) + " count in full: the regular part of revocable and shared containers, or too young to be read",
		})
	}
	if e := o.Estimate; e != nil && e.CalibratingSeconds > 0 {
		all = append(all, Cause{
			Why: reason.Learning, Expected: true, Cure: "wait; with state_file a restart forgets nothing",
			Text: fmt.Sprintf("still learning for %s: until then what other machines have shown decides how far demand may rise above the present %s",
				seconds(e.CalibratingSeconds), Quantity(o.Resource, e.Demand)),
		})
	}
	return all
}

// terms are what takes of the slack, and what follows it slowly.
func terms(o *estimator.ResourceOffer) (all []Cause) {
	if setting, is := neverRises(o); setting != "" {
		all = append(all, Cause{
			Why:  reason.DeadBand,
			Text: fmt.Sprintf("%s is %s, and all that regular containers are allocated is %s", setting, Quantity(o.Resource, is), Quantity(o.Resource, o.RegularAllocated)),
			Cure: "lower " + setting,
		})
	}
	if o.Unmanaged > 0 {
		all = append(all, Cause{
			Why: reason.UsedOutside, Expected: o.Why != reason.UsedOutside,
			Text: "processes outside the agent's containers use " + Quantity(o.Resource, o.Unmanaged) + " of what regular containers leave",
			Cure: "move them into containers, or let the agent manage less of the node",
		})
	}
	return append(append(all, demand(o)...), waits(o)...)
}

// demand is what regular containers need, and what is kept back for them.
func demand(o *estimator.ResourceOffer) (all []Cause) {
	all = []Cause{{
		Why: reason.NoSlack, Expected: true,
		Text: fmt.Sprintf("regular containers may need %s of the %s that they were allocated",
			Quantity(o.Resource, o.Peak-o.InFull), Quantity(o.Resource, o.RegularAllocated)),
	}}
	if o.RegularAllocated == 0 {
		all[0].Text = "no regular container is allocated anything"
	}
	if o.Margin > 0 {
		all = append(all, Cause{
			Why: reason.NoSlack, Expected: o.Why != reason.NoSlack || o.Peak+o.Unmanaged >= o.RegularAllocated,
			Text: "the margin keeps back " + Quantity(o.Resource, o.Margin), Cure: "lower estimator.margin",
		})
	}
	if o.Cap != nil && *o.Cap < o.Slack {
		all = append(all, Cause{
			Why: reason.Cap, Expected: o.Why != reason.Cap,
			Text: fmt.Sprintf("resources caps it at %s, the slack is %s", Quantity(o.Resource, *o.Cap), Quantity(o.Resource, o.Slack)),
			Cure: "raise resources, or leave it out",
		})
	}
	return all
}

// waits is how the governor follows the target.
func waits(o *estimator.ResourceOffer) []Cause {
	g, text := o.Governor, ""
	switch {
	case g == nil:
	case o.Why == reason.RaiseStep && g.RaiseSeconds > 0:
		text = fmt.Sprintf("the next raise may be in %s, by %s at most", seconds(g.RaiseSeconds), Quantity(o.Resource, g.Step))
	case o.Why == reason.RaiseStep:
		text = fmt.Sprintf("it rises by %s at most at a time", Quantity(o.Resource, g.Step))
	case o.Why == reason.DeadBand:
		text = fmt.Sprintf("a rise by less than %s is not worth a change: the least target of the hold time would have to reach %s",
			Quantity(o.Resource, g.DeadBand), Quantity(o.Resource, g.Before+g.DeadBand))
	case o.Why == reason.Hold && g.HoldSeconds > 0:
		text = fmt.Sprintf("nothing is raised for another %s, since capacity was taken back", seconds(g.HoldSeconds))
	case o.Why == reason.Hold:
		text = fmt.Sprintf("within the hold time the target was as low as %s, now it is %s", Quantity(o.Resource, g.Least), Quantity(o.Resource, o.Target))
	}
	if text == "" {
		return nil
	}
	return []Cause{{Why: o.Why, Text: text, Expected: true}}
}

// neverRises is the setting that was raised above all that could ever be offered,
// "" when none was.
func neverRises(o *estimator.ResourceOffer) (setting string, is resources.Milli) {
	if o.Governor == nil || o.RegularAllocated == 0 {
		return "", 0
	}
	def := config.Default().Governor
	for _, s := range []struct {
		name string
		is   resources.Milli
		def  resources.Quantities
	}{{"governor.quantum", o.Governor.Quantum, def.Quantum}, {"governor.dead_band", o.Governor.DeadBand, def.DeadBand}} {
		if s.is > max(o.RegularAllocated, s.def.Get(o.Resource)) {
			return s.name, s.is
		}
	}
	return "", 0
}

// asking names the rules that want something, with where each stands.
func asking(r *decision.Record) string {
	var names []string
	for i := range r.QoS.Rules {
		if rule := &r.QoS.Rules[i]; rule.Active {
			names = append(names, rule.Name+" ("+string(rule.Why)+")")
		}
	}
	return strings.Join(names, ", ")
}
