package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/qos/policy"
)

func daemonDown(h *Host) []string { return one(h.StatusErr != nil, "%v", h.StatusErr) }

func tickOld(h *Host) []string {
	switch {
	case h.Status == nil:
		return nil
	case h.Status.Tick == nil:
		return one(h.Now.Sub(h.Status.Daemon.Started) > h.Settings.SampleStaleAfter, "the daemon has not ticked since its start")
	}
	age := h.Now.Sub(h.Status.Tick.At)
	return one(age > h.Settings.SampleStaleAfter, "the last tick was %s ago", age.Round(time.Second))
}

func agentSilent(h *Host) []string {
	if h.Status == nil || h.Status.Tick == nil {
		return nil
	}
	t := h.Status.Tick
	if !t.Reported {
		return []string{"no agent has called since the daemon started"}
	}
	return one(t.UsageAge() > h.Settings.UsageStaleAfter, "the last report of agent %s is %s old", t.Agent, t.UsageAge().Round(time.Second))
}

func settingsChanged(h *Host) []string {
	if h.Status == nil || h.SettingsErr != nil || h.Status.Daemon.ConfigHash == "" {
		return nil
	}
	runs, says := h.Status.Daemon.ConfigHash, h.Settings.Hash()
	return one(runs != says, "the daemon runs with settings %s, a start would have %s", runs, says)
}

// lines are the lines of an error, a finding each.
func lines(err error) (found []string) {
	if err != nil {
		found = strings.Split(err.Error(), "\n")
	}
	return found
}

func settingsRefused(h *Host) []string { return lines(h.SettingsErr) }

func paused(h *Host) []string {
	if h.Status == nil || h.Status.Daemon.PausedSince.IsZero() {
		return nil
	}
	return []string{"since " + h.Status.Daemon.PausedSince.UTC().Format(time.RFC3339)}
}

func budgetSpent(h *Host) []string {
	if h.Status == nil || h.Status.Tick == nil || !h.Status.Tick.QoS.Budget.Open() {
		return nil
	}
	b := &h.Status.Tick.QoS.Budget
	return []string{fmt.Sprintf("%d kills since the breaker opened at %s", b.Used, b.OpenSince.UTC().Format(time.RFC3339))}
}

func noPolicy(h *Host) []string {
	return one(h.Settings.Policy == "" && h.Settings.Mode != config.ModeNoop, "policy is not set")
}

func policyRefused(h *Host) []string {
	if h.PolicyErr == nil && h.Status != nil && h.Status.Policy != nil && h.Status.Policy.Err != "" {
		return strings.Split(h.Status.Policy.Err, "\n") // the file, as the daemon found it
	}
	return lines(h.PolicyErr)
}

func policyLint(h *Host) (found []string) {
	if h.Policy == nil {
		return nil
	}
	for _, w := range h.Policy.Warnings {
		found = append(found, w.Error())
	}
	return found
}

func ruleBlind(h *Host) []string {
	if h.Policy == nil {
		return nil
	}
	return BlindRules(h.Policy.Policy, h.Unreadable)
}

// crossings in the last hour from which a threshold is within the noise.
const crossings = 20

// ruleInNoise finds rules whose reading goes above the threshold and back again
// and again without ever staying for the time of the rule.
func ruleInNoise(h *Host) (found []string) {
	if h.Policy == nil {
		return nil
	}
	for i := range h.Policy.Policy.Rules {
		if n := timesCrossed(h, &h.Policy.Policy.Rules[i]); n >= crossings {
			r := &h.Policy.Policy.Rules[i]
			found = append(found, fmt.Sprintf("rules[%d] %s: %s crossed %v %d times in the last hour and never stayed above for %s", i, r.Name, r.Signal, r.Above, n, r.For))
		}
	}
	return found
}

// timesCrossed is how often the rule was exceeded anew; 0 when it was active, or
// of another policy.
func timesCrossed(h *Host, rule *policy.Rule) (n int) {
	above := false
	hash := h.Policy.Policy.Hash()
	for _, r := range h.Records {
		for k := range r.QoS.Rules {
			s := &r.QoS.Rules[k]
			switch {
			case r.PolicyHash != hash || s.Name != rule.Name || !s.Value.OK():
				continue
			case s.Active:
				return 0
			case s.Exceeded && !above:
				n++
			}
			above = s.Exceeded
		}
	}
	return n
}
