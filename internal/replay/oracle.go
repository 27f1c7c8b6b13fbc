package replay

import (
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// oracle knows what the estimators cannot: it looks at a step only when the
// horizon after it is over. The truth of a step at t is
//
//	max over s in (t, t+H] of Σ u_i(s), i present from t to s without a break
//
// with u_i the usage of container i, capped at its allocation (Bashir et al.,
// "Take it to the limit", EuroSys 2021, §3): one that leaves counts 0 from then
// on, one that arrives later does not count, since it brings its own
// allocation.
//
// Cost per step is O(containers + steps in the horizon): a container present at
// s was present at t exactly if it joined no later than t, so that one pass
// over the steps under way, newest first, with the usage summed by the step of
// joining, serves them all.
type oracle struct {
	horizon time.Duration
	// pending are the steps whose horizon is not over, oldest first, in a ring.
	pending []prediction
	head, n int
	seq     int64 // of the newest step
	joined  map[string]int64
	// seen is the seq at which a container was there last.
	seen map[string]int64
	// late[i] is the usage now of those that joined at pending step i.
	late []float64
}

// prediction is one step that waits for its truth.
type prediction struct {
	at    time.Time
	seq   int64
	truth float64
	// allocated and predicted are of that step; one prediction per estimator.
	allocated float64
	predicted []float64
	scored    bool
}

func newOracle(horizon time.Duration) *oracle {
	return &oracle{horizon: horizon, joined: make(map[string]int64), seen: make(map[string]int64)}
}

// step takes the next step's containers, tells over of every prediction whose
// horizon is over, oldest first, and returns the place for the prediction of this
// step, whose predicted has length estimators.
func (o *oracle) step(s predict.Step, estimators int, over func(*prediction)) *prediction {
	// Horizons that ended before this step saw their last usage already.
	for o.n > 0 && s.At.After(o.at(0).at.Add(o.horizon)) {
		over(o.pop())
	}
	o.seq++
	o.observe(s)
	for o.n > 0 && !s.At.Before(o.at(0).at.Add(o.horizon)) {
		over(o.pop())
	}
	return o.push(s, estimators)
}

// observe raises the truths under way to what is used at s.
func (o *oracle) observe(s predict.Step) {
	o.late = append(o.late[:0], make([]float64, o.n)...)
	total := 0.0
	for i := range s.Containers {
		c := &s.Containers[i]
		u := min(c.Demand, c.Allocated)
		if o.seen[c.ID] != o.seq-1 || o.seq == 1 {
			o.joined[c.ID] = o.seq
		}
		o.seen[c.ID] = o.seq
		joined := o.joined[c.ID]
		switch oldest := o.oldest(); {
		case o.n == 0 || joined == o.seq:
		case joined > oldest:
			o.late[joined-oldest] += u
			total += u
		default:
			total += u
		}
	}
	for i := o.n - 1; i >= 0; i-- {
		p := o.at(i)
		p.truth = max(p.truth, total)
		total -= o.late[i]
	}
	if o.seq%1024 == 0 { // forget who left; memory follows the node, not the trace
		for id, seq := range o.seen {
			if seq < o.seq {
				delete(o.seen, id)
				delete(o.joined, id)
			}
		}
	}
}

func (o *oracle) oldest() int64 {
	if o.n == 0 {
		return o.seq
	}
	return o.at(0).seq
}

func (o *oracle) at(i int) *prediction { return &o.pending[(o.head+i)%len(o.pending)] }

func (o *oracle) pop() *prediction {
	p := o.at(0)
	o.head = (o.head + 1) % len(o.pending)
	o.n--
	return p
}

func (o *oracle) push(s predict.Step, estimators int) *prediction {
	if o.n == len(o.pending) {
		grown := make([]prediction, max(16, 2*len(o.pending)))
		for i := range o.n {
			grown[i] = *o.at(i)
		}
		o.pending, o.head = grown, 0
	}
	o.n++
	p := o.at(o.n - 1)
	if cap(p.predicted) < estimators {
		p.predicted = make([]float64, estimators)
	}
	*p = prediction{at: s.At, seq: o.seq, predicted: p.predicted[:estimators]}
	return p
}
