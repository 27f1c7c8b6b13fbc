package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/internal/agentclient"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// agentView adds to the agent's reports what its own API says: how frameworks are
// called, and whether the two agree on the use of containers. It is a
// tick.Observer.
type agentView struct {
	client *agentclient.Client
	poller *agentclient.Poller
	log    *slog.Logger

	// frameworks are those of the reports that were ever named: an answer that fails
	// must not lose whom a policy protects by name. Those of the last report are kept.
	frameworks map[string]agentclient.Framework
	// from and state are what named was made of.
	from, named *snapshot.Usage
	state       *agentclient.State

	// compared is the last state that was compared, disagree how many containers
	// are told differently.
	compared *agentclient.State
	disagree atomic.Int64
}

// newAgentView is nil where the agent is not to be asked.
func newAgentView(cfg *config.Config, log *slog.Logger) (*agentView, error) {
	if cfg.AgentURL == "" {
		return nil, nil
	}
	c, err := agentclient.New(cfg.AgentURL, cfg.AgentCredentials, config.ReadTrusted)
	if err != nil {
		return nil, err
	}
	return &agentView{client: c, poller: agentclient.NewPoller(c, log), log: log, frameworks: map[string]agentclient.Framework{}}, nil
}

// name is u with the names of frameworks, as far as they are known. It is for the
// loop's goroutine.
func (v *agentView) name(u *snapshot.Usage) *snapshot.Usage {
	state, _ := v.poller.Last()
	switch {
	case u == nil:
		return nil
	case u == v.from && state == v.state:
		return v.named
	}
	listed := make(map[string]agentclient.Framework, len(v.frameworks))
	named := *u
	named.Executors = slices.Clone(u.Executors)
	for i := range named.Executors {
		e := &named.Executors[i]
		f, known := v.frameworks[e.FrameworkID]
		if state != nil {
			if now, is := state.Frameworks[e.FrameworkID]; is {
				f, known = now, true
			}
		}
		if !known {
			continue
		}
		listed[e.FrameworkID] = f
		e.FrameworkName = f.Name
		if e.Role == "" && len(f.Roles) == 1 { // an old agent's report has none
			e.Role = f.Roles[0]
		}
	}
	v.from, v.state, v.named, v.frameworks = u, state, &named, listed
	return v.named
}

// Observe implements tick.Observer. It compares each new answer once.
func (v *agentView) Observe(_ *decision.Record, s *snapshot.Snapshot) {
	state, err := v.poller.Last()
	if err != nil || state == v.compared {
		return
	}
	v.compared = state
	ids := state.Disagreements(s.Containers, s.At, float64(s.Host.CPUs.N))
	if before := v.disagree.Swap(int64(len(ids))); before == 0 && len(ids) > 0 {
		v.log.Warn("the agent tells other CPU times than the cgroups: see estimatord doctor, usage_disagrees", "containers", len(ids), "first", ids[0])
	}
}

// stats is what metrics show of it.
func (v *agentView) stats() metrics.AgentView {
	_, err := v.poller.Last()
	return metrics.AgentView{OK: err == nil, Disagree: int(v.disagree.Load())}
}

// killEvery is how often it is looked for kills that are due.
const killEvery = time.Second

// kill hands kills over to the agent's API while the agent has no QoS module.
func (v *agentView) kill(ctx context.Context, a *agent) error {
	ticker := time.NewTicker(killEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if state, err := v.poller.Last(); err == nil && !state.HasQoSModule() {
			a.HandOver(func(victim qos.Victim) error { return v.client.Kill(ctx, victim) })
		}
	}
}
