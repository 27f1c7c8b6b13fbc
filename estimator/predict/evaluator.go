package predict

// Score says how a predictor has done: the sums over all predictions whose
// horizon is over; each field only grows.
type Score struct {
	// Predictions is how many there are, Violations how many of them demand rose
	// above.
	Predictions uint64 `json:"predictions"`
	Violations  uint64 `json:"violations"`
	// Slack and Allocated are sums over the predictions, of what they left over
	// and what was allocated: savings is Slack/Allocated.
	Slack     float64 `json:"slack"`
	Allocated float64 `json:"allocated"`
	// Excess is the sum over violations of the excess, as a share of what was
	// allocated.
	Excess float64 `json:"excess_share"`
}

// violationTolerance is the share of the allocation by which a truth may exceed
// a prediction without violating it: rounding.
const violationTolerance = 1e-6

// evaluator scores predictions: it waits until the horizon of each is over and
// compares it with what came, as a replay does (the same exact truth, at most 60
// predictions per horizon).
type evaluator struct {
	seq      int64
	promises promises
	joined   PerContainer[int64]
	score    Score
}

// ScoreOf is how p, made with Config.Score, has done; ok: it has a score.
func ScoreOf(p Predictor) (s Score, ok bool) {
	if g, is := p.(*guard); is && g.evaluator != nil {
		return g.evaluator.score, true
	}
	return Score{}, false
}

// observe takes the next View and what was predicted at it. Predictions from
// before a gap are not scored: nobody saw what came.
func (e *evaluator) observe(v *View, predicted float64) {
	e.seq++
	e.promises.follow(v, e.evaluate)
	allocated, blind := e.raise(v)
	for e.promises.over(v.At) {
		e.evaluate(e.promises.pop())
	}
	if blind || allocated <= 0 || !e.promises.due(v.At) {
		return
	}
	if o := e.promises.push(); o != nil {
		*o = promise{at: v.At, seq: e.seq, allocated: allocated, f: [experts]float64{predicted}}
	}
}

// raise raises the truths under way to this View's demands. blind: some demand
// is not known, so that a prediction made now could not be scored.
func (e *evaluator) raise(v *View) (allocated float64, blind bool) {
	e.promises.begin()
	joined := e.joined.Match(v.Containers)
	total := 0.0
	for i := range v.Containers {
		c, since := &v.Containers[i], joined.Of(i)
		allocated += c.Allocated
		if *since == 0 {
			*since = e.seq
		}
		if c.Known {
			total += e.promises.observe(*since, c.Demand)
		} else {
			blind = true
		}
	}
	e.promises.end(total)
	return allocated, blind
}

func (e *evaluator) evaluate(o *promise) {
	predicted := o.f[0]
	e.score.Predictions++
	e.score.Slack += max(0, o.allocated-predicted)
	e.score.Allocated += o.allocated
	if over := o.truth - predicted; over > violationTolerance*o.allocated {
		e.score.Violations++
		e.score.Excess += over / o.allocated
	}
}
