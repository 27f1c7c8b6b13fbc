package control

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

// Status is how things stand with the daemon.
type Status struct {
	Daemon Daemon `json:"daemon"`
	// Policy is absent when there is no policy file.
	Policy *config.PolicyStatus `json:"policy,omitempty"`
	// Tick is the newest record: agent, host, offers, rules, ladders and budget.
	// It is absent before the first.
	Tick *decision.Record `json:"tick,omitempty"`
	// Reservations are what the agent has, by whom it is reserved to; absent before
	// its first report.
	Reservations []snapshot.Reservation `json:"reservations,omitempty"`
	// Containers are those at top level.
	Containers []Container `json:"containers"`
	// KillsInFlight are decided and not confirmed; Kills are the last ones, the
	// newest first.
	KillsInFlight []qos.InFlight   `json:"kills_in_flight,omitempty"`
	Kills         []explain.Killed `json:"kills"`
	// Words say all of it in sentences.
	Words Words `json:"words"`
	// Revision grows whenever more than readings has changed.
	Revision uint64 `json:"revision"`
}

// Daemon is the process.
type Daemon struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitzero"`
	// ConfigHash tells settings apart, as the hash of a policy does.
	ConfigHash string    `json:"config_hash,omitzero"`
	Mode       string    `json:"mode"`
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	Pause
}

// Container is a container, and what is done to it.
type Container struct {
	snapshot.Container
	// Applied are the control files that have a value of ours, or that should.
	Applied []throttle.Setting `json:"applied,omitempty"`
}

func (cfg *Config) status() *Status {
	d := cfg.Daemon
	d.PID, d.Pause = os.Getpid(), cfg.Pending.Pause(cfg.Now())
	last := cfg.Last()
	st := &Status{
		Daemon: d, Tick: brief(last), Containers: []Container{}, KillsInFlight: cfg.InFlight(),
		Kills: cfg.Recent.killed(), Revision: cfg.Recent.revised(),
	}
	if p := cfg.Policy(); p.File != "" {
		st.Policy = &p
	}
	if u := cfg.Usage(); u != nil {
		st.Reservations = u.Reservations
	}
	st.Words = cfg.words(last)
	cfg.Recent.rows(func(c *snapshot.Container) {
		if c.Parent == "" {
			st.Containers = append(st.Containers, Container{Container: *c})
		}
	})
	for _, c := range cfg.Throttles().Containers {
		if applied := slices.DeleteFunc(slices.Clone(c.Settings), notApplied); len(applied) > 0 {
			st.container(c.Key).Applied = applied
		}
	}
	return st
}

// words says how things stand at a tick.
func (cfg *Config) words(r *decision.Record) Words {
	var pol *config.PolicyStatus
	if p := cfg.Policy(); p.File != "" {
		pol = &p
	}
	return wordsOf(r, cfg.Daemon.Mode, pol, cfg.Pending.Pause(cfg.Now()))
}

func notApplied(s throttle.Setting) bool { return s.Value == "" && !s.Wanted }

// container is the one of that key; one that is gone by now is added.
func (st *Status) container(k snapshot.Key) *Container {
	i := slices.IndexFunc(st.Containers, func(c Container) bool { return c.Key == k })
	if i < 0 {
		i = len(st.Containers)
		st.Containers = append(st.Containers, Container{Container: snapshot.Container{Key: k}})
	}
	return &st.Containers[i]
}

// Name is how people know the container: by its tasks, else by its executor, else
// by its id.
func (c *Container) Name() string {
	if c.Executor == nil {
		return c.ID
	}
	var names []string
	for i := range c.Executor.Tasks {
		t := &c.Executor.Tasks[i]
		name := t.ID
		if t.Name != "" && t.Name != t.ID {
			name = t.Name + " (" + t.ID + ")"
		}
		names = append(names, name)
	}
	return cmp.Or(strings.Join(names, ", "), c.Executor.ExecutorID, c.ID)
}

// State is what is done to a container, or why it cannot be read.
func (st *Status) State(c *Container) string {
	var applied []string
	for i := range c.Applied {
		applied = append(applied, c.Applied[i].Name)
	}
	switch {
	case slices.ContainsFunc(st.KillsInFlight, func(k qos.InFlight) bool { return k.Key == c.Key }):
		return "dying"
	case len(applied) > 0:
		return strings.Join(applied, ",")
	case !c.OnDisk:
		return "no cgroup"
	case !c.CPU.Cores.OK():
		return c.CPU.Cores.Why.String()
	}
	return ""
}

// nameOf is the name of the container of that key, its id where it is gone.
func (st *Status) nameOf(key snapshot.Key) string {
	for i := range st.Containers {
		if st.Containers[i].Key == key {
			return st.Containers[i].Name()
		}
	}
	return key.ID
}
