package predict

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sentinels for what New refuses.
var (
	// ErrUnknownPredictor: the table has no predictor of that name.
	ErrUnknownPredictor = errors.New("unknown predictor")
	// ErrConfig: a field of Config is out of range.
	ErrConfig = errors.New("invalid predictor configuration")
)

// Row is one predictor of a table.
type Row struct {
	Name string
	// Brief says in a line what it computes.
	Brief string
	Make  func(Config) (Model, error)
}

// Table is predictors by name.
type Table []Row

// Predictors lists those that a daemon can run. A function rather than a
// variable, so that nobody can change it.
func Predictors() Table {
	return Table{
		{"tce", "tightest calibrated experts: keeps a declared violation rate", newTCE},
		{"fixed-share", "a fixed share of the allocation", newFixedShare},
		{"node-max", "the node's highest demand within the window, plus a share", newNodeMax},
		{"container-max", "sum of each container's highest demand within the window, plus a share", newContainerMax},
		{"node-percentile", "percentile of a decaying histogram of the node, plus a share", NewNodePercentile},
	}
}

// Names are the names that New knows, in the order of the table.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i := range t {
		names[i] = t[i].Name
	}
	return names
}

// New makes the predictor of that name. Fields of cfg that are zero take the
// predictor's defaults.
func (t Table) New(name string, cfg Config) (Predictor, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	i := slices.IndexFunc(t, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: %q (known: %s)", ErrUnknownPredictor, name, strings.Join(t.Names(), ", "))
	}
	m, err := t[i].Make(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g := &guard{name: name, model: m, pace: pace{interval: cfg.Interval}}
	if cfg.Score && cfg.Horizon > 0 {
		g.evaluator = &evaluator{promises: promises{horizon: cfg.Horizon}}
	}
	return g, nil
}
