package explain_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story is a node of 4 CPUs whose log is written as a daemon writes it.
type story struct {
	t          testing.TB
	dir        string
	w          *decisionlog.Writer
	brain      *tick.Brain
	maker      decision.Maker
	policy     *policy.Policy
	containers []snapshot.Container
	inFlight   []qos.InFlight
	busy       float64
	seq        uint64
	at         time.Time
}

func newStory(t testing.TB) *story {
	t.Helper()
	cfg := estimator.DefaultUsage()
	cfg.WarmUp, cfg.UnmanagedWindow = 0, time.Second
	r := &cfg.Resources[0]
	r.Predictor, r.Shadows = "container-max", nil
	r.Peak = predict.Config{Interval: time.Second, Window: 5 * time.Second}
	r.Governor = estimator.GovernorConfig{Quantum: 100, Step: 1000, RaiseEvery: time.Second, HoldOff: time.Minute, HoldOffMax: time.Minute}
	e, err := estimator.NewUsage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := policy.DefaultPolicy()
	rule := signal.Of(signal.NodeCPU).Rule()
	rule.Name, rule.Above, rule.Clear, rule.For, rule.Settle = "busy", 0.9, 0.8, 2*time.Second, 5*time.Second
	p.Rules = []policy.Rule{rule}
	p.Victims.Protect.Roles = []string{"precious"}
	p.Victims.MinAge = 30 * time.Second
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, dir: filepath.Join(t.TempDir(), "decisions"), brain: tick.NewBrain(e, qos.State{}), policy: &p, at: t0}
	if s.w, err = decisionlog.Create(s.dir, decisionlog.Options{Queue: 1000}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return s
}

// run puts a container on the node, which its agent lists at once.
func (s *story) run(id, role string, class snapshot.Class, cores float64) {
	x := snapshot.Executor{ContainerID: id, FrameworkID: "framework-1", ExecutorID: "executor-" + id, Role: role, Class: class}
	q := resources.Quantities{{Name: resources.CPUs, Amount: 1000}}
	if class == snapshot.ClassRegular {
		x.Regular = q
	} else {
		x.Revocable = q
	}
	x.Tasks = []snapshot.Task{{ID: "task-" + id, Regular: x.Regular, Revocable: x.Revocable}}
	s.containers = append(s.containers, snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: 7}, OnDisk: true, FirstSeen: s.at, Executor: &x,
		CPU: snapshot.CPU{UsageNanos: snapshot.CountOf(1), Cores: snapshot.ValueOf(cores)},
	})
	slices.SortFunc(s.containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
}

func (s *story) end(id string) {
	s.containers = slices.DeleteFunc(s.containers, func(c snapshot.Container) bool { return c.ID == id })
	s.inFlight = slices.DeleteFunc(s.inFlight, func(f qos.InFlight) bool { return f.ID == id })
}

// ticks lets n seconds pass and returns the last decision.
func (s *story) ticks(n int) (d qos.Decision) {
	for range n {
		s.seq++
		s.at = s.at.Add(time.Second)
		u := &snapshot.Usage{At: s.at, Agent: "agent-1", Total: resources.Quantities{{Name: resources.CPUs, Amount: 4000}}}
		now := &snapshot.Snapshot{Seq: s.seq, At: s.at, TreeWhy: snapshot.Present, Usage: u, Host: snapshot.Host{
			At: s.at, CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(s.busy),
		}}
		for _, c := range s.containers {
			c.At = s.at
			u.Executors = append(u.Executors, *c.Executor)
			now.Containers = append(now.Containers, c)
		}
		in := qos.Input{Snapshot: now, InFlight: s.inFlight}
		var offer estimator.Offer
		d, offer = s.brain.Think(s.policy, &in)
		for _, v := range d.Kills {
			s.inFlight = append(s.inFlight, qos.InFlight{Key: v.Key(), Since: s.at})
		}
		s.w.Observe(s.maker.Make(&decision.Tick{Policy: s.policy, Input: in, Decision: d, Offer: offer, InFlight: len(s.inFlight)}), nil)
	}
	return d
}

// until lets time pass until something is killed.
func (s *story) untilKill() {
	s.t.Helper()
	for range 100 {
		if d := s.ticks(1); len(d.Kills) > 0 {
			return
		}
	}
	s.t.Fatal("nothing was killed")
}

// log ends the daemon and opens what it left.
func (s *story) log(until time.Time) *explain.Log {
	s.t.Helper()
	if err := s.w.Close(); err != nil {
		s.t.Fatal(err)
	}
	l, err := explain.Open(s.dir, until)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *story) scene() {
	s.run("aaaa-hog", "batch", snapshot.ClassRevocable, 2)
	s.run("aaab-small", "batch", snapshot.ClassRevocable, 0.2)
	s.run("bbbb-web", "web", snapshot.ClassRegular, 0.5)
	s.run("cccc-precious", "precious/sub", snapshot.ClassRevocable, 1)
	s.busy = 1
	s.ticks(40)
	s.run("dddd-young", "batch", snapshot.ClassRevocable, 1)
	s.busy = 3.9
	s.untilKill()
}

// holds checks that a text says all of that, in lines that a terminal shows.
func holds(t *testing.T, text string, wants ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, want := range wants {
		if !strings.Contains(flat, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("longer than 80: %q", line)
		}
	}
}

func TestKillIsExplained(t *testing.T) {
	s := newStory(t)
	s.scene()
	killed := s.at
	s.ticks(2)
	s.end("aaaa-hog")
	s.busy = 1
	s.ticks(100)
	l := s.log(time.Time{})
	for _, name := range []string{"aaaa", "aaaa-hog", "executor-aaaa-hog", "task-aaaa-hog"} {
		k, err := l.Kill(name)
		if err != nil {
			t.Fatal(name, err)
		}
		if k.ID != "aaaa-hog" || !k.At.Equal(killed) || k.Shadow || k.By() == nil || k.By().Signal != "node_cpu" || k.By().Why != "preempt" {
			t.Errorf("%s: %+v by %+v", name, k, k.By())
		}
		if k.Outcome != (explain.KillOutcome{Gone: true, AfterSeconds: 3}) {
			t.Errorf("outcome %+v, want gone after 3 s", k.Outcome)
		}
		if len(k.Throttles) == 0 || k.Throttles[0].Cores <= 0 || !k.Throttles[0].At.Before(killed) {
			t.Errorf("throttles %+v: the ladder has a throttle before a kill", k.Throttles)
		}
		var order []string
		for _, c := range k.Decision.Candidates {
			order = append(order, c.ID+" "+string(c.Why))
		}
		if got := strings.Join(order, ", "); got != "aaaa-hog chosen, aaab-small not_first, cccc-precious protected, dddd-young too_young" {
			t.Errorf("candidates %s", got)
		}
		holds(t, k.Text(), "aaaa-hog was killed at", "Rule busy:", "3.90 of 4 CPUs busy", "1. aaaa-hog", "(chosen)", "(not_first)", "(protected)",
			"it was gone 3 s later.", "Throttled in the hour before:")
	}
	if _, err := l.Kill("bbbb"); !errors.Is(err, explain.ErrNothing) || !strings.Contains(err.Error(), "why-not") {
		t.Errorf("a kill of what was not killed: %v", err)
	}
	before, err := explain.Open(s.dir, killed.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Kill("aaaa"); !errors.Is(err, explain.ErrNothing) {
		t.Errorf("before the kill: %v", err)
	}
}

// What is asked about at a printed time includes all of its millisecond.
func TestTimesAreReadAsTheyArePrinted(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                            {},
		"2026-03-01T12:00:00.5Z":      t0.Add(500 * time.Millisecond),
		"2026-03-01T13:00:00+01:00":   t0,
		"2026-03-01 12:00:00 UTC":     t0,
		"2026-03-01 12:00:00.002 UTC": t0.Add(3*time.Millisecond - time.Nanosecond),
		"10m":                         t0.Add(-10 * time.Minute),
		"-10m":                        t0.Add(-10 * time.Minute),
	} {
		if got, err := explain.ParseTime(text, t0); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"noon", "2026-03-01", "2026-03-01 12:00:00 CET"} {
		if got, err := explain.ParseTime(text, t0); !errors.Is(err, explain.ErrTime) {
			t.Errorf("%q: %s, %v; want ErrTime", text, got, err)
		}
	}
	s := newStory(t)
	s.at = s.at.Add(2878430) // ns
	s.scene()
	printed := s.at.Format("2006-01-02 15:04:05.000 UTC")
	until, err := explain.ParseTime(printed, t0)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := s.log(until).Kill("aaaa-hog"); err != nil || !strings.Contains(k.Text(), "was killed at "+printed) {
		t.Errorf("the kill at %s: %v", printed, err)
	}
}

func TestAnIgnoredKillIsExplained(t *testing.T) {
	s := newStory(t)
	s.scene()
	s.ticks(40)
	k, err := s.log(time.Time{}).Kill("aaaa-hog")
	if err != nil {
		t.Fatal(err)
	}
	if o := k.Outcome; o.Gone || !o.Ignored || o.AfterSeconds != 40 {
		t.Errorf("outcome %+v, want ignored and still there after 40 s", o)
	}
	holds(t, k.Text(), "still under way after 40s", "(ignored)")
}

// Two starts of the daemon count their ticks anew, and hours may lie between them.
func TestAKillBeforeARestartIsExplained(t *testing.T) {
	const down = time.Hour
	for name, c := range map[string]struct {
		known, after int // ticks of the later start that know of the kill, and that do not
		want         explain.KillOutcome
		text         string
	}{
		"the later start does not know of it": {0, 3, explain.KillOutcome{Unknown: true, AfterSeconds: 2}, "unknown, the daemon was started again when it had been under way for 2 s."},
		"it is under way":                     {3, 0, explain.KillOutcome{AfterSeconds: 3605, Ignored: true}, "still under way after 1h0m5s"},
		"it ends in the later start":          {3, 2, explain.KillOutcome{Gone: true, AfterSeconds: 3606, Ignored: true}, "it was gone 1h0m6s later"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.maker.Run = "first"
			s.scene()
			s.ticks(2)
			s.maker = decision.Maker{Run: "second"}
			s.seq, s.at = 0, s.at.Add(down)
			s.ticks(c.known)
			s.end("aaaa-hog")
			s.busy = 1
			s.ticks(c.after)
			k, err := s.log(time.Time{}).Kill("aaaa-hog")
			if err != nil {
				t.Fatal(err)
			}
			if k.Run != "first" || k.Outcome != c.want {
				t.Errorf("run %s, outcome %+v, want %+v", k.Run, k.Outcome, c.want)
			}
			holds(t, k.Text(), c.text)
		})
	}
}

func TestAKillThatWasOnlyDecidedIsExplained(t *testing.T) {
	s := newStory(t)
	s.policy.Shadow, s.policy.Rules[0].Immediate = true, true
	s.run("aaaa-hog", "batch", snapshot.ClassRevocable, 2)
	s.run("bbbb-web", "web", snapshot.ClassRegular, 0.5)
	s.busy = 3.9
	s.ticks(60)
	k, err := s.log(time.Time{}).Kill("aaaa")
	if err != nil {
		t.Fatal(err)
	}
	if !k.Shadow || k.By() == nil || k.By().Why != "preempt" {
		t.Errorf("%+v", k)
	}
	holds(t, k.Text(), "would have been killed (shadow)", "nothing was done.")
}

func TestWhyNotIsExplained(t *testing.T) {
	s := newStory(t)
	s.scene()
	s.end("aaaa-hog")
	s.busy = 1
	s.ticks(70)
	s.run("ffff-last", "batch", snapshot.ClassRevocable, 1)
	s.ticks(2) // it is weighed at once, and one that comes right after it is not
	s.run("eeee-new", "batch", snapshot.ClassRevocable, 1)
	s.ticks(1)
	l := s.log(time.Time{})
	for name, wants := range map[string][]string{
		"aaab":               {"(eligible)", "1 would be taken before it (not_first), first: dddd-young (executor ", "(calm)", "busy: node_cpu 0.25"},
		"task-cccc-precious": {"(protected)", "executor executor-cccc-precious of framework framework-1"},
		"ffff":               {"As a victim for cpus: It is younger than the policy's min_age. (too_young)", "min_age is 30s"},
		"dddd":               {"it would be the first"},
		"bbbb":               {"It is never killed.", "(not_revocable)"},
		"aaaa-hog":           {"The weighing after that does not know it any more"},
	} {
		w, err := l.WhyNot(name)
		if err != nil {
			t.Fatal(name, err)
		}
		holds(t, w.Text(), wants...)
	}
	if _, err := l.WhyNot("eeee"); !errors.Is(err, explain.ErrNothing) || !strings.Contains(err.Error(), "the last weighing was at") {
		t.Errorf("one that came after the last weighing: %v", err)
	}
	early, err := explain.Open(s.dir, t0.Add(15*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := early.WhyNot("aa"); !errors.Is(err, explain.ErrAmbiguous) || !strings.Contains(err.Error(), "aaaa-hog\n  aaab-small") {
		t.Errorf("an ambiguous prefix: %v", err)
	}
	if w, err := early.WhyNot("aaaa"); err != nil || w.As[0].Why != "too_young" {
		t.Errorf("at the first weighing: %+v, %v", w, err)
	}
}

// One that was killed is not said to have been spared, whether a weighing has
// noticed its end or not.
func TestWhyNotOfTheKilled(t *testing.T) {
	s := newStory(t)
	above := 0.1
	s.policy.Rules[0].Clear = 0.9 * above // which is 0.09000000000000001
	s.scene()
	killed := s.at
	s.end("aaaa-hog")
	s.ticks(1)
	w, err := s.log(time.Time{}).WhyNot("aaaa-hog")
	if err != nil {
		t.Fatal(err)
	}
	if w.Killed || !w.KilledAt.Equal(killed) || w.As[0].Why != "eligible" {
		t.Errorf("%+v, killed at %s", w, killed)
	}
	holds(t, w.Text(), "It was killed at "+killed.Format("2006-01-02 15:04:05.000 UTC")+"; ask explain kill aaaa-hog.", "The rules say: ", "clear below 0.09, for")
	if strings.Contains(w.Text(), "It could be, and was not") {
		t.Errorf("it is said to be spared:\n%s", w.Text())
	}
}

func TestOfferIsExplained(t *testing.T) {
	s := newStory(t)
	s.run("web", "web", snapshot.ClassRegular, 0.3)
	s.busy = 0.3
	s.ticks(10)
	o, err := s.log(time.Time{}).Offer()
	if err != nil {
		t.Fatal(err)
	}
	r := o.Resources[0]
	if o.Seq != 10 || r.Offered != 700 {
		t.Errorf("offer %+v", r)
	}
	holds(t, o.Text(), "Offer at 2026-03-01 12:00:10.000 UTC (tick 10)", `agent "agent-1", 0 s old`, "allocated to regular containers 1",
		"their predicted peak demand 0.3", "= slack 0.7", "= offered 0.7", "(slack)", "regular containers may need 0.3 CPUs of the 1 CPUs")
	first, err := explain.Open(s.dir, t0.Add(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Offer(); !errors.Is(err, explain.ErrNothing) {
		t.Errorf("before the log: %v", err)
	}
}

// Whatever decides an offer, its explanation has words for it.
func TestEveryOfferHasWords(t *testing.T) {
	of := func(o estimator.ResourceOffer, change func(*decision.Record)) decision.Record {
		o.Resource = "cpus"
		r := decision.Record{Version: decision.Version, At: t0, TreeWhy: snapshot.Present, Offer: estimator.Offer{Resources: []estimator.ResourceOffer{o}}}
		if change != nil {
			change(&r)
		}
		return r
	}
	slack := func(why reason.Code, peak, inFull, unmanaged resources.Milli) estimator.ResourceOffer {
		return estimator.ResourceOffer{
			Why: why, Allocated: &estimator.Allocated{RegularAllocated: 4000}, Governor: &estimator.Terms{},
			Estimate: &estimator.Estimate{Demand: 400, Peak: peak, InFull: inFull, LearningSeconds: 7, Unmanaged: unmanaged},
		}
	}
	for name, tell := range map[string]struct {
		record decision.Record
		want   string
	}{
		"cap":      {of(estimator.ResourceOffer{Why: reason.Cap, Cap: new(resources.Milli), Allocated: &estimator.Allocated{}, Estimate: &estimator.Estimate{Slack: 500}}, nil), "resources caps it at 0 CPUs, the slack is 0.5 CPUs"},
		"hold":     {of(estimator.ResourceOffer{Why: reason.Hold, Allocated: &estimator.Allocated{}, Estimate: &estimator.Estimate{}, Governor: &estimator.Terms{HoldSeconds: 90}}, nil), "nothing is raised for another 1m30s"},
		"raise":    {of(estimator.ResourceOffer{Why: reason.RaiseStep, Allocated: &estimator.Allocated{}, Estimate: &estimator.Estimate{}, Governor: &estimator.Terms{RaiseSeconds: 1, Step: 1000, Least: 2500}}, nil), "the next raise may be in 1 s, by 1 CPUs at most"},
		"deadband": {of(estimator.ResourceOffer{Why: reason.DeadBand, Allocated: &estimator.Allocated{}, Estimate: &estimator.Estimate{}, Governor: &estimator.Terms{Before: 1000, DeadBand: 250}}, nil), "reach 1.25 CPUs"},
		"budget":   {of(estimator.ResourceOffer{Why: reason.Stopped}, func(r *decision.Record) { r.QoS.Budget.OpenSince = t0 }), "the kill budget is spent"},
		"paused":   {of(estimator.ResourceOffer{Why: reason.Stopped}, func(r *decision.Record) { r.Commands.Paused = true }), "an operator has paused the daemon (paused)"},
		"stopped": {of(estimator.ResourceOffer{Why: reason.Stopped}, func(r *decision.Record) {
			r.QoS.Rules = []qos.RuleState{{Name: "busy", Active: true, Why: reason.Clearing}}
		}), "busy (clearing)"},
		"no agent":              {of(estimator.ResourceOffer{Why: reason.NoAgent}, nil), "No agent has reported"},
		"fixed":                 {of(estimator.ResourceOffer{Why: reason.Fixed, Target: 4000}, nil), "the operator has fixed the total at 4 CPUs"},
		"learning":              {of(slack(reason.CountedInFull, 4000, 3800, 0), nil), "still learning for 7 s: containers with 3.8 CPUs are too young"},
		"calibrating":           {of(estimator.ResourceOffer{Why: reason.Learning, Allocated: &estimator.Allocated{}, Estimate: &estimator.Estimate{Demand: 400, CalibratingSeconds: 90}, Governor: &estimator.Terms{}}, nil), "still learning for 1m30s: until then what other machines have shown"},
		"others":                {of(slack(reason.UsedOutside, 1000, 0, 3000), nil), "processes outside the agent's containers use 3 CPUs"},
		"full":                  {of(slack(reason.NoSlack, 4000, 0, 0), nil), "regular containers may need 4 CPUs of the 4 CPUs that they were allocated"},
		"decided by a pause":    {of(estimator.ResourceOffer{Why: reason.Stopped}, func(r *decision.Record) { r.Commands.Paused = true }), "(paused)"},
		"decided by the budget": {of(estimator.ResourceOffer{Why: reason.Stopped}, func(r *decision.Record) { r.QoS.Budget.OpenSince = t0 }), "(budget_spent)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			line, err := tell.record.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "00000001-x.jsonl"), line, 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := explain.Open(dir, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			o, err := l.Offer()
			if err != nil {
				t.Fatal(err)
			}
			holds(t, o.Text(), tell.want)
		})
	}
}
