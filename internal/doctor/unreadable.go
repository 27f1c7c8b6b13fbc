package doctor

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// sampleFor is the time between two samples of which rates are made.
const sampleFor = 1100 * time.Millisecond

// Unreadable are the signals that say nothing on the host of cfg. The error says
// that its containers cannot be read at all; what does not need them may be there
// all the same. It takes a second.
func Unreadable(cfg *config.Config, p *policy.Policy) (map[policy.Signal]snapshot.Absence, error) {
	all := *cfg
	all.Monitor.StatEvery, all.Monitor.CostBudget = 1, 1 // two samples are to read everything
	mon, err := daemon.NewMonitor(&all)
	if err != nil {
		return nil, fmt.Errorf("this host cannot be read: %w", err)
	}
	defer func() { _ = mon.Close() }()
	sample := func() *snapshot.Snapshot {
		now := time.Now()
		return mon.Sample(now, &snapshot.Usage{At: now, Agent: "config check"})
	}
	sample()
	time.Sleep(sampleFor)
	s := sample()
	if s.TreeWhy != snapshot.Present {
		err = fmt.Errorf("the containers cannot be read on this host: %s", s.TreeWhy)
		s.TreeWhy = snapshot.Present
	}
	d, _ := qos.Decide(p, qos.State{}, qos.Input{Snapshot: s})
	absent := map[policy.Signal]snapshot.Absence{}
	for _, s := range d.Signals {
		// What depends on an agent's report or an offer, of which there is none
		// here, says nothing about the host.
		if !s.Value.OK() && s.Signal != signal.PredictionViolated {
			absent[s.Signal] = s.Value.Why
		}
	}
	return absent, err
}

// BlindRules are the rules of p that read one of those signals: where, which and
// why.
func BlindRules(p *policy.Policy, absent map[policy.Signal]snapshot.Absence) (found []string) {
	for i := range p.Rules {
		r := &p.Rules[i]
		for _, reads := range []struct {
			at     string
			signal policy.Signal
		}{{"signal", r.Signal}, {"while.signal", r.While.Signal}} {
			if why, ok := absent[reads.signal]; ok {
				found = append(found, fmt.Sprintf("rules[%d].%s: %s cannot be read on this host: %s", i, reads.at, reads.signal, why))
			}
		}
	}
	return found
}
