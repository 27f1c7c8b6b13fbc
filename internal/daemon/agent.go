package daemon

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// resumeFor is how long after a start a kill of an earlier run counts as under
// way. A container that is told to end is gone within seconds; one that lives on
// is judged anew.
const resumeFor = 2 * time.Minute

// agent is the agent's side of the loop that also remembers the kills of an
// earlier run: they are under way until their containers are gone. It is a
// tick.Agent.
type agent struct {
	*agentapi.Server
	checkpoint *checkpoint
	log        *slog.Logger
	// view is nil where the agent's own API is not asked.
	view *agentView
	// dying are the kills of an earlier run that its agent was told of, made anew
	// from what the agent reports now.
	dying []qos.Victim
	// began is the time of the first tick.
	began time.Time

	mu sync.Mutex
	// earlier are the kills of an earlier run whose containers are not gone.
	earlier []qos.InFlight
}

func newAgent(srv *agentapi.Server, c *checkpoint, view *agentView, log *slog.Logger) *agent {
	return &agent{Server: srv, checkpoint: c, view: view, log: log, earlier: slices.Clone(c.restored.Decisions.UnderWay)}
}

// Usage implements tick.Agent.
func (a *agent) Usage() *snapshot.Usage {
	u := a.Server.Usage()
	if a.view != nil {
		u = a.view.name(u)
	}
	return u
}

// Kill implements tick.Agent.
func (a *agent) Kill(v qos.Victim) error {
	a.checkpoint.save()
	return a.Server.Kill(v)
}

// InFlight implements tick.Agent. It is for any goroutine.
func (a *agent) InFlight() []qos.InFlight {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.Server.InFlight()
	for _, k := range a.earlier {
		if !slices.ContainsFunc(all, func(f qos.InFlight) bool { return f.Key == k.Key }) {
			all = append(all, k)
		}
	}
	return all
}

// Dying implements tick.Agent.
func (a *agent) Dying() []qos.Victim { return append(a.Server.Dying(), a.dying...) }

// Observe implements tick.Agent.
func (a *agent) Observe(s *snapshot.Snapshot) {
	a.Server.Observe(s)
	a.dying = a.dying[:0]
	if a.began.IsZero() {
		a.began = s.At
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earlier = slices.DeleteFunc(a.earlier, func(k qos.InFlight) bool {
		i := slices.IndexFunc(s.Containers, func(c snapshot.Container) bool { return c.OnDisk && c.Key == k.Key })
		switch {
		case i < 0 && s.TreeWhy == snapshot.Present:
			a.log.Info("kill of an earlier run ended", "container", k.ID)
			return true
		case s.At.Sub(a.began) > resumeFor:
			a.log.Warn("kill of an earlier run is not waited for any longer", "container", k.ID)
			return true
		case i >= 0 && slices.Contains(a.checkpoint.restored.HandedOver, k.Key):
			if v, err := qos.NewVictim(&s.Containers[i], qos.Cause{Text: "killed by an earlier run"}); err == nil {
				a.dying = append(a.dying, v)
			}
		}
		return false
	})
}
