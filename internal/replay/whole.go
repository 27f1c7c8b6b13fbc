package replay

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/replay/simnode"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// WholeOptions describes the whole loop: the daemon's estimator and its policy
// on simulated Snapshots, with best-effort tasks of one core that take all
// that is offered.
type WholeOptions struct {
	Policy *policy.Policy
	// Tick is the daemon's interval; a row of the trace lasts many ticks.
	Tick time.Duration
	// Length is how long a task runs.
	Length time.Duration
	// Until, when above zero, ends the replay that long after the start.
	Until time.Duration
	// Governor is that of the estimator.
	Governor func(resource string) estimator.GovernorConfig
}

// WholeScore is what the whole loop did on one trace with one estimator.
type WholeScore struct {
	Estimator string `json:"estimator"`
	Dataset   string `json:"dataset"`
	Ticks     int    `json:"ticks"`
	// Goodput is the core-time of completed tasks ÷ allocated core-time.
	Goodput        float64 `json:"goodput"`
	CompletedHours float64 `json:"best_effort_hours_completed"`
	LostHours      float64 `json:"best_effort_hours_lost"`
	// WithheldHours is what running tasks did not get: throttled, frozen, or
	// beside others on a full node.
	WithheldHours float64 `json:"best_effort_hours_withheld"`
	Started       int     `json:"best_effort_started"`
	Kills         int     `json:"kills"`
	// WrongKills were decided at a tick at which demand was within the node.
	WrongKills int `json:"wrong_kills"`
	// ContentionRate is the share of ticks at which demand was more than the
	// node's cores while tasks took their part of it.
	ContentionRate float64 `json:"contention_rate"`
	// Contentions counts the uninterrupted times of that; the others are how long
	// they lasted.
	Contentions       int     `json:"contentions"`
	ReliefMeanSeconds float64 `json:"time_to_relief_mean_s"`
	ReliefMaxSeconds  float64 `json:"time_to_relief_max_s"`
	// MessagesPerHour is how often per node-hour the master heard another number,
	// each of which rescinds the node's revocable offers. RawMessagesPerHour is how
	// often it would have without a governor, of the slack in thousandths at each of
	// the agent's reports.
	MessagesPerHour    float64 `json:"messages_per_node_hour"`
	RawMessagesPerHour float64 `json:"raw_messages_per_node_hour"`
	// OfferedSavings is what may be revocable as a share of what is allocated, and
	// GovernorCost the share of the slack that is not offered.
	OfferedSavings float64 `json:"offered_savings"`
	GovernorCost   float64 `json:"governor_cost"`

	offered, slack                      float64
	rawMessages                         int
	completed, allocated, relief, hours float64
	contended, messages                 int
}

// agentReport is the default of --oversubscribed_resources_interval.
const agentReport = 15 * time.Second

// defaultTick is short enough for the freshness that policies ask for.
const defaultTick = 5 * time.Second

// EvaluateWhole runs the whole loop of estimator e on every node of the trace
// whose size is known. Only CPU is simulated.
func EvaluateWhole(trace *Trace, e Estimator, cfg predict.Config, o WholeOptions) (WholeScore, error) {
	score := WholeScore{Estimator: e.Label, Dataset: trace.Dataset}
	switch {
	case e.Name == "":
		return score, fmt.Errorf("%w: %q cannot run in the daemon", ErrOptions, e.Label)
	case o.Tick <= 0 || o.Length <= 0 || trace.Interval < o.Tick:
		return score, fmt.Errorf("%w: ticks of %s and tasks of %s in steps of %s", ErrOptions, o.Tick, o.Length, trace.Interval)
	case !trace.HasCPU:
		return score, fmt.Errorf("%w: %s has no cpu", ErrOptions, trace.Dataset)
	}
	err := trace.EachNode(func(n *Node) error {
		if n.Cores <= 0 {
			return fmt.Errorf("%w: the size of node %q is not known", ErrOptions, n.ID)
		}
		w, err := newWholeNode(n.Cores, e, cfg, &o, &score)
		if err != nil {
			return err
		}
		return w.replay(n, trace)
	})
	score.finish()
	return score, err
}

func (s *WholeScore) finish() {
	s.Goodput = ratio(s.completed, s.allocated)
	s.CompletedHours = s.completed
	s.ContentionRate = ratio(float64(s.contended), float64(s.Ticks))
	s.ReliefMeanSeconds = ratio(s.relief, float64(s.Contentions))
	s.MessagesPerHour = ratio(float64(s.messages), s.hours)
	s.RawMessagesPerHour = ratio(float64(s.rawMessages), s.hours)
	s.OfferedSavings, s.GovernorCost = ratio(s.offered, s.allocated), ratio(s.slack-s.offered, s.slack)
}

// wholeNode is one simulated node under the daemon. Where more is wanted than
// there is, all get the same part of what they want, as if the kernel knew no
// weights: this is what a rule is to prevent, not the kernel. Tasks whose weight
// a throttle has taken get what is left over.
type wholeNode struct {
	opts      *WholeOptions
	score     *WholeScore
	node      simnode.Node
	firstSeen map[string]time.Time
	// left is how much of its work each task has to do.
	left      map[string]time.Duration
	started   int
	brain     *tick.Brain
	heard     resources.Milli
	target    resources.Milli // of the last report
	reported  time.Time
	contended time.Duration // for how long now
	// ended, when not nil, is told of each task that is done or was killed.
	ended func(id string, killed bool)
}

func newWholeNode(cores float64, e Estimator, cfg predict.Config, o *WholeOptions, score *WholeScore) (*wholeNode, error) {
	u := estimator.DefaultUsage()
	u.Predictors = compared.Predictors()
	r := &u.Resources[0]
	cfg.Interval = o.Tick
	if e.Set != nil {
		e.Set(&cfg)
	}
	// The predictor alone is judged: no margin on top of it, no warm-up, none beside it.
	r.Predictor, r.Shadows, r.Peak, r.Margin, u.WarmUp = e.Name, nil, cfg, 0, 0
	if o.Governor != nil {
		r.Governor = o.Governor(r.Name)
	}
	est, err := estimator.NewUsage(u)
	if err != nil {
		return nil, err
	}
	return &wholeNode{
		opts: o, score: score, node: simnode.Node{CPUs: cores}, left: make(map[string]time.Duration), brain: tick.NewBrain(est, qos.State{}),
	}, nil
}

// replay runs all steps: a row is the usage over the interval before its time.
func (w *wholeNode) replay(n *Node, trace *Trace) error {
	var step Step
	for {
		if ctx := trace.opts.Context; ctx != nil && ctx.Err() != nil {
			return ErrCutShort
		}
		more, err := n.Next(&step)
		if err != nil || !more || w.opts.Until > 0 && timeOf(step.At).Sub(timeOf(trace.Start)) >= w.opts.Until {
			return err
		}
		begin := timeOf(step.At).Add(-trace.Interval)
		w.enter(&step, begin)
		for d := w.opts.Tick; d <= trace.Interval; d += w.opts.Tick {
			w.launchAll(w.tick(begin.Add(d)), begin.Add(d))
		}
	}
}

// weightPerCore makes the weight of those that have one so large that those
// without get what is left over.
const weightPerCore = 1e9

// enter begins a step of the trace.
func (w *wholeNode) enter(s *Step, now time.Time) {
	w.node.Regular = w.node.Regular[:0]
	seen := make(map[string]time.Time, len(s.Rows))
	for i := range s.Rows {
		cpu := s.Rows[i].CPU
		if !cpu.Present {
			continue
		}
		id := s.IDs[i]
		first, known := w.firstSeen[id]
		if !known {
			first = now
		}
		seen[id] = first
		used := min(cpu.Used, cpu.Allocated)
		w.node.Regular = append(w.node.Regular, &simnode.Container{ID: id, Since: first, Allocated: cpu.Allocated, Wants: used, Weight: max(used, 1e-9) * weightPerCore})
	}
	w.firstSeen = seen
}

// tick is one round of the daemon, and what the world makes of it. It returns
// what is offered.
func (w *wholeNode) tick(now time.Time) resources.Milli {
	w.node.Remove(now)
	w.node.Share(w.opts.Tick)
	w.work()
	w.node.Share(0)
	s := w.node.Snapshot(now)
	w.watch()
	d, offer := w.brain.Think(w.opts.Policy, &qos.Input{Snapshot: s, InFlight: w.node.InFlight()})
	for _, v := range d.Kills {
		w.kill(v.Key().ID, now)
	}
	w.node.Apply(d.Actions)
	w.account(&offer)
	return offer.Resources[0].Offered
}

// launchAll takes all that is offered.
func (w *wholeNode) launchAll(offered resources.Milli, now time.Time) {
	for ; offered >= resources.Unit; offered -= resources.Unit {
		w.launch(now)
	}
}

// launch starts one best-effort task of one core.
func (w *wholeNode) launch(now time.Time) (id string) {
	w.score.Started++
	w.started++
	id = "~task-" + strconv.Itoa(1_000_000+w.started) // after the ids of the trace, in order
	w.left[id] = w.opts.Length
	w.node.Revocable = append(w.node.Revocable, &simnode.Container{ID: id, Since: now, Allocated: 1, Wants: 1, Weight: weightPerCore})
	return id
}

// work lets the tasks go on with what they got since the tick before.
func (w *wholeNode) work() {
	w.node.Revocable = slices.DeleteFunc(w.node.Revocable, func(c *simnode.Container) bool {
		w.left[c.ID] -= time.Duration(c.Got * float64(w.opts.Tick))
		w.score.WithheldHours += (1 - c.Got) * w.opts.Tick.Hours()
		done := w.left[c.ID] <= 0
		if done {
			w.score.completed += w.opts.Length.Hours()
			w.end(c.ID, false)
		}
		return done
	})
}

// kill has a task gone at the next tick.
func (w *wholeNode) kill(id string, now time.Time) {
	if !w.node.Kill(id, now, now.Add(w.opts.Tick)) {
		return
	}
	w.score.Kills++
	w.score.LostHours += (w.opts.Length - w.left[id]).Hours()
	w.end(id, true)
	if w.contended == 0 {
		w.score.WrongKills++
	}
}

func (w *wholeNode) end(id string, killed bool) {
	delete(w.left, id)
	if w.ended != nil {
		w.ended(id, killed)
	}
}

// watch counts ticks and contention.
func (w *wholeNode) watch() {
	w.score.Ticks++
	hours := w.opts.Tick.Hours()
	w.score.hours += hours
	for _, c := range w.node.Regular {
		w.score.allocated += c.Allocated * hours
	}
	if !w.node.Contended() {
		w.contended = 0
		return
	}
	if w.contended == 0 {
		w.score.Contentions++
	}
	w.contended += w.opts.Tick
	w.score.contended++
	w.score.relief += w.opts.Tick.Seconds()
	w.score.ReliefMaxSeconds = max(w.score.ReliefMaxSeconds, w.contended.Seconds())
}

// account counts what the agent is told. It adds what is allocated as
// revocable to the answer, so that the master hears the revocable total, or what
// is allocated when that is more.
func (w *wholeNode) account(o *estimator.Offer) {
	heard, target := o.Resources[0].RevocableTotal, o.Resources[0].Target
	w.score.offered += heard.Float() * w.opts.Tick.Hours()
	w.score.slack += target.Float() * w.opts.Tick.Hours()
	if a := o.Resources[0].Allocated; a != nil {
		heard = max(heard, a.RevocableAllocated)
	}
	if !w.reported.IsZero() && o.At.Sub(w.reported) < agentReport {
		return // the agent asks again later
	}
	w.reported = o.At
	if heard != w.heard {
		w.score.messages++
	}
	if target != w.target {
		w.score.rawMessages++
	}
	w.heard, w.target = heard, target
}
