package predict

import (
	"fmt"
	"time"
)

// Judge grades predictions while the daemon runs: it waits until the horizon
// of each is over and compares it with what came, as a replay does (the same
// exact truth, at most 60 promises per horizon). Feed one Judge per predictor
// and resource; a predictor whose answer is used for nothing else, a shadow,
// is graded the same way.
type Judge struct {
	pace     pace
	last     time.Time
	seq      int64
	promises promises
	roster   roster[judged]
	grade    Grade
}

// judged is what a Judge remembers of a container.
type judged struct{ joined int64 }

// Grade is the sum of all verdicts so far; each field only grows.
type Grade struct {
	// Promises is the number of predictions judged, Broken of those that were
	// exceeded.
	Promises, Broken uint64
	// Slack and Allocated are sums over the promises, of what the prediction
	// left free and what was allocated: savings is Slack/Allocated.
	Slack, Allocated float64
	// Excess is the sum over broken promises of the excess, as a share of what
	// was allocated.
	Excess float64
}

// brokenTolerance is the share of the allocation by which a truth may exceed a
// prediction without breaking it: rounding.
const brokenTolerance = 1e-6

// NewJudge makes a Judge of predictions over cfg.Horizon, with steps every
// cfg.Interval.
func NewJudge(cfg Config) (*Judge, error) {
	if cfg.Horizon <= 0 || cfg.Interval < 0 {
		return nil, fmt.Errorf("%w: a judge needs a horizon, not %s, and an interval, not %s", ErrConfig, cfg.Horizon, cfg.Interval)
	}
	return &Judge{pace: pace{interval: cfg.Interval}, promises: promises{horizon: cfg.Horizon}}, nil
}

// Observe takes the next step and what was predicted at it. Steps after a gap
// are not judged by what nobody saw.
func (j *Judge) Observe(step Step, predicted float64) {
	elapsed := time.Duration(0)
	if !j.last.IsZero() {
		elapsed = max(0, step.At.Sub(j.last))
	}
	if j.last.IsZero() || step.At.After(j.last) {
		j.last = step.At
	}
	j.seq++
	if j.promises.skipped(elapsed, j.pace.follow(elapsed)) {
		j.promises.drop()
	}
	for j.promises.n > 0 && j.last.After(j.promises.at(0).at.Add(j.promises.horizon)) {
		j.settle(j.promises.pop())
	}
	allocated, blind := j.see(step)
	for j.promises.over(j.last) {
		j.settle(j.promises.pop())
	}
	if blind || allocated <= 0 || !(predicted >= 0) || !j.promises.due(j.last) {
		return
	}
	if o := j.promises.push(); o != nil {
		*o = promise{at: j.last, seq: j.seq, allocated: allocated, f: [experts]float64{predicted}}
	}
}

// see raises the truths under way to this step's demands. blind: some demand
// is not known, so that a promise made now could not be judged.
func (j *Judge) see(step Step) (allocated float64, blind bool) {
	j.promises.begin()
	states := j.roster.matchStep(step.Containers)
	total := 0.0
	for i := range step.Containers {
		c, m := checked(&step.Containers[i]), states.of(i)
		allocated += c.Allocated
		if m.joined == 0 {
			m.joined = j.seq
		}
		if c.Known {
			total += j.promises.observe(m.joined, c.Demand)
		} else {
			blind = true
		}
	}
	j.promises.end(total)
	return allocated, blind
}

func (j *Judge) settle(o *promise) {
	predicted := o.f[0]
	j.grade.Promises++
	j.grade.Slack += max(0, o.allocated-predicted)
	j.grade.Allocated += o.allocated
	if over := o.truth - predicted; over > brokenTolerance*o.allocated {
		j.grade.Broken++
		j.grade.Excess += over / o.allocated
	}
}

// Grade is what was judged so far.
func (j *Judge) Grade() Grade { return j.grade }
