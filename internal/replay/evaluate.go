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
	// Loop describes the closed loop; nil: none.
	Loop *LoopOptions
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
// horizon. Cells come by resource, horizon, estimator.
func Evaluate(trace *Trace, opts Options) ([]Cell, error) {
	cells, _, err := evaluate(trace, &opts)
	return cells, err
}

func evaluate(trace *Trace, opts *Options) ([]Cell, []*Timeline, error) {
	if err := opts.check(); err != nil {
		return nil, nil, err
	}
	if least := slices.Min(opts.Horizons); least < trace.Interval {
		return nil, nil, fmt.Errorf("%w: a horizon of %s is shorter than the steps of %s, %s", ErrOptions, least, trace.Dataset, trace.Interval)
	}
	courts := newCourts(trace, opts)
	if err := trace.EachNode(func(n *Node) error { return replayNode(trace, n, courts, opts.Until) }); err != nil {
		return nil, nil, err
	}
	var cells []Cell
	var timelines []*Timeline
	for _, c := range courts {
		for i := range c.tallies {
			cell := Cell{
				Estimator: opts.Estimators[i].Label, Dataset: trace.Dataset,
				Resource: c.resource, Horizon: c.horizon, Score: c.tallies[i].score(),
			}
			if len(c.loops) > 0 {
				cell.Loop = c.loops[i].score()
			}
			cells = append(cells, cell)
		}
		if c.timeline != nil {
			timelines = append(timelines, c.timeline)
		}
	}
	return cells, timelines, nil
}

// newCourts makes one court per resource and horizon, of the resources that
// the trace has.
func newCourts(trace *Trace, opts *Options) []*court {
	var courts []*court
	for _, resource := range opts.Resources {
		if resource == CPU && !trace.HasCPU || resource == Memory && !trace.HasMemory {
			continue
		}
		for _, horizon := range opts.Horizons {
			courts = append(courts, &court{
				trace: trace, resource: resource, horizon: horizon, opts: opts,
				scoredFrom: timeOf(trace.Start).Add(opts.burnIn(trace) - trace.Interval),
				tallies:    make([]tally, len(opts.Estimators)),
				loops:      newLoops(opts, resource),
			})
		}
	}
	return courts
}

// replayNode shows every step of a node to every court.
func replayNode(trace *Trace, n *Node, courts []*court, until time.Duration) error {
	for _, c := range courts {
		if err := c.begin(n); err != nil {
			return err
		}
	}
	var step Step
	for {
		more, err := n.Next(&step)
		if err != nil {
			return err
		}
		if !more || until > 0 && timeOf(step.At).Sub(timeOf(trace.Start)) >= until {
			break
		}
		for _, c := range courts {
			c.step(&step)
		}
	}
	for _, c := range courts {
		c.end()
	}
	return nil
}

// timeOf is a trace's time as estimators see it.
func timeOf(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// court judges all estimators on one resource and horizon.
type court struct {
	trace      *Trace
	resource   string
	horizon    time.Duration
	opts       *Options
	scoredFrom time.Time
	tallies    []tally
	loops      []loopTally // as many, or none
	timeline   *Timeline   // of the first node, when asked for
	nodes      int

	// Of the node under way:
	predictors []predict.Predictor
	oracle     *oracle
	input      predict.Step
	unit       float64
}

func (c *court) begin(n *Node) error {
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
	for i := range c.loops {
		if err := c.loops[i].begin(n.ID, n.Cores); err != nil {
			return err
		}
	}
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

func (c *court) step(s *Step) {
	c.fill(s)
	p := c.oracle.step(c.input, len(c.predictors), c.settled)
	for i := range c.input.Containers {
		p.allocated += c.input.Containers[i].Allocated
	}
	p.scored = !c.input.At.Before(c.scoredFrom)
	c.predict(p)
	used := 0.0
	for i := range c.input.Containers {
		used += min(c.input.Containers[i].Demand, c.input.Containers[i].Allocated)
	}
	for i := range c.loops {
		c.loops[i].step(c.input.At, used, p.allocated, p.allocated-p.predicted[i], p.scored)
	}
	if c.timeline != nil && c.nodes == 1 {
		point := TimelinePoint{At: c.input.At, Allocated: p.allocated, Used: used, Predicted: p.predicted[0]}
		if len(c.loops) > 0 {
			point.Offered = c.loops[0].gross
		}
		c.timeline.add(point)
	}
}

// predict asks every estimator.
func (c *court) predict(p *promise) {
	for i, predictor := range c.predictors {
		if c.opts.Stopwatch == nil {
			p.predicted[i] = predictor.Predict(c.input)
			continue
		}
		began := c.opts.Stopwatch()
		p.predicted[i] = predictor.Predict(c.input)
		c.tallies[i].nanos += c.opts.Stopwatch() - began
		c.tallies[i].samples += int64(len(c.input.Containers))
	}
}

// fill makes the estimators' view of the step. Containers without the resource
// are left out.
func (c *court) fill(s *Step) {
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

func (c *court) settled(p *promise) {
	if !p.scored {
		return
	}
	for i := range c.tallies {
		c.tallies[i].settle(p, p.predicted[i], c.unit)
	}
}

func (c *court) end() {
	for i := range c.tallies {
		c.tallies[i].endNode()
	}
	for i := range c.loops {
		c.loops[i].end()
	}
}

func newLoops(opts *Options, resource string) []loopTally {
	if opts.Loop == nil || opts.Loop.Length <= 0 {
		return nil
	}
	loops := make([]loopTally, len(opts.Estimators))
	for i := range loops {
		loops[i] = loopTally{opts: opts.Loop, resource: resource}
	}
	return loops
}
