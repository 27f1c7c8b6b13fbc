package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/throttle"
)

// NewAgentAPI shows what the agent's socket has seen.
func NewAgentAPI(status func() agentapi.Status) prometheus.Collector {
	return newCollector(always(status), []family[agentapi.Status]{
		number("agent_connections", "Open connections on the agent's socket.",
			func(st agentapi.Status) float64 { return float64(st.Connections) }),
		number("agent_connected", "1 while the agent has an open connection.",
			func(st agentapi.Status) float64 { return boolean(st.Connected) }),
		number("agent_polls_waiting", "Corrections calls that wait for something to kill.",
			func(st agentapi.Status) float64 { return float64(st.Polls) }),
		{name: "agent_rpcs_total", help: "Calls on the agent's socket that ended, by method and gRPC code.", labels: []string{"method", "code"}, read: func(st agentapi.Status, show show) {
			for _, c := range st.Calls {
				show(float64(c.N), c.Method, c.Code)
			}
		}},
		{name: "agent_refused_total", help: "Calls refused, by whom: a user that may not call (peer), a second agent (agent), a message that could not be used (report), too many calls at a time (room).", labels: []string{"what"}, read: func(st agentapi.Status, show show) {
			show(float64(st.RefusedPeers), "peer")
			show(float64(st.RefusedAgents), "agent")
			show(float64(st.BadReports), "report")
			show(float64(st.RefusedCalls), "room")
		}},
		number("agent_takeovers_total", "Agents that the socket came to serve, the first included.",
			func(st agentapi.Status) float64 { return float64(st.Takeovers) }),
		number("agent_dropped_executors_total", "Executors left out of usage reports because they could not be used.",
			func(st agentapi.Status) float64 { return float64(st.DroppedExecutorsTotal) }),
		number("agent_panics_total", "Calls that met a defect of this daemon.",
			func(st agentapi.Status) float64 { return float64(st.Panics) }),
		{name: "kill_events_total", help: "What became of kills that were decided.", labels: []string{"event"}, read: func(st agentapi.Status, show show) {
			k := &st.Kills
			show(float64(k.Queued), "queued")
			show(float64(k.HandedOver), "handed_over")
			show(float64(k.Retried), "retried")
			show(float64(k.Ignored), "ignored")
			show(float64(k.Unsent), "unsent")
			show(float64(k.Confirmed), "confirmed")
			show(float64(k.EndedItself), "ended_itself")
			show(float64(k.Expired), "expired")
			show(float64(k.Dropped), "dropped")
		}},
	})
}

// AgentView is what the agent's own API says.
type AgentView struct {
	// OK: its last answer is good and fresh.
	OK bool
	// Disagree is of how many containers it tells another CPU time.
	Disagree int
}

// NewAgentView shows how it stands with the agent's own API. Without agent_url
// there is nothing to show.
func NewAgentView(view func() AgentView) prometheus.Collector {
	return newCollector(always(view), []family[AgentView]{
		number("agent_api_working", "1 while the agent's own API (agent_url) answers, and its last answer is fresh.",
			func(v AgentView) float64 { return boolean(v.OK) }),
		number("agent_usage_disagreements", "Containers whose CPU time by the agent is not what their cgroups say, by more than a tenth.",
			func(v AgentView) float64 { return float64(v.Disagree) }),
	})
}

// NewDecisions shows how the decision log goes.
func NewDecisions(stats func() rotate.Stats) prometheus.Collector {
	return newCollector(always(func() recording.Stats { return recording.Stats{Stats: stats()} }), logFamilies("decisions", "decision log"))
}

// NewRecording shows how recording goes.
func NewRecording(stats func() recording.Stats) prometheus.Collector {
	return newCollector(always(stats), logFamilies("recording", "recording"))
}

// logFamilies are the metrics of a log of ticks. One that refuses no tick shows 0
// of them.
func logFamilies(name, title string) []family[recording.Stats] {
	return []family[recording.Stats]{
		number(name+"_ticks_total", "Ticks written to the "+title+".",
			func(st recording.Stats) float64 { return float64(st.Written) }),
		{name: name + "_dropped_ticks_total", help: "Ticks missing from the " + title + ": the disk was too slow (behind), refused a write or was given time after that (error), or the tick is beyond the format (refused).", labels: []string{"reason"}, read: func(st recording.Stats, show show) {
			show(float64(st.Behind), "behind")
			show(float64(st.Lost), "error")
			show(float64(st.Refused), "refused")
		}},
		number(name+"_bytes_total", "Bytes written to the "+title+".",
			func(st recording.Stats) float64 { return float64(st.Bytes) }),
		{name: name + "_files_total", help: "Files of the " + title + " by what was done to them: begun, or removed for their age or the total.", labels: []string{"event"}, read: func(st recording.Stats, show show) {
			show(float64(st.Files), "begun")
			show(float64(st.Removed), "removed")
		}},
		number(name+"_errors_total", "Errors of the disk under the "+title+".",
			func(st recording.Stats) float64 { return float64(st.Errors) }),
		number(name+"_working", "1 while the "+title+" is written, 0 from an error to the next write that succeeds.",
			func(st recording.Stats) float64 { return boolean(st.Err == nil) }),
	}
}

// NewThrottle shows what was written to control files.
func NewThrottle(report func() throttle.Report) prometheus.Collector {
	return newCollector(always(report), []family[throttle.Report]{
		{name: "throttle_files_total", help: "Control files of revocable containers by what happened to them: applied, restored, overwritten by somebody else, failed.", labels: []string{"event"}, read: func(r throttle.Report, show show) {
			show(float64(r.Counters.Applied), "applied")
			show(float64(r.Counters.Restored), "restored")
			show(float64(r.Counters.Overwritten), "overwritten")
			show(float64(r.Counters.Failed), "failed")
		}},
		{name: "throttle_settings", help: "Control files to which a throttle is applied or from which one is to be undone, by setting and how that stands.", labels: []string{"setting", "state"}, read: func(r throttle.Report, show show) {
			type label struct{ setting, state string }
			n := map[label]int{}
			for i := range r.Containers {
				for _, s := range r.Containers[i].Settings {
					n[label{s.Name, string(s.Why)}]++
				}
			}
			for l, count := range n {
				show(float64(count), l.setting, l.state)
			}
		}},
		number("throttle_journal_ok", "1 while the journal of throttles can be written; without it nothing is throttled.",
			func(r throttle.Report) float64 { return boolean(r.Journal == throttle.Applied) }),
	})
}

// NewPolicy shows how it stands with the policy file. Without one there is
// nothing to show.
func NewPolicy(status func() config.PolicyStatus) prometheus.Collector {
	source := func() (config.PolicyStatus, bool) { st := status(); return st, st.File != "" }
	return newCollector(source, []family[config.PolicyStatus]{
		number("policy_last_reload_successful", "1 when the policy file was without fault when it was last read; 0: the policy in force is an older one.",
			func(st config.PolicyStatus) float64 { return boolean(st.Err == "") }),
		number("policy_last_reload_success_timestamp_seconds", "When the policy file was last read and found without fault.",
			func(st config.PolicyStatus) float64 { return float64(st.Good.UnixMilli()) / 1000 }),
		{name: "policy_info", help: "Always 1; the label is the hash of the policy in force.", labels: []string{"hash"}, read: func(st config.PolicyStatus, show show) {
			show(1, st.Hash)
		}},
	})
}

// NewTargetViolation shows the share of the predictions of each resource that
// demand may rise above: what estimatord_prediction_violations_total is to stay below.
func NewTargetViolation(predictor string, targets map[string]float64) prometheus.Collector {
	return newCollector(always(func() map[string]float64 { return targets }), []family[map[string]float64]{{
		name: "target_violation_ratio", help: "Share of the predictions in use that demand may rise above, as the operator set it for after the first day.",
		labels: []string{"resource", "predictor"}, read: func(targets map[string]float64, show show) {
			for resource, target := range targets {
				show(target, resource, predictor)
			}
		},
	}})
}
