package decision

import "time"

// Append appends l as JSON and a line end. l must hold no number that JSON does
// not know, which no Line that LineOf made does.
func (l *Line) Append(b []byte) []byte {
	w := &writer{b: b}
	w.open('{')
	w.int("v", int64(l.Version))
	w.uint("seq", l.Seq)
	w.key("at")
	w.b = l.At.append(w.b)
	w.text("policy", l.Policy)
	w.someText("agent", l.Agent)
	w.maybeSeconds("usage_age_s", l.UsageAge)
	w.someText("tree_why", l.TreeWhy)
	w.object("host", func() { l.Host.append(w) })
	if s := l.Contention; s != nil {
		w.object("squeeze", func() { s.append(w) })
	}
	w.object("containers", func() { l.Containers.append(w) })
	w.strings("orders", l.Orders)
	if l.Limits != (LimitsLine{}) {
		w.object("limits", func() { l.Limits.append(w) })
	}
	list(w, "promises", l.Promises, appendPromise)
	list(w, "signals", l.Signals, appendSignal)
	list(w, "in_flight", l.InFlight, appendDying)
	w.someInt("in_flight_after", l.After)
	w.key("offer")
	if l.Offer == nil {
		w.b = append(w.b, "null"...)
	} else {
		w.open('[')
		for i := range l.Offer {
			w.next()
			w.open('{')
			l.Offer[i].append(w)
			w.close('}')
		}
		w.close(']')
	}
	l.append(w)
	if s := l.Shadow; s != nil {
		w.object("shadow", func() { s.append(w) })
	}
	w.flag("weighed", l.Weighed)
	list(w, "eligible", l.Eligible, appendEligible)
	w.close('}')
	return append(w.b, '\n')
}

func (i Instant) append(b []byte) []byte {
	b = append(b, '"')
	b = time.Unix(0, int64(i)).UTC().AppendFormat(b, instantForm)
	return append(b, '"')
}

func (h *HostLine) append(w *writer) {
	w.someSeconds("age_s", h.Age)
	w.value("cpus", h.CPUs)
	w.value("usable_cpus", h.UsableCPUs)
	w.value("busy_cores", h.BusyCores)
	w.value("load1", h.Load1)
	w.value("load5", h.Load5)
	w.value("load15", h.Load15)
	w.value("mem_total_bytes", h.MemTotal)
	w.value("mem_available_bytes", h.MemAvailable)
	w.value("cpu_some", h.CPUPressure)
	w.value("memory_some", h.MemoryPressure)
	w.value("memory_full", h.MemoryFull)
}

func (s *ContentionLine) append(w *writer) {
	w.text("state", s.State)
	w.text("why", s.Why)
	w.someSeconds("age_s", s.Age)
	w.someText("container", s.Container)
	w.someFloat("degree", s.Degree)
	w.someSeconds("since_s", s.Since)
}

func (c *ContainersLine) append(w *writer) {
	w.someInt("regular", c.Regular)
	w.someInt("revocable", c.Revocable)
	w.someInt("shared", c.Shared)
	w.someInt("unknown_to_agent", c.UnknownToAgent)
	w.someInt("not_on_disk", c.NotOnDisk)
	w.someInt("unreadable", c.Unreadable)
}

func (l *LimitsLine) append(w *writer) {
	w.int("kills_at_once", int64(l.KillsAtOnce))
	w.seconds("ignored_after_s", l.IgnoredAfter)
	w.int("budget_kills", int64(l.BudgetKills))
	w.seconds("budget_per_s", l.BudgetPer)
	w.someSeconds("min_age_s", l.MinAge)
	w.someFloat("min_usage", l.MinUsage)
}

func appendPromise(w *writer, p *PromiseLine) {
	w.text("resource", p.Resource)
	w.amount("peak", p.Peak)
	w.amount("allocated", p.Allocated)
	w.amount("lent", p.Lent)
}

func appendSignal(w *writer, s *SignalLine) {
	w.text("signal", s.Signal)
	w.value("value", s.Value)
	w.someText("worst", s.Worst)
}

func (k *KeyLine) append(w *writer) {
	w.text("id", k.ID)
	w.someUint("inode", k.Inode)
}

func appendDying(w *writer, d *DyingLine) {
	d.append(w)
	w.seconds("since_s", d.Since)
	w.value("cores", d.Cores)
	w.value("working_set_bytes", d.WorkingSet)
}

func (o *OfferLine) append(w *writer) {
	w.text("resource", o.Resource)
	w.amount("allocated", o.Allocated)
	w.amount("usage", o.Usage)
	w.amount("demand", o.Demand)
	w.amount("peak", o.Peak)
	w.amount("margin", o.Margin)
	w.amount("unmanaged", o.Unmanaged)
	w.amount("slack", o.Slack)
	if o.Cap != nil {
		w.amount("cap", *o.Cap)
	}
	w.amount("target", o.Target)
	if g := &o.Governor; *g != (GovernorLine{}) {
		w.object("governor", func() {
			w.amount("before", g.Before)
			w.amount("least", g.Least)
			w.someSeconds("hold_for_s", g.HoldFor)
			w.someSeconds("raise_in_s", g.RaiseIn)
			w.flag("stopped", g.Stopped)
			w.amount("quantum", g.Quantum)
			w.amount("step", g.Step)
			w.amount("dead_band", g.DeadBand)
			if g.Reserve != 0 {
				w.amount("reserve", g.Reserve)
			}
		})
	}
	w.amount("gross", o.Gross)
	w.amount("allocated_revocable", o.Held)
	w.amount("free", o.Free)
	w.text("why", o.Why)
}

func (d *DecidedLine) append(w *writer) {
	w.text("why", d.Why)
	list(w, "rules", d.Rules, appendRule)
	list(w, "ladders", d.Ladders, appendLadder)
	w.flag("stop_offering", d.StopOffering)
	w.flag("acted", d.Acted)
	w.someInt("throttled", d.Throttled)
	list(w, "throttles", d.Throttles, appendThrottle)
	list(w, "freezes", d.Freezes, appendVictim)
	list(w, "candidates", d.Candidates, appendCandidate)
	w.someInt("candidates_more", d.More)
	list(w, "kills", d.Kills, appendVictim)
	w.maybeSeconds("gone_s", d.Gone)
	if b := &d.Budget; *b != (BudgetLine{}) {
		w.object("budget", func() {
			w.int("left", int64(b.Left))
			w.int("used", int64(b.Used))
			w.maybeSeconds("open_s", b.Open)
		})
	}
}

func appendRule(w *writer, r *RuleLine) {
	w.text("name", r.Name)
	w.text("signal", r.Signal)
	w.text("resource", r.Resource)
	w.text("action", r.Action)
	w.flag("immediate", r.Immediate)
	w.flag("per_cpu", r.PerCPU)
	w.value("value", r.Value)
	w.float("above", r.Above)
	w.float("clear", r.Clear)
	if r.While != nil {
		w.object("while", func() {
			w.text("signal", r.While.Signal)
			w.float("above", r.While.Above)
		})
	}
	w.seconds("for_s", r.For)
	w.seconds("settle_s", r.Settle)
	w.value("missing", r.Missing)
	w.someText("worst", r.Worst)
	w.flag("exceeded", r.Exceeded)
	w.maybeSeconds("since_s", r.Since)
	w.flag("held", r.Held)
	w.text("why", r.Why)
	w.someText("text", r.Text)
}

func appendLadder(w *writer, l *LadderLine) {
	w.text("resource", l.Resource)
	w.text("rung", l.Rung)
	w.text("wanted", l.Wanted)
	w.maybeSeconds("since_s", l.Since)
	w.someFloat("limit", l.Limit)
	w.someText("rule", l.Rule)
}

func appendThrottle(w *writer, t *ThrottleLine) {
	t.append(w)
	w.value("uses_cores", t.Uses)
	w.someFloat("cores", t.Cores)
	w.flag("low_weight", t.LowWeight)
	w.someUint("memory_high_bytes", t.MemoryHigh)
}

func appendVictim(w *writer, v *VictimLine) {
	v.append(w)
	w.text("framework", v.Framework)
	w.text("executor", v.Executor)
	w.someText("rule", v.Rule)
	w.someText("text", v.Text)
}

func appendCandidate(w *writer, c *CandidateLine) {
	c.append(w)
	w.someText("framework", c.Framework)
	w.someText("executor", c.Executor)
	w.text("resource", c.Resource)
	w.float("usage", c.Usage)
	w.float("over", c.Over)
	w.someInt("priority", c.Priority)
	w.seconds("age_s", c.Age)
	w.text("why", c.Why)
}

func appendEligible(w *writer, e *EligibleLine) {
	appendCandidate(w, &e.CandidateLine)
	w.strings("tasks", e.Tasks)
}

func (s *ShadowLine) append(w *writer) {
	s.DecidedLine.append(w)
	w.someInt("deducted", s.Deducted)
	list(w, "outcomes", s.Outcomes, func(w *writer, o *OutcomeLine) {
		o.append(w)
		w.text("rule", o.Rule)
		w.flag("cleared", o.Cleared)
	})
}
