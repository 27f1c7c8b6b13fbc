package replay

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// Resources that a trace has.
const (
	CPU    = "cpus"
	Memory = "mem"
)

// Estimator is one predictor under test.
type Estimator struct {
	// Label names it in the report.
	Label string
	// Name and Set are how the daemon would be told to use it: the predictor's
	// name, and its settings; "" when it is not in the table of predictors.
	Name string
	Set  func(*predict.Config)
	// New makes a fresh one, for one node, resource and horizon.
	New func(cfg predict.Config) (predict.Predictor, error)
}

// Cell is one row of the comparison: how one estimator did on one dataset, for
// one resource and horizon. Its names in JSON are a contract.
type Cell struct {
	Estimator string `json:"estimator"`
	Dataset   string `json:"dataset"`
	Resource  string `json:"resource"`
	Horizon   Span   `json:"horizon_s"`
	Score
}

// Span is a time that is written in seconds.
type Span time.Duration

// MarshalJSON writes it in seconds.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// String is "5m" for 5m0s.
func (s Span) String() string {
	switch d := time.Duration(s); {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

// Score is what was measured over the scored node-steps: those after the
// burn-in and with a whole horizon after them.
type Score struct {
	// Steps is the number of node-steps scored.
	Steps int `json:"steps"`
	// Savings is Σ(A−P)/ΣA, Oracle the same with the truth for P.
	Savings float64 `json:"savings"`
	Oracle  float64 `json:"oracle_savings"`
	// ViolationRate is the share of steps whose truth was above P.
	ViolationRate float64 `json:"violation_rate"`
	// WorstNodeViolationRate is that of the node with the highest.
	WorstNodeViolationRate float64 `json:"worst_node_violation_rate"`
	// SeverityMean is the mean over violating steps of (truth−P)/A; SeverityP99
	// is the 99th percentile over all steps, 0 when fewer than 1 % violate.
	SeverityMean float64 `json:"severity_mean"`
	SeverityP99  float64 `json:"severity_p99"`
	// Changes is the share of steps at which the slack in whole units (0.1
	// core, or 1/320 of the node's memory) is not that of the step before,
	// Shrinks at which it is lower by more than one unit.
	Changes float64 `json:"churn_changes"`
	Shrinks float64 `json:"churn_shrinks"`
	// NanosPerSample is the cost of Predict per container and step; 0 when it was
	// not asked for, since it is not reproducible.
	NanosPerSample float64 `json:"cost_ns_per_container_sample,omitempty"`
}

// tolerance is how far the truth may be above a prediction, as a share of the
// allocation, without being a violation: rounding.
const tolerance = 1e-6

// severityBuckets is the resolution of SeverityP99: 0.01 % of the allocation.
const severityBuckets = 10000

// counters collects a Score.
type counters struct {
	steps, violations       int
	slack, allocated, truth float64
	excess                  float64
	severity                [severityBuckets + 1]int32
	compared                int
	changes, shrinks        int
	nodeSteps               int
	nodeViolations          int
	worstNode               float64
	lastUnits               float64
	nanos                   int64
	samples                 int64
}

func (t *counters) add(p *prediction, predicted, unit float64) {
	if p.allocated <= 0 {
		return
	}
	t.steps++
	t.nodeSteps++
	t.slack += p.allocated - predicted
	t.allocated += p.allocated
	t.truth += p.truth
	if over := p.truth - predicted; over > tolerance*p.allocated {
		share := over / p.allocated
		t.violations++
		t.nodeViolations++
		t.excess += share
		t.severity[int(math.Ceil(min(share, 1)*severityBuckets))]++
	}
	units := math.Floor((p.allocated-predicted)/unit + 1e-9)
	if t.nodeSteps > 1 {
		t.compared++
		if units != t.lastUnits {
			t.changes++
		}
		if units < t.lastUnits-1 {
			t.shrinks++
		}
	}
	t.lastUnits = units
}

// endNode closes the account of one node.
func (t *counters) endNode() {
	t.worstNode = max(t.worstNode, ratio(float64(t.nodeViolations), float64(t.nodeSteps)))
	t.nodeSteps, t.nodeViolations = 0, 0
}

func (t *counters) score() Score {
	steps := float64(t.steps)
	s := Score{
		Steps:                  t.steps,
		Savings:                ratio(t.slack, t.allocated),
		Oracle:                 ratio(t.allocated-t.truth, t.allocated),
		ViolationRate:          ratio(float64(t.violations), steps),
		WorstNodeViolationRate: t.worstNode,
		SeverityMean:           ratio(t.excess, float64(t.violations)),
		Changes:                ratio(float64(t.changes), float64(t.compared)),
		Shrinks:                ratio(float64(t.shrinks), float64(t.compared)),
		NanosPerSample:         ratio(float64(t.nanos), float64(t.samples)),
	}
	above := 0
	for i := severityBuckets; i > 0; i-- {
		above += int(t.severity[i])
		if float64(above) > 0.01*steps {
			s.SeverityP99 = float64(i) / severityBuckets
			break
		}
	}
	return s
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
