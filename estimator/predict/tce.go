package predict

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits of what tce can promise. A target below 0.2 % of the steps is rarer
// than what can be learned in weeks; on the reference traces a declared 0.1 %
// realised 0.2 %. No estimator kept 1 % over 24 hours there.
const (
	minTarget  = 0.002
	maxHorizon = 24 * time.Hour
)

// Defaults and constants of tce.
const (
	tceTarget  = 0.01
	tceHorizon = 5 * time.Minute
	// tightnessTarget is the target at which experts are compared: one for
	// all, so that the weights do not depend on the target and the prediction
	// falls with it.
	tightnessTarget = 0.01
	// tightnessHalfLife is how far back the comparison looks.
	tightnessHalfLife = 24 * time.Hour
	// temperature is how much tighter, as a share of the allocation, an expert
	// must be to weigh e times as much.
	temperature = 0.04
	// early is how long EarlyTarget holds, which is earlyShare of the target
	// when nothing is said.
	early      = 24 * time.Hour
	earlyShare = 0.4
)

// tce is "tightest calibrated experts". Four experts say what the node's peak
// will be; each gets the margin at which it would have been exceeded with the
// target's probability; the answer is the mean of the calibrated, weighted
// towards those that were tightest.
//
//	f₀ = U
//	f_w = U + sqrt(Σ_i (M_w,i − u_i)²),   w = 1 h, 6 h, 24 h
//	p_k = clamp(f_k + q_k·S, U, A)
//	P  = Σ w_k·p_k,  w_k ∝ exp(−(s_k − min s)/0.04)
//
// with u_i the demand of container i capped at its allocation a_i, U = Σ u_i,
// A = Σ a_i, M_w,i its maximum over w, S = sqrt(Σ a_i²) and s_k the mean of
// p_k/A over the last day. A container can rise again to where it was; that
// all do so at once is what Σ M_w,i assumes, and is rare: rises of independent
// tenants add up like their root of squares. S makes the margin of a node with
// few containers larger, as a share of A, than that of one with many.
//
// Uses Horizon, TargetViolation and EarlyTarget.
type tce struct {
	target, first float64
	seq           int64
	promises      promises
	learned
}

// learned is what tce has to know to go on after a restart.
type learned struct {
	Horizon    time.Duration              `json:"horizon_ns"`
	Began      time.Time                  `json:"began"`
	Hour       blockClock                 `json:"hour"`
	Six        blockClock                 `json:"six_hours"`
	Day        blockClock                 `json:"day"`
	Containers PerContainer[tceContainer] `json:"containers"`
	Calibrator calibrator                 `json:"calibrator"`
	Tightness  [experts]float64           `json:"tightness"`
}

// tceContainer is what tce remembers of a container.
type tceContainer struct {
	Hour blockMax `json:"hour"`
	Six  blockMax `json:"six_hours"`
	Day  blockMax `json:"day"`
	// joined is the step since which it counts without a break; 0: it does not.
	joined int64
	// last is its last known demand, blind for how many seconds it is unknown.
	last, blind float32
}

func newTCE(cfg Config) (Model, error) {
	t := &tce{
		target: cfg.TargetViolation, first: cfg.EarlyTarget,
		learned: learned{
			Horizon: cfg.Horizon, Hour: newBlockClock(time.Hour), Six: newBlockClock(6 * time.Hour), Day: newBlockClock(24 * time.Hour),
			Calibrator: calibrator{Weight: 1},
		},
	}
	if t.target == 0 {
		t.target = tceTarget
	}
	if t.first == 0 {
		t.first = max(minTarget, earlyShare*t.target)
	}
	if t.Horizon == 0 {
		t.Horizon = tceHorizon
	}
	t.promises.horizon = t.Horizon
	switch {
	case t.target < minTarget:
		return nil, fmt.Errorf("%w: a target violation of %v cannot be kept; the least that can be promised is %v", ErrConfig, t.target, minTarget)
	case t.first < minTarget:
		return nil, fmt.Errorf("%w: an early target of %v cannot be kept; the least that can be promised is %v", ErrConfig, t.first, minTarget)
	case t.Horizon >= maxHorizon:
		return nil, fmt.Errorf("%w: no promise can be kept over %s; the horizon must be below %s", ErrConfig, t.Horizon, maxHorizon)
	}
	return t, nil
}

func (t *tce) Predict(v *View) float64 {
	t.seq++
	if t.Began.IsZero() {
		t.Began = v.At
	}
	t.promises.follow(v, t.learn)
	s := t.observe(v)
	for t.promises.over(v.At) {
		t.learn(t.promises.pop())
	}
	if v.Allocated <= 0 {
		return 0
	}
	share := 1 / v.Allocated
	used := v.Used * share
	scale := math.Sqrt(s.squares) * share
	f := [experts]float64{
		used, used + math.Sqrt(s.hour)*share, used + math.Sqrt(s.six)*share, used + math.Sqrt(s.day)*share,
	}
	for k := range f {
		f[k] = min(f[k], 1)
	}
	mixed := t.mix(v, f, scale, used)
	if !s.blind {
		t.promise(v, promise{at: v.At, seq: t.seq, allocated: v.Allocated, scale: scale, f: f, mixed: mixed})
	}
	return mixed * v.Allocated
}

// learn takes a promise whose truth is known.
func (t *tce) learn(o *promise) { t.Calibrator.learn(o, t.Horizon) }

// sums are over the containers that count.
type sums struct {
	// squares is Σ a², the others Σ (M_w − u)².
	squares, hour, six, day float64
	// blind: some container that counted a moment ago is unknown now.
	blind bool
}

func (t *tce) observe(v *View) (s sums) {
	newHour, newSix, newDay := t.Hour.advance(v.At), t.Six.advance(v.At), t.Day.advance(v.At)
	states := t.Containers.Match(v.Containers)
	t.promises.begin()
	total := 0.0
	for i := range v.Containers {
		c, m := &v.Containers[i], states.Of(i)
		if newHour > 0 {
			m.Hour.turn(t.Hour.Slot, newHour)
			if newSix > 0 {
				m.Six.turn(t.Six.Slot, newSix)
			}
			if newDay > 0 {
				m.Day.turn(t.Day.Slot, newDay)
			}
		}
		if c.Known {
			m.Hour.add(t.Hour.Slot, c.Demand)
			m.Six.add(t.Six.Slot, c.Demand)
			m.Day.add(t.Day.Slot, c.Demand)
			m.last, m.blind = float32(c.Demand), 0
		}
		if !c.Counts {
			total += t.unseen(m, v, &s)
			continue
		}
		if m.joined == 0 {
			m.joined = t.seq
		}
		total += t.promises.observe(m.joined, c.Demand)
		s.squares += c.Allocated * c.Allocated
		s.hour += square(m.Hour.max(t.Hour.Slot) - c.Demand)
		s.six += square(m.Six.max(t.Six.Slot) - c.Demand)
		s.day += square(m.Day.max(t.Day.Slot) - c.Demand)
	}
	t.promises.end(total)
	return s
}

// unseen is the demand that a container which does not count is given in the
// truths under way: its last known one for a horizon, then none, as if it had
// left. Meanwhile no promises are made, whose truth could not be known.
func (t *tce) unseen(m *tceContainer, v *View, s *sums) float64 {
	if m.joined == 0 {
		return 0
	}
	m.blind += float32(v.Elapsed.Seconds())
	if m.blind > float32(t.promises.horizon.Seconds()) {
		m.joined = 0
		return 0
	}
	s.blind = true
	return t.promises.observe(m.joined, float64(m.last))
}

// promise keeps what the experts say now, to learn from when the horizon is over.
func (t *tce) promise(v *View, now promise) {
	if !t.promises.due(v.At) {
		return
	}
	if o := t.promises.push(); o != nil {
		*o = now
	}
}

// targetAt is what is promised at that time.
func (t *tce) targetAt(at time.Time) float64 {
	if at.Sub(t.Began) < early {
		return min(t.target, t.first)
	}
	return t.target
}

// learning is for how long yet the prior counts.
func (t *tce) learning(v *View) time.Duration {
	missing := t.Calibrator.missing(t.targetAt(v.At))
	if missing == 0 {
		return 0
	}
	first := t.Horizon // the first sample comes when a horizon is over
	if t.promises.n > 0 {
		first = max(0, t.promises.at(0).at.Add(t.Horizon).Sub(v.At))
	}
	return first + time.Duration(missing*float64(max(t.Horizon/labelsPerHorizon, v.Usual)))
}

// mix is the prediction as a share of the allocation.
func (t *tce) mix(v *View, f [experts]float64, scale, used float64) float64 {
	target := t.targetAt(v.At)
	fresh := 1 - math.Exp2(-v.Elapsed.Seconds()/tightnessHalfLife.Seconds())
	if t.seq == 1 {
		fresh = 1
	}
	tightest := math.Inf(1)
	for k := range f {
		p := min(max(f[k]+t.Calibrator.margin(k, tightnessTarget, t.Horizon)*scale, used), 1)
		t.Tightness[k] += fresh * (p - t.Tightness[k])
		tightest = min(tightest, t.Tightness[k])
	}
	weights, mixed := 0.0, 0.0
	for k := range f {
		w := math.Exp(-(t.Tightness[k] - tightest) / temperature)
		weights += w
		mixed += w * min(max(f[k]+t.Calibrator.margin(k, target, t.Horizon)*scale, used), 1)
	}
	return mixed / weights
}

// state implements learner.
func (t *tce) state() any { return &t.learned }

// restored implements learner.
func (t *tce) restored(state []byte, at time.Time) (Model, error) {
	n := *t
	n.learned, n.seq = learned{}, 1
	if err := json.Unmarshal(state, &n.learned); err != nil {
		return nil, err
	}
	return &n, n.check(t, at)
}

// check refuses what t, which is fresh, cannot have learned until at.
func (l *learned) check(t *tce, at time.Time) error {
	switch {
	case l.Horizon != t.Horizon:
		return fmt.Errorf("learned for a horizon of %s, not %s", l.Horizon, t.Horizon)
	case l.Began.IsZero() || l.Began.After(at):
		return fmt.Errorf("began %s, after its time %s", l.Began, at)
	}
	for _, share := range l.Tightness {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("tightness %v", share)
		}
	}
	return errors.Join(
		l.Hour.check(t.Hour.Length, at), l.Six.check(t.Six.Length, at), l.Day.check(t.Day.Length, at), l.Calibrator.check(),
	)
}

func square(x float64) float64 { return x * x }
