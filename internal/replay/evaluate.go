package replay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Options says what to evaluate.
type Options struct {
	// Resources, each CPU or Memory; those that the trace lacks are left out.
	Resources []string
	// Horizons over which the peak is predicted.
	Horizons []time.Duration
	// Config is what estimators are made from; Interval and Horizon are filled in.
	Config predict.Config
	// Instance, when set, is the horizon that every estimator is made for,
	// whatever horizon it is scored on: one instance for all.
	Instance time.Duration
	// BurnIn is not scored at the start of a trace; negative: DefaultBurnIn.
	BurnIn time.Duration
	// Until, when above zero, ends the replay that long after the start.
	Until time.Duration
	// Estimators to compare.
	Estimators []Estimator
	// Timelines: record the first node for the first estimator.
	Timelines bool
	// Stopwatch returns a monotonic time in ns, to measure cost; nil: none.
	Stopwatch func() int64
}

// ErrOptions is returned when there is nothing to evaluate.
var ErrOptions = errors.New("invalid replay options")

// DefaultBurnIn is a day, and a sixth of traces shorter than four days.
func DefaultBurnIn(span time.Duration) time.Duration {
	if span < 4*24*time.Hour {
		return span / 6
	}
	return 24 * time.Hour
}

func (o *Options) check() error {
	if len(o.Resources) == 0 || len(o.Horizons) == 0 || len(o.Estimators) == 0 {
		return fmt.Errorf("%w: no resource, horizon or estimator", ErrOptions)
	}
	for _, r := range o.Resources {
		if r != CPU && r != Memory {
			return fmt.Errorf("%w: resource %q is neither %q nor %q", ErrOptions, r, CPU, Memory)
		}
	}
	for _, h := range o.Horizons {
		if h <= 0 {
			return fmt.Errorf("%w: horizon %s", ErrOptions, h)
		}
	}
	return nil
}

// burnIn is how long nothing is scored.
func (o *Options) burnIn(t *Trace) time.Duration {
	if o.BurnIn < 0 {
		return DefaultBurnIn(t.Span())
	}
	return o.BurnIn
}

// Evaluate replays trace and scores every estimator on every resource and
// horizon. Cells come by resource, horizon, estimator; with ErrCutShort they hold
// what was scored so far.
func Evaluate(trace *Trace, opts *Options) ([]Cell, []*Timeline, error) {
	if err := opts.check(); err != nil {
		return nil, nil, err
	}
	if least := slices.Min(opts.Horizons); least < trace.Interval {
		return nil, nil, fmt.Errorf("%w: a horizon of %s is shorter than the steps of %s, %s", ErrOptions, least, trace.Dataset, trace.Interval)
	}
	evaluators := newEvaluators(trace, opts)
	cut := trace.EachNode(func(n *Node) error { return replayNode(trace, n, evaluators, opts.Until) })
	if cut != nil && !errors.Is(cut, ErrCutShort) {
		return nil, nil, cut
	}
	var cells []Cell
	var timelines []*Timeline
	for _, c := range evaluators {
		for i := range c.counters {
			cells = append(cells, Cell{
				Estimator: opts.Estimators[i].Label, Dataset: trace.Dataset,
				Resource: c.resource, Horizon: Span(c.horizon), Score: c.counters[i].score(),
			})
		}
		if c.timeline != nil {
			timelines = append(timelines, c.timeline)
		}
	}
	return cells, timelines, cut
}

// newEvaluators makes one evaluator per resource and horizon, of the resources that
// the trace has.
func newEvaluators(trace *Trace, opts *Options) []*evaluator {
	var evaluators []*evaluator
	for _, resource := range opts.Resources {
		if resource == CPU && !trace.HasCPU || resource == Memory && !trace.HasMemory {
			continue
		}
		for _, horizon := range opts.Horizons {
			evaluators = append(evaluators, &evaluator{
				trace: trace, resource: resource, horizon: horizon, opts: opts,
				scoredFrom: timeOf(trace.Start).Add(opts.burnIn(trace) - trace.Interval),
				counters:   make([]counters, len(opts.Estimators)),
			})
		}
	}
	return evaluators
}

// replayNode shows every step of a node to every evaluator.
func replayNode(trace *Trace, n *Node, evaluators []*evaluator, until time.Duration) error {
	for _, c := range evaluators {
		if err := c.begin(n); err != nil {
			return err
		}
	}
	var step Step
	for {
		if ctx := trace.opts.Context; ctx != nil && ctx.Err() != nil {
			for _, c := range evaluators {
				c.end()
			}
			return ErrCutShort
		}
		more, err := n.Next(&step)
		if err != nil {
			return err
		}
		if !more || until > 0 && timeOf(step.At).Sub(timeOf(trace.Start)) >= until {
			break
		}
		for _, c := range evaluators {
			c.step(&step)
		}
	}
	for _, c := range evaluators {
		c.end()
	}
	return nil
}

// timeOf is a trace's time as estimators see it.
func timeOf(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// evaluator judges all estimators on one resource and horizon.
type evaluator struct {
	trace      *Trace
	resource   string
	horizon    time.Duration
	opts       *Options
	scoredFrom time.Time
	counters   []counters
	timeline   *Timeline // of the first node, when asked for
	nodes      int

	// Of the node under way:
	predictors []predict.Predictor
	oracle     *oracle
	input      predict.Step
	unit       float64
}

func (c *evaluator) begin(n *Node) error {
	cfg := c.opts.Config
	cfg.Interval, cfg.Horizon = c.trace.Interval, c.horizon
	if c.opts.Instance > 0 {
		cfg.Horizon = c.opts.Instance
	}
	c.predictors = c.predictors[:0]
	for _, e := range c.opts.Estimators {
		p, err := e.New(cfg)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Label, err)
		}
		c.predictors = append(c.predictors, p)
	}
	c.oracle = newOracle(c.horizon)
	c.nodes++
	if c.opts.Timelines && c.nodes == 1 {
		c.timeline = newTimeline(c.opts.Estimators[0], c.trace, c, n.ID)
	}
	c.unit = unitOf(c.resource, n.Cores)
	return nil
}

// unitOf is what churn is counted in: 0.1 core, or 1/320 of the memory of a
// node with 4 GiB per core.
func unitOf(resource string, cores float64) float64 {
	if resource == CPU {
		return 0.1
	}
	return max(cores, 1) * 4096 / 320
}

func (c *evaluator) step(s *Step) {
	c.fill(s)
	p := c.oracle.step(c.input, len(c.predictors), c.scored)
	for i := range c.input.Containers {
		p.allocated += c.input.Containers[i].Allocated
	}
	p.scored = !c.input.At.Before(c.scoredFrom)
	c.predict(p)
	if c.timeline == nil || c.nodes > 1 {
		return
	}
	used := 0.0
	for i := range c.input.Containers {
		used += min(c.input.Containers[i].Demand, c.input.Containers[i].Allocated)
	}
	c.timeline.add(TimelinePoint{At: c.input.At, Allocated: p.allocated, Used: used, Predicted: p.predicted[0]})
}

// predict asks every estimator.
func (c *evaluator) predict(p *prediction) {
	for i, predictor := range c.predictors {
		if c.opts.Stopwatch == nil {
			p.predicted[i] = predictor.Predict(c.input)
			continue
		}
		began := c.opts.Stopwatch()
		p.predicted[i] = predictor.Predict(c.input)
		c.counters[i].nanos += c.opts.Stopwatch() - began
		c.counters[i].samples += int64(len(c.input.Containers))
	}
}

// fill makes the estimators' view of the step. Containers without the resource
// are left out.
func (c *evaluator) fill(s *Step) {
	c.input.At = timeOf(s.At)
	c.input.Containers = c.input.Containers[:0]
	for i := range s.Rows {
		a := s.Rows[i].CPU
		if c.resource == Memory {
			a = s.Rows[i].Memory
		}
		if !a.Present {
			continue
		}
		c.input.Containers = append(c.input.Containers, predict.Container{
			Key: snapshot.Key{ID: s.IDs[i]}, Allocated: a.Allocated, Demand: a.Used, Known: true,
		})
	}
}

func (c *evaluator) scored(p *prediction) {
	if !p.scored {
		return
	}
	for i := range c.counters {
		c.counters[i].add(p, p.predicted[i], c.unit)
	}
}

func (c *evaluator) end() {
	for i := range c.counters {
		c.counters[i].endNode()
	}
}
