package control

import (
	"os"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

// Status is how things stand with the daemon.
type Status struct {
	Daemon Daemon `json:"daemon"`
	// Policy is absent when there is no policy file.
	Policy *config.PolicyStatus `json:"policy,omitempty"`
	// Tick is the newest record, absent before the first.
	Tick *decision.Record `json:"tick,omitempty"`
	// Throttles are the control files that hold a value of ours, or that should.
	Throttles []throttle.Container `json:"throttles,omitempty"`
	// Kills are those decided and not confirmed.
	Kills []qos.InFlight `json:"kills,omitempty"`
}

// Daemon is the process.
type Daemon struct {
	Version string    `json:"version"`
	Mode    string    `json:"mode"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// PausedSince is since when it is paused, absent while it is not.
	PausedSince time.Time `json:"paused_since,omitzero"`
}

func (o *operator) status() *Status {
	st := &Status{
		Daemon: Daemon{
			Version: o.Version, Mode: o.Mode, PID: os.Getpid(), Started: o.started, PausedSince: o.Pending.PausedSince(),
		},
		Tick: o.Last(), Kills: o.InFlight(),
	}
	if p := o.Policy(); p.File != "" {
		st.Policy = &p
	}
	for _, c := range o.Throttles().Containers {
		c.Settings = slices.DeleteFunc(slices.Clone(c.Settings), func(s throttle.Setting) bool { return s.Value == "" && !s.Wanted })
		if len(c.Settings) > 0 {
			st.Throttles = append(st.Throttles, c)
		}
	}
	return st
}
