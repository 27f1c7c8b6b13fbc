package control

import (
	"os"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/policyfile"
	"github.com/estimatord/estimatord/internal/snapshot"
	operatorv1 "github.com/estimatord/estimatord/proto/estimatord/operator/v1"
	"github.com/estimatord/estimatord/qos"
)

// status puts together how things stand.
func (s *Server) status() *operatorv1.StatusResponse {
	paused := s.cfg.Pending.PausedSince()
	resp := &operatorv1.StatusResponse{
		Daemon: &operatorv1.Daemon{
			Version: s.cfg.Version, Mode: s.cfg.Mode, Pid: count(os.Getpid()), Started: timestamppb.New(s.started),
			Paused: !paused.IsZero(), PausedSince: timeOf(paused),
		},
		Policy: policyOf(s.cfg.Sources.Policy()),
		Agent:  &operatorv1.Agent{},
	}
	for _, k := range s.cfg.Sources.InFlight() {
		resp.Kills = append(resp.Kills, &operatorv1.Kill{ContainerId: k.ID, Since: timeOf(k.Since)})
	}
	resp.Held = s.held()
	if r := s.cfg.Sources.Last(); r != nil {
		s.tick(resp, r)
	}
	return resp
}

// tick fills in what the last tick knew.
func (s *Server) tick(resp *operatorv1.StatusResponse, r *decision.Record) {
	resp.Tick = &operatorv1.Tick{
		Seq: r.Seq, At: timestamppb.New(r.At), Age: durationpb.New(max(0, s.cfg.Now().Sub(r.At))), Took: durationpb.New(r.Took),
		Why:                 string(r.QoS.Why),
		RegularContainers:   count(r.Containers.Regular),
		RevocableContainers: count(r.Containers.Revocable), SharedContainers: count(r.Containers.Shared),
		UnknownContainers: count(r.Containers.UnknownToAgent), UnreadableContainers: count(r.Containers.Unreadable),
	}
	if r.Agent != "" {
		resp.Agent.Id, resp.Agent.UsageAge = r.Agent, durationpb.New(r.UsageAge)
	}
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		resp.Offers = append(resp.Offers, &operatorv1.Offer{
			Resource: o.Name, Free: o.Free.Float(), Gross: o.Gross.Float(), Slack: o.Slack.Float(),
			AllocatedRevocable: o.AllocatedRevocable.Float(), Why: string(o.Why),
		})
	}
	for i := range r.QoS.Ladders {
		l := &r.QoS.Ladders[i]
		resp.Ladders = append(resp.Ladders, &operatorv1.Ladder{
			Resource: l.Resource.String(), Rung: l.Rung.String(), Wanted: l.Wanted.String(), Since: timeOf(l.Since), Limit: l.Limit, Rule: l.Rule,
		})
	}
	resp.Rules = rulesOf(resp.Rules, r.QoS.Rules, false)
	if r.QoS.Shadow != nil {
		resp.Rules = rulesOf(resp.Rules, r.QoS.Shadow.Rules, true)
	}
	b := &r.QoS.Budget
	resp.Budget = &operatorv1.Budget{Left: count(b.Left), Used: count(b.Used), BreakerOpen: b.Open, OpenSince: timeOf(b.Since)}
	for _, g := range r.QoS.Signals {
		sig := &operatorv1.Signal{Name: string(g.Signal)}
		if sig.Value = valueOf(g.Value); sig.Value == nil {
			sig.Absent = g.Value.Why.String()
		}
		resp.Signals = append(resp.Signals, sig)
	}
}

func rulesOf(to []*operatorv1.Rule, rules []qos.RuleState, shadow bool) []*operatorv1.Rule {
	for i := range rules {
		r := &rules[i]
		to = append(to, &operatorv1.Rule{
			Name: r.Name, Signal: string(r.Signal), Action: r.Action.String(), Value: valueOf(r.Value),
			Above: r.Above, Clear: r.Clear, Why: string(r.Why), Text: r.Text, Shadow: shadow,
		})
	}
	return to
}

// held are the control files that hold a value of ours, or that should.
func (s *Server) held() []*operatorv1.Held {
	var all []*operatorv1.Held
	report := s.cfg.Sources.Throttles()
	for i := range report.Containers {
		c := &report.Containers[i]
		for j := range c.Settings {
			set := &c.Settings[j]
			if set.Value == "" && !set.Wanted {
				continue
			}
			all = append(all, &operatorv1.Held{
				ContainerId: c.ID, Setting: set.Name, File: set.File, Value: set.Value, Before: set.Before,
				Since: timeOf(set.Since), Why: string(set.Why),
			})
		}
	}
	return all
}

func policyOf(st policyfile.Status) *operatorv1.Policy {
	if st.File == "" {
		return nil
	}
	p := &operatorv1.Policy{
		File: st.File, Hash: st.Hash, Since: timeOf(st.Since), Rules: count(st.Rules), Shadow: st.Shadow,
		Warnings: st.Warnings, Checked: timeOf(st.Checked), Good: timeOf(st.Good),
	}
	if st.Err != nil {
		p.Error = st.Err.Error()
	}
	return p
}

// timeOf is absent for no time at all.
func timeOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func valueOf(v snapshot.Value) *float64 {
	if !v.OK() {
		return nil
	}
	return &v.V
}

// count is n, which is never below zero.
func count(n int) uint32 { return uint32(max(0, n)) }
