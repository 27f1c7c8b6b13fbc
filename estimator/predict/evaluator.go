package predict

import (
	"fmt"
	"time"
)

// Evaluator scores predictions while the daemon runs: it waits until the horizon
// of each is over and compares it with what came, as a replay does (the same
// exact truth, at most 60 predictions per horizon). Feed one Evaluator per
// predictor and resource; a predictor whose answer is used for nothing else, a
// shadow, is scored the same way.
type Evaluator struct {
	pace     pace
	last     time.Time
	seq      int64
	promises promises
	roster   PerContainer[evaluated]
	score    Score
}

// evaluated is what an Evaluator remembers of a container.
type evaluated struct{ joined int64 }

// Score is the sum over all predictions so far; each field only grows.
type Score struct {
	// Predictions is the number of predictions whose horizon is over, Violations
	// of those that were exceeded.
	Predictions, Violations uint64
	// Slack and Allocated are sums over the predictions, of what they left free
	// and what was allocated: savings is Slack/Allocated.
	Slack, Allocated float64
	// Excess is the sum over violations of the excess, as a share of what was
	// allocated.
	Excess float64
}

// violationTolerance is the share of the allocation by which a truth may exceed
// a prediction without violating it: rounding.
const violationTolerance = 1e-6

// NewEvaluator makes an Evaluator of predictions over cfg.Horizon, with steps
// every cfg.Interval.
func NewEvaluator(cfg Config) (*Evaluator, error) {
	if cfg.Horizon <= 0 || cfg.Interval < 0 {
		return nil, fmt.Errorf("%w: an evaluator needs a horizon, not %s, and an interval, not %s", ErrConfig, cfg.Horizon, cfg.Interval)
	}
	return &Evaluator{pace: pace{interval: cfg.Interval}, promises: promises{horizon: cfg.Horizon}}, nil
}

// Observe takes the next step and what was predicted at it. Predictions from
// before a gap are not scored: nobody saw what came.
func (e *Evaluator) Observe(step Step, predicted float64) {
	elapsed := time.Duration(0)
	if !e.last.IsZero() {
		elapsed = max(0, step.At.Sub(e.last))
	}
	if e.last.IsZero() || step.At.After(e.last) {
		e.last = step.At
	}
	e.seq++
	if e.promises.skipped(elapsed, e.pace.follow(elapsed)) {
		e.promises.drop()
	}
	for e.promises.n > 0 && e.last.After(e.promises.at(0).at.Add(e.promises.horizon)) {
		e.evaluate(e.promises.pop())
	}
	allocated, blind := e.follow(step)
	for e.promises.over(e.last) {
		e.evaluate(e.promises.pop())
	}
	if blind || allocated <= 0 || !(predicted >= 0) || !e.promises.due(e.last) {
		return
	}
	if o := e.promises.push(); o != nil {
		*o = promise{at: e.last, seq: e.seq, allocated: allocated, f: [experts]float64{predicted}}
	}
}

// follow raises the truths under way to this step's demands. blind: some demand
// is not known, so that a prediction made now could not be scored.
func (e *Evaluator) follow(step Step) (allocated float64, blind bool) {
	e.promises.begin()
	states := e.roster.matchStep(step.Containers)
	total := 0.0
	for i := range step.Containers {
		c, m := checked(&step.Containers[i]), states.Of(i)
		allocated += c.Allocated
		if m.joined == 0 {
			m.joined = e.seq
		}
		if c.Known {
			total += e.promises.observe(m.joined, c.Demand)
		} else {
			blind = true
		}
	}
	e.promises.end(total)
	return allocated, blind
}

func (e *Evaluator) evaluate(o *promise) {
	predicted := o.f[0]
	e.score.Predictions++
	e.score.Slack += max(0, o.allocated-predicted)
	e.score.Allocated += o.allocated
	if over := o.truth - predicted; over > violationTolerance*o.allocated {
		e.score.Violations++
		e.score.Excess += over / o.allocated
	}
}

// Score is that of all predictions so far.
func (e *Evaluator) Score() Score { return e.score }
