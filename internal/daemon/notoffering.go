package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// warnAfter is how long nothing may be offered before it is worth a warning.
const warnAfter = 30 * time.Second

// notOffering warns when something keeps the daemon from offering anything, with
// the cause and what to do about it. It is a tick.Observer.
type notOffering struct {
	cfg *config.Config
	log *slog.Logger
	// blocked is what has kept each resource from being offered, and since when.
	blocked map[string]*blockage
}

type blockage struct {
	why    reason.Code
	since  time.Time
	warned bool
}

// Observe implements tick.Observer.
func (n *notOffering) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	if n.blocked == nil {
		n.blocked = map[string]*blockage{}
	}
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		b := n.blocked[o.Resource]
		if o.RevocableTotal > 0 {
			if b != nil && b.warned {
				n.log.Info("offered again", "resource", o.Resource, "after", r.At.Sub(b.since).Round(time.Second).String())
			}
			delete(n.blocked, o.Resource)
			continue
		}
		if b == nil || b.why != o.Why {
			b = &blockage{why: o.Why, since: r.At}
			n.blocked[o.Resource] = b
		}
		if b.warned || r.At.Sub(b.since) < warnAfter {
			continue
		}
		if cause, cure := n.explain(o, r); cause != "" {
			b.warned = true
			n.log.Warn("nothing is offered", "resource", o.Resource, "why", string(o.Why), "cause", cause, "cure", cure)
		}
	}
}

// explain says what is behind the reason of o and what can be done, "" of what is
// meant to be so.
func (n *notOffering) explain(o *estimator.ResourceOffer, r *decision.Record) (cause, cure string) {
	if setting, amount := n.neverRises(o); setting != "" {
		return fmt.Sprintf("%s is %v, and all that regular containers are allocated is %v", setting, amount, o.RegularAllocated), "lower " + setting
	}
	switch o.Why {
	case reason.NoAgent:
		return "no agent has called since the start",
			"start the agent with the module, and its socket parameter as here: " + n.cfg.Socket
	case reason.StaleUsage:
		return fmt.Sprintf("the agent's last report is %s old", r.UsageAge().Round(time.Second)),
			"look into the agent's log; usage_stale_after must be above its oversubscribed_resources_interval"
	case reason.NoSamples, reason.StaleSamples:
		return fmt.Sprintf("the containers' cgroups cannot be read: %s", r.TreeWhy),
			fmt.Sprintf("cgroup_root (%s) must be where cgroups are mounted, mesos_cgroups_root (%s) the agent's --cgroups_root, which runs containers", n.cfg.CgroupRoot, n.cfg.MesosCgroupsRoot)
	case reason.NoHost:
		return unreadableHost(o.Resource, &r.Host),
			fmt.Sprintf("proc_root (%s) must be the host's procfs; what is impossible there, only the kernel or hypervisor can mend", n.cfg.ProcRoot)
	case reason.UsedOutside:
		return "processes outside the agent's containers use what regular containers leave", "move them into containers, or let the agent manage less of the node"
	case reason.NoSlack, reason.CountedInFull:
		if c := &r.Containers; c.Unreadable > 0 {
			return fmt.Sprintf("%d containers cannot be read and count at their whole allocation", c.Unreadable),
				"the reasons are in the metric estimatord_readings_absent and in /metrics/containers"
		}
		if c := &r.Containers; c.NotOnDisk > 0 {
			return fmt.Sprintf("%d containers of the agent have no cgroup and count at their whole allocation", c.NotOnDisk),
				fmt.Sprintf("run them in the Mesos containerizer, with mesos_cgroups_root (%s) as the agent's --cgroups_root", n.cfg.MesosCgroupsRoot)
		}
		if e := o.Estimate; e != nil && o.Allocated != nil && e.Margin > 0 && e.Peak+e.Unmanaged < o.RegularAllocated {
			return "the margin keeps back all that regular containers leave", "lower estimator.margin"
		}
	case reason.Cap:
		return "resources caps it at less than can be offered", "raise resources, or leave it out"
	case reason.Stopped, reason.Paused:
		return stopped(r)
	}
	return "", ""
}

// neverRises is the setting that was raised above all that could ever be offered,
// "" when none was.
func (n *notOffering) neverRises(o *estimator.ResourceOffer) (setting string, amount resources.Milli) {
	if o.Governor == nil || o.Allocated == nil || o.RegularAllocated == 0 {
		return "", 0
	}
	def, is := config.Default().Governor, n.cfg.Governor
	for _, s := range []struct {
		name    string
		is, def resources.Quantities
	}{{"governor.quantum", is.Quantum, def.Quantum}, {"governor.dead_band", is.DeadBand, def.DeadBand}} {
		if amount := s.is.Get(o.Resource); amount > max(o.RegularAllocated, s.def.Get(o.Resource)) {
			return s.name, amount
		}
	}
	return "", 0
}

// unreadableHost says what of the host is missing for an offer of a resource.
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

// stopped says what has stopped the offer.
func stopped(r *decision.Record) (cause, cure string) {
	switch {
	case r.QoS.Why == reason.Paused:
		return "an operator has paused the daemon", "estimatord resume"
	case r.QoS.Budget.Open():
		return "the kill budget is spent", "find out what makes so many kills necessary (estimatord explain), then: estimatord budget reset"
	}
	var rules []string
	for i := range r.QoS.Rules {
		if rule := &r.QoS.Rules[i]; rule.Active {
			rules = append(rules, rule.Name)
		}
	}
	if len(rules) == 0 {
		return "", ""
	}
	return "active rules: " + strings.Join(rules, ", "), "relieve the node, or raise the rules' thresholds if it is meant to run like that"
}
