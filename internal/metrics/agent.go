package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/agentapi"
)

// agentAPI shows what the agent's socket has seen.
type agentAPI struct {
	status func() agentapi.Status
}

// NewAgentAPI makes a collector of what status says at each scrape.
func NewAgentAPI(status func() agentapi.Status) prometheus.Collector { return agentAPI{status} }

var (
	descConnections = prometheus.NewDesc("estimatord_agent_connections", "Open connections on the agent's socket.", nil, nil)
	descAgentHere   = prometheus.NewDesc("estimatord_agent_connected", "1 while the agent has an open connection.", nil, nil)
	descPolls       = prometheus.NewDesc("estimatord_agent_polls_waiting", "Corrections calls that wait for something to kill.", nil, nil)
	descCalls       = prometheus.NewDesc("estimatord_agent_rpcs_total", "Calls on the agent's socket that ended, by method and gRPC code.", []string{"method", "code"}, nil)
	descRefused     = prometheus.NewDesc("estimatord_agent_refused_total", "Calls refused, by whom: a user that may not call (peer), a second agent (agent), a message that could not be used (report).", []string{"what"}, nil)
	descTakeovers   = prometheus.NewDesc("estimatord_agent_takeovers_total", "Agents that the socket came to serve, the first included.", nil, nil)
	descDropped     = prometheus.NewDesc("estimatord_agent_dropped_executors_total", "Executors left out of usage reports because they could not be used.", nil, nil)
	descPanics      = prometheus.NewDesc("estimatord_agent_panics_total", "Calls that met a defect of this daemon.", nil, nil)
	descKillEvents  = prometheus.NewDesc("estimatord_kill_events_total", "What became of kills that were decided.", []string{"event"}, nil)
)

func (a agentAPI) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descConnections, descAgentHere, descPolls, descCalls, descRefused, descTakeovers, descDropped, descPanics, descKillEvents,
	} {
		ch <- d
	}
}

func (a agentAPI) Collect(ch chan<- prometheus.Metric) {
	st := a.status()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(descConnections, float64(st.Connections))
	gauge(descAgentHere, boolean(st.Connected))
	gauge(descPolls, float64(st.Polls))
	for _, c := range st.Calls {
		counter(descCalls, c.N, c.Method, c.Code)
	}
	counter(descRefused, st.RefusedPeers, "peer")
	counter(descRefused, st.RefusedAgents, "agent")
	counter(descRefused, st.BadReports, "report")
	counter(descTakeovers, st.Takeovers)
	counter(descDropped, st.DroppedExecutorsTotal)
	counter(descPanics, st.Panics)
	for _, k := range []struct {
		event string
		n     uint64
	}{
		{"queued", st.Kills.Queued},
		{"handed_over", st.Kills.HandedOver},
		{"retried", st.Kills.Retried},
		{"ignored", st.Kills.Ignored},
		{"unsent", st.Kills.Unsent},
		{"confirmed", st.Kills.Confirmed},
		{"ended_itself", st.Kills.EndedItself},
		{"expired", st.Kills.Expired},
		{"dropped", st.Kills.Dropped},
	} {
		counter(descKillEvents, k.n, k.event)
	}
}
