package replay

import "time"

// timelinePoints bounds the points of a timeline; more steps share a point.
const timelinePoints = 1200

// Timeline is the story of one node, for a plot: the first of the trace.
type Timeline struct {
	Estimator, Dataset, Resource, Node string
	Horizon                            time.Duration
	// Points are in order of time.
	Points []TimelinePoint
	every  int
	n      int
}

// TimelinePoint covers one or more steps: the highest usage, the lowest
// prediction, and the last allocation.
type TimelinePoint struct {
	At                         time.Time
	Allocated, Used, Predicted float64
}

func newTimeline(e Estimator, t *Trace, c *evaluator, node string) *Timeline {
	steps := int(t.Span() / t.Interval)
	return &Timeline{
		Estimator: e.Label, Dataset: t.Dataset, Resource: c.resource, Node: node, Horizon: c.horizon,
		every: steps/timelinePoints + 1,
	}
}

func (t *Timeline) add(p TimelinePoint) {
	if t.n%t.every == 0 {
		t.Points = append(t.Points, p)
	} else {
		last := &t.Points[len(t.Points)-1]
		p.At = last.At
		p.Used = max(p.Used, last.Used)
		p.Predicted = min(p.Predicted, last.Predicted)
		*last = p
	}
	t.n++
}
