package estimator

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// usage promises what regular containers are allocated and will not use.
type usage struct {
	life
	cfg       UsageConfig
	resources []*slack
	// report is that of the last tick at which everything was there, at time
	// whole; nil when the last one lacked something.
	report *snapshot.Usage
	whole  time.Time
}

// slack is the state of one resource.
type slack struct {
	cfg  ResourceConfig
	cap  *resources.Milli
	read reading
	// predictors are the one that counts, then its shadows, with their names.
	predictors []predict.Predictor
	names      []string
	governor   *Governor
	unmanaged  extreme[float64]
	// outside is the last value of unmanaged, counted: there is one; letOff: it was
	// not raised at that tick.
	outside         float64
	counted, letOff bool
	// whole are the terms of the last tick at which everything was there.
	whole ResourceOffer
	// containers is what the predictor is shown, kept for its memory.
	containers []predict.Container
}

// NewUsage makes the Estimator of mode usage.
func NewUsage(cfg UsageConfig) (Estimator, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	u := &usage{cfg: cfg}
	for _, read := range readings() { // in order of name
		for _, rc := range cfg.Resources {
			if rc.Name != read.name {
				continue
			}
			r, err := newSlack(cfg, rc, read)
			if err != nil {
				return nil, err
			}
			u.resources = append(u.resources, r)
		}
	}
	return u, nil
}

func newSlack(cfg UsageConfig, rc ResourceConfig, read reading) (*slack, error) {
	greater := func(a, b float64) bool { return a > b }
	r := &slack{
		cfg: rc, read: read, names: append([]string{rc.Predictor}, rc.Shadows...), unmanaged: newExtreme(cfg.UnmanagedWindow, greater),
	}
	table := cfg.Predictors
	if table == nil {
		table = predict.Predictors()
	}
	peak := rc.Peak
	peak.Score = true
	for _, name := range r.names {
		p, err := table.New(name, peak)
		if err != nil {
			return nil, err
		}
		r.predictors = append(r.predictors, p)
	}
	var err error
	if r.governor, err = NewGovernor(rc.Governor); err != nil {
		return nil, err
	}
	r.cap = amountOf(cfg.Cap, rc.Name)
	return r, nil
}

// Estimate implements Estimator.
func (u *usage) Estimate(s *snapshot.Snapshot, demands []demand.Demand) Offer {
	o := Offer{At: s.At, Report: s.Usage, ValidFor: u.cfg.SampleStaleAfter, Resources: make([]ResourceOffer, len(u.resources))}
	at, feedback, from := u.advance(s)
	blind := u.cfg.blind(s)
	early := blind == "" && u.isEarly(at, s)
	if early {
		o.Report = u.report
	}
	whole := true
	allocated := allocatedOf(s.Usage)
	for i, r := range u.resources {
		if state := r.stateIn(from); state != nil {
			r.governor.Resume(at, state.Governor)
		}
		r.governor.Apply(at, feedback)
		t := &o.Resources[i]
		*t = ResourceOffer{Resource: r.cfg.Name, Cap: r.cap, Allocated: allocated(r.cfg.Name)}
		why := blind
		if why == "" {
			why = u.cfg.blindHost(&r.read, s)
		}
		switch {
		case early:
			// The terms of the last whole tick, with what is allocated as
			// revocable by now.
			t.RegularAllocated, t.Estimate, t.Target = r.whole.RegularAllocated, r.whole.Estimate, r.whole.Target
			r.govern(t, at, false)
		case why == "":
			r.estimate(t, at, s, demands, &u.cfg)
			r.whole = *t
		default:
			whole = false
			// Nothing is shown to the predictor: it counts the gap itself.
			r.governor.Cut()
			t.promise(0, why)
		}
		for k, p := range r.predictors {
			if score, ok := predict.ScoreOf(p); ok {
				o.Scores = append(o.Scores, PredictorScore{Resource: r.cfg.Name, Predictor: r.names[k], Score: score})
			}
		}
	}
	switch {
	case early:
	case whole:
		u.report, u.whole = s.Usage, at
	default:
		u.report = nil
	}
	return o
}

// isEarly reports whether s came before half an interval was over: a tick that
// something has woken, or the one in its turn right after. What containers used
// in some hundredths of a second is a burst and no use: a service that runs for
// 30 ms in each 100 ms would count as 1 or 0 CPUs, and its peak as 1. A tick that
// lacks an input never is: what is blind is cut at once.
//
// The offer of such a tick is that of the last whole one, with what has been
// decided since; Answer compares the report of that one with the newest.
func (u *usage) isEarly(at time.Time, s *snapshot.Snapshot) bool {
	if u.report == nil {
		return false
	}
	for _, r := range u.resources {
		if at.Sub(u.whole) >= r.cfg.Peak.Interval/2 || u.cfg.blindHost(&r.read, s) != "" {
			return false
		}
	}
	return true
}

// estimate fills in the terms of one resource, all inputs being there.
func (r *slack) estimate(t *ResourceOffer, at time.Time, s *snapshot.Snapshot, demands []demand.Demand, cfg *UsageConfig) {
	seen := r.look(s, demands, cfg)
	// Whatever of the allocation is not a readable regular container counts as
	// used: revocable and shared executors' regular part, containers that are
	// not on disk or were dropped.
	unseen := max(0, t.RegularAllocated-seen.allocated)
	t.Estimate = &Estimate{}
	t.InFull = seen.inFull.Plus(unseen)
	t.LearningSeconds = seen.learning.Seconds()
	t.Usage = resources.CeilMilli(seen.used).Plus(unseen)
	t.Demand = resources.CeilMilli(seen.wanted).Plus(unseen)

	step := predict.Step{At: at, Containers: r.containers}
	predicted := r.predictors[0].Predict(step)
	t.CalibratingSeconds = predict.Learning(r.predictors[0]).Seconds()
	for _, shadow := range r.predictors[1:] {
		shadow.Predict(step)
	}
	t.Peak = t.RegularAllocated
	if !math.IsNaN(predicted) {
		// Use above an allocation is as real as any: it is taken from the rest.
		// A prediction is rounded to the nearest thousandth, not up: predictors
		// keep their peaks in float32, and 2.4 that comes back as 2.4000001
		// must not cost a whole quantum. Demand, the floor, is rounded up.
		t.Peak = min(t.RegularAllocated, max(t.Demand, resources.FloorMilli(predicted+0.0005).Plus(unseen)))
	}
	// What counts as used in full needs no margin; taking one of it would cut
	// the promise whenever a revocable task's regular overhead comes along.
	t.Margin = resources.CeilMilli(seen.allocated.Float() * r.cfg.Margin)
	t.Unmanaged = r.beyond(at, seen, s, t.RegularAllocated.Float())

	t.Slack = max(0, t.RegularAllocated-t.Peak-t.Margin.Plus(t.Unmanaged))
	t.Target = t.Slack
	if t.Cap != nil {
		t.Target = min(t.Slack, *t.Cap)
	}
	r.govern(t, at, seen.lapse)
}

// govern lets the governor decide what is promised of the target.
func (r *slack) govern(t *ResourceOffer, at time.Time, lapse bool) {
	total, why, terms := r.governor.Next(Round{
		At: at, Target: t.Target, RevocableAllocated: t.RevocableAllocated, RegularAllocated: t.RegularAllocated, Lapse: lapse,
	})
	t.Governor = &terms
	switch {
	case why != reason.Slack:
	case t.Target < t.Slack:
		why = reason.Cap
	case total == 0:
		why = t.noSlack()
	}
	t.promise(total, why)
}

// sums are of the containers of one tick.
type sums struct {
	// allocated is Σ allocated to the regular containers in r.containers.
	allocated resources.Milli
	// inFull is the part of it that counts in full: of the unreadable and the
	// young.
	inFull resources.Milli
	// learning is how long the youngest container is young yet.
	learning time.Duration
	// used is Σ used by them, an unreadable one at its allocation; wanted is Σ
	// of their demands.
	used, wanted float64
	// managed is Σ used by all of the agent's top-level containers, revocable
	// ones included, one that has no reading yet at its allocation.
	managed float64
	// newcomers: something new in the agent's tree has no rate yet, so what
	// others use cannot be told from what it uses.
	newcomers bool
	// lapse: a reading that is usually there is missing.
	lapse bool
}

// look goes through the top-level containers of the agent and lists the
// regular ones for the predictor.
func (r *slack) look(s *snapshot.Snapshot, demands []demand.Demand, cfg *UsageConfig) sums {
	var sum sums
	r.containers = r.containers[:0]
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.Parent != "" {
			continue
		}
		reading := r.read.container(c)
		if reading.OK() && !fresh(s.At, c.At, cfg.SampleStaleAfter) {
			reading.Why = snapshot.NoTime
		}
		used, ok := reading.V, c.OnDisk && reading.OK()
		if c.Executor == nil {
			// The agent's next report will say whose it is; until one is overdue,
			// what is new in its tree is its own.
			if isNew := c.OnDisk && c.Age(s.At) < cfg.ReportStaleAfter; isNew && ok {
				sum.managed += used
			} else if isNew {
				sum.newcomers = true
			}
			continue
		}
		twin := i > 0 && s.Containers[i-1].ID == c.ID
		allocated := c.Executor.Regular.Get(r.cfg.Name)
		switch {
		case ok:
			sum.managed += used
		case c.OnDisk && isLapse(reading.Why):
			// Nothing says that it uses anything of what the host uses.
			sum.lapse = true
		case !twin:
			// It is counted at its allocation, so that much of the host's use is
			// its own. Otherwise each launch, whose first sample has no rate yet,
			// would look like something unmanaged for a whole window.
			sum.managed += allocated.Plus(c.Executor.Revocable.Get(r.cfg.Name)).Float()
		}
		if c.Class() != snapshot.ClassRegular || allocated <= 0 {
			continue
		}
		if twin {
			// Two cgroups of one id share one allocation, which is counted at
			// the first; what the second uses is in managed only if it is read.
			continue
		}
		if i+1 < len(s.Containers) && s.Containers[i+1].ID == c.ID {
			ok = false // which of the two holds the tasks is not known
		}
		amount := allocated.Float()
		if !ok {
			used = amount
		}
		wanted := used
		if ok && r.read.waits && demands != nil {
			wanted = max(used, demands[i].Cores)
		}
		sum.allocated = sum.allocated.Plus(allocated)
		young := cfg.WarmUp - c.Age(s.At)
		cold := young > 0
		sum.learning = max(sum.learning, young)
		if !ok || cold {
			sum.inFull = sum.inFull.Plus(allocated)
		}
		sum.used += used
		sum.wanted += wanted
		r.containers = append(r.containers, predict.Container{
			Key: c.Key, Allocated: amount, Demand: wanted, Known: ok, Cold: cold,
		})
	}
	return sum
}

// beyond is what runs outside the agent's containers, beyond the part of the
// node that the agent leaves to others:
//
//	max over the window of (host used − Σ used by its containers) − (host size − agent's total)
//
// never below zero. The highest value of the window counts, since host and
// containers are not read at one instant and their difference is noisy. An
// agent that does not say its total, or claims more than there is, leaves
// nothing; and what it has allocated beyond what there is counts as used, since
// nobody can be handed that.
//
// A tick with newcomers or a lapse adds nothing above the value before, or each
// launch would lower the offer for a whole window; but no two ticks in a row are
// let off, nor a first tick with a lapse.
func (r *slack) beyond(at time.Time, seen sums, s *snapshot.Snapshot, allocated float64) resources.Milli {
	used, size, _ := r.read.host(&s.Host)
	left := 0.0
	if total := s.Usage.Total.Get(r.cfg.Name); total > 0 {
		left = max(0, size-total.Float())
	}
	left -= max(0, allocated-size)
	now := max(0, used-seen.managed-left)
	r.letOff = (seen.newcomers || seen.lapse && r.counted) && !r.letOff
	if r.letOff {
		now = min(now, r.outside)
	}
	r.outside, r.counted = now, true
	return resources.CeilMilli(r.unmanaged.add(at, now))
}
