package predict

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for what New refuses.
var (
	// ErrUnknownPredictor: the table has no predictor of that name.
	ErrUnknownPredictor = errors.New("unknown predictor")
	// ErrConfig: a field of Config is out of range.
	ErrConfig = errors.New("invalid predictor configuration")
)

// row is one predictor of the table.
type row struct {
	name string
	// brief says in a line what it computes.
	brief string
	make  func(Config) (model, error)
}

// table lists every predictor. A function rather than a variable, so that
// nobody can change it.
func table() []row {
	return []row{
		{"tce", "tightest calibrated experts: keeps a declared violation rate", newTCE},
		{"fixed-share", "a fixed share of the allocation", newFixedShare},
		{"latest", "present demand, plus a share", newLatest},
		{"ema", "sum of moving averages, plus a share (Serenity)", newEMA},
		{"node-max", "the node's highest demand within the window, plus a share", newNodeMax},
		{"container-max", "sum of each container's highest demand within the window, plus a share", newContainerMax},
		{"percentile-sum", "sum of each container's percentile over the window (Resource Central)", newPercentileSum},
		{"vpa", "sum of percentiles of decaying histograms, plus a share (vertical pod autoscaler)", newVPA},
		{"node-percentile", "percentile of a decaying histogram of the node, plus a share", newNodePercentile},
		{"koordinator", "the higher of container and node percentiles, plus a share (Koordinator)", newKoordinator},
		{"autopilot", "sum of load-weighted percentiles, plus a share (Autopilot)", newAutopilot},
		{"n-sigma", "mean plus n deviations of the present containers' demand", newNSigma},
		{"max-nsigma-percentile", "the higher of n-sigma and percentile-sum (EuroSys 2021)", newMaxNSigmaPercentile},
	}
}

// Names are the names that New knows, in the order of the table.
func Names() []string {
	rows := table()
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].name
	}
	return names
}

// Brief says in a line what the predictor of that name computes, "" when there
// is none.
func Brief(name string) string {
	for _, r := range table() {
		if r.name == name {
			return r.brief
		}
	}
	return ""
}

// New makes the predictor of that name. Fields of cfg that are zero take the
// predictor's defaults.
func New(name string, cfg Config) (Predictor, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, r := range table() {
		if r.name != name {
			continue
		}
		m, err := r.make(cfg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return &guard{name: name, model: m, pace: pace{interval: cfg.Interval}}, nil
	}
	return nil, fmt.Errorf("%w: %q (known: %s)", ErrUnknownPredictor, name, strings.Join(Names(), ", "))
}
