package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/qos/policy"
)

// Request is what a replay is asked for.
type Request struct {
	// Traces are the paths of CSV files, gzipped or not, and of recordings.
	Traces []string
	// Resources; none means all that a trace has.
	Resources []string
	// Horizons; none means 5 min and 1 h, and for traces with steps below a
	// minute one step, 5 min and 15 min.
	Horizons []time.Duration
	// Estimators as ParseEstimator reads them.
	Estimators []string
	// TargetViolation is promised by estimators that have a target.
	TargetViolation float64
	// EarlyTarget is that of the first day; 0: the default of the predictor.
	EarlyTarget float64
	// OneInstance: estimators are made for the longest horizon, whatever horizon
	// they are scored on.
	OneInstance bool
	// BurnIn, when not negative, is used instead of DefaultBurnIn.
	BurnIn time.Duration
	// Until, when above zero, ends each replay that long after its start.
	Until time.Duration
	// Policy, when not nil, also runs the whole loop with it, at ticks of Tick
	// (0: 5 s) and with the first of Horizons (none: 5 min).
	Policy *policy.Policy
	Tick   time.Duration
	// BestEffort is the length of the best-effort tasks of the whole loop, 5 min
	// at most on traces with steps below a minute, and Governor its governor; nil:
	// estimator.DefaultGovernor.
	BestEffort time.Duration
	Governor   func(resource string) estimator.GovernorConfig
	// SkipMalformed leaves malformed rows out instead of failing.
	SkipMalformed bool
	// Step is as in TraceOptions.
	Step time.Duration
	// Timelines records the first node of each trace.
	Timelines bool
	// AllowGaps, Progress and Context are as in TraceOptions. When the Context ends,
	// what is known so far is the report, with ErrCutShort.
	AllowGaps bool
	Progress  Progress
	Context   context.Context //nolint:containedctx // as in TraceOptions
	// Stopwatch is as in Options.
	Stopwatch func() int64
}

// Run replays all traces of the request.
func Run(req *Request) (*Report, error) {
	estimators := make([]Estimator, 0, len(req.Estimators))
	for _, text := range req.Estimators {
		e, err := ParseEstimator(text)
		if err != nil {
			return nil, err
		}
		estimators = append(estimators, e)
	}
	if len(req.Traces) == 0 {
		return nil, fmt.Errorf("%w: no trace", ErrOptions)
	}
	report := &Report{Target: req.TargetViolation}
	for _, path := range req.Traces {
		err := req.replay(report, path, estimators)
		if errors.Is(err, ErrCutShort) {
			return report, err
		}
		if err != nil {
			return nil, err
		}
	}
	err := report.scored()
	return report, err
}

// replay replays one trace into the report.
func (req *Request) replay(report *Report, path string, estimators []Estimator) error {
	trace, err := OpenTrace(path, TraceOptions{
		SkipMalformed: req.SkipMalformed, Step: req.Step, AllowGaps: req.AllowGaps, Progress: req.Progress, Context: req.Context,
	})
	if err != nil {
		return err
	}
	opts := req.options(trace, estimators)
	cells, timelines, err := Evaluate(trace, &opts)
	if err != nil && !errors.Is(err, ErrCutShort) {
		return err
	}
	report.Cells = append(report.Cells, cells...)
	report.Timelines = append(report.Timelines, timelines...)
	report.Traces = append(report.Traces, trace.summary(opts.burnIn(trace)))
	if err == nil && req.Policy != nil {
		err = req.whole(report, trace, estimators)
	}
	return err
}

// ErrNothingScored is returned, with the report, when not a step was scored.
var ErrNothingScored = errors.New("not a step was scored")

// scored says when there is nothing to read in the tables.
func (r *Report) scored() error {
	for i := range r.Cells {
		if r.Cells[i].Steps > 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: the traces end within the burn-in or the horizon; see --burn-in, --horizon and --until", ErrNothingScored)
}

// whole runs the whole loop of every estimator on the trace.
func (req *Request) whole(r *Report, t *Trace, estimators []Estimator) error {
	o := WholeOptions{
		Policy: req.Policy, Tick: req.Tick, Length: req.BestEffort, Until: req.Until, Governor: req.Governor,
	}
	if o.Tick == 0 {
		o.Tick = defaultTick
	}
	if t.Interval < time.Minute {
		o.Length = min(o.Length, 5*time.Minute)
	}
	cfg := predict.Config{TargetViolation: req.TargetViolation, EarlyTarget: req.EarlyTarget, Horizon: 5 * time.Minute}
	if len(req.Horizons) > 0 {
		cfg.Horizon = req.Horizons[0]
	}
	for _, e := range estimators {
		score, err := EvaluateWhole(t, e, cfg, o)
		if err != nil && !errors.Is(err, ErrCutShort) {
			return err
		}
		r.Whole = append(r.Whole, score)
		if err != nil {
			return err
		}
	}
	return nil
}

func (req *Request) options(t *Trace, estimators []Estimator) Options {
	o := Options{
		Resources: req.Resources, Horizons: req.Horizons, Estimators: estimators,
		Config: predict.Config{TargetViolation: req.TargetViolation, EarlyTarget: req.EarlyTarget},
		BurnIn: req.BurnIn, Until: req.Until,
		Timelines: req.Timelines, Stopwatch: req.Stopwatch,
	}
	if len(o.Resources) == 0 {
		o.Resources = []string{CPU, Memory}
	}
	if len(o.Horizons) == 0 {
		o.Horizons = []time.Duration{5 * time.Minute, time.Hour}
		if t.Interval < time.Minute {
			o.Horizons = []time.Duration{t.Interval, 5 * time.Minute, 15 * time.Minute}
		}
	}
	if req.OneInstance {
		o.Instance = slices.Max(o.Horizons)
	}
	return o
}

func (t *Trace) summary(burnIn time.Duration) TraceSummary {
	s := TraceSummary{
		Dataset: t.Dataset, Interval: Span(t.Interval), Span: Span(t.Span()), BurnIn: Span(burnIn),
		Rows: t.Rows, Nodes: t.Nodes, Containers: t.Containers, SkippedRows: t.Skipped,
	}
	s.CutFiles = t.Cut
	if len(t.SkippedRows) > 0 {
		s.FirstSkippedLine = t.SkippedRows[0].Line
		s.FirstSkippedRowRejected = t.SkippedRows[0].Err.Error()
	}
	return s
}
