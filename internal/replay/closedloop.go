package replay

import (
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
)

// LoopOptions describes the best-effort tasks of a closed loop, which are
// there in any number and take all that is offered.
type LoopOptions struct {
	// Length is how long a task runs; 0: no closed loop.
	Length time.Duration
	// Report is how often the agent asks for the estimate; the governor is
	// asked as often, also between two steps of a trace.
	Report time.Duration
	// Governor returns the configuration of the governor for a resource; nil
	// offers the slack as it is.
	Governor func(resource string) estimator.GovernorConfig
	// Optimum: also find out how few changes would have been possible. It
	// keeps every target in memory.
	Optimum bool
}

// agentReport is the default of --oversubscribed_resources_interval.
const agentReport = 15 * time.Second

// LoopScore is what happened when the slack was really used.
type LoopScore struct {
	// Goodput is the core-time of completed best-effort tasks ÷ allocated
	// core-time.
	Goodput float64 `json:"goodput"`
	// ContentionRate is the share of steps at whose end regular demand and
	// best-effort tasks were more than what is allocated.
	ContentionRate float64 `json:"contention_rate"`
	// CompletedHours and LostHours are core-hours (or unit-hours of memory) of
	// best-effort tasks that completed, and of those that were killed.
	CompletedHours float64 `json:"best_effort_hours_completed"`
	LostHours      float64 `json:"best_effort_hours_lost"`
	// Started and Kills count tasks.
	Started int `json:"best_effort_started"`
	Kills   int `json:"kills"`
	// Offered is Σ offered/Σ allocated: savings after the governor. RawOffered
	// is the same without one.
	Offered    float64 `json:"offered_savings"`
	RawOffered float64 `json:"-"`
	// MessagesPerHour is how often per node-hour the master heard another
	// number, each of which rescinds the node's revocable offers.
	// RawMessagesPerHour is the same without a governor, of the slack in
	// thousandths, as the agent would forward it.
	MessagesPerHour    float64 `json:"messages_per_node_hour"`
	RawMessagesPerHour float64 `json:"raw_messages_per_node_hour"`
	// GovernorCost is the share of the savings that the governor costs, and
	// LeastMessagesPerHour the fewest that any offer could have come by that
	// gives up no more than GivenUp of RawOffered, knowing the future; 0 when
	// they were not asked for.
	GovernorCost         float64 `json:"governor_cost,omitempty"`
	LeastMessagesPerHour float64 `json:"least_messages_per_node_hour,omitempty"`
}

// GivenUp is the share of the savings that a governor may cost.
const GivenUp = 0.02

// closedLoop runs and scores the closed loop of one estimator in one cell.
//
// At each step: tasks are killed, newest first, until regular demand and
// best-effort tasks fit into what is allocated to regular containers (that is
// contention); tasks that ran their length complete; the new slack goes through
// the governor; tasks start while they fit into what is offered. An offer
// that shrinks kills nothing by itself.
type closedLoop struct {
	opts     *LoopOptions
	resource string
	size     float64

	governor *estimator.Governor
	// ends are the ends of the running tasks, oldest first.
	ends            []time.Time
	offer           float64
	allocatedBefore float64
	heard           bool
	rawHeard        resources.Milli
	last            time.Time // of the step before

	steps, contentions, started, killed, changes, rawChanges   int
	completed, lost, allocated, offered, rawOffered, nodeHours float64

	// targets are those of this node, when optimum is wanted.
	targets []float64
	optimum optimum
}

// loopSize is the size of a task: a core, or 1/32 of the node's memory.
func loopSize(resource string, cores float64) float64 {
	if resource == CPU {
		return 1
	}
	return max(cores, 1) * 4096 / 32
}

func (l *closedLoop) begin(node string, cores float64) error {
	l.size = loopSize(l.resource, cores)
	l.ends, l.offer, l.heard = l.ends[:0], 0, false
	l.last, l.allocatedBefore = time.Time{}, 0
	l.governor = nil
	if l.opts.Governor == nil {
		return nil
	}
	cfg := l.opts.Governor(l.resource)
	cfg.Seed = estimator.SeedOf(node)
	g, err := estimator.NewGovernor(cfg)
	l.governor = g
	return err
}

// end closes the account of one node.
func (l *closedLoop) end() {
	if l.opts.Optimum {
		l.optimum.add(l.targets)
		l.targets = nil
	}
}

// step takes the demand and allocation at a step and the slack predicted from
// then on. Tasks run during the burn-in too, but are not scored.
func (l *closedLoop) step(at time.Time, demand, allocated, slack float64, scored bool) {
	l.between(at, scored)
	contended := l.relieve(at, demand, max(allocated, l.allocatedBefore), scored)
	l.complete(at, scored)
	if scored {
		elapsed := 0.0
		if !l.last.IsZero() {
			elapsed = at.Sub(l.last).Hours()
		}
		l.steps++
		if contended {
			l.contentions++
		}
		l.nodeHours += elapsed
		l.allocated += allocated * elapsed
		l.offered += min(l.offer, allocated) * elapsed
		l.rawOffered += min(l.rawHeard.Float(), allocated) * elapsed
		if l.opts.Optimum {
			l.targets = append(l.targets, max(0, slack))
		}
	}
	l.govern(at, allocated, slack, scored)
	l.last, l.allocatedBefore = at, allocated
	for float64(len(l.ends)+1)*l.size <= l.offer+1e-9 {
		l.ends = append(l.ends, at.Add(l.opts.Length))
		if scored {
			l.started++
		}
	}
}

// relieve kills what does not fit.
func (l *closedLoop) relieve(at time.Time, demand, allocated float64, scored bool) (contended bool) {
	for n := len(l.ends); n > 0 && demand+float64(n)*l.size > allocated+1e-9; n-- {
		ran := l.opts.Length - l.ends[n-1].Sub(at)
		l.ends = l.ends[:n-1]
		contended = true
		if scored {
			l.lost += l.size * ran.Hours()
			l.killed++
		}
	}
	return contended
}

func (l *closedLoop) complete(at time.Time, scored bool) {
	done := 0
	for done < len(l.ends) && !l.ends[done].After(at) {
		done++
	}
	if scored {
		l.completed += float64(done) * l.size * l.opts.Length.Hours()
	}
	l.ends = append(l.ends[:0], l.ends[done:]...)
}

// govern takes the slack through the governor.
func (l *closedLoop) govern(at time.Time, allocated, slack float64, scored bool) {
	target := resources.FloorMilli(max(0, slack))
	next := target
	if l.governor != nil {
		next, _, _ = l.governor.Next(estimator.Round{At: at, Target: target, RegularAllocated: resources.FloorMilli(allocated)})
	}
	if l.heard && scored {
		if next.Float() != l.offer {
			l.changes++
		}
		if target != l.rawHeard {
			l.rawChanges++
		}
	}
	l.offer, l.rawHeard, l.heard = next.Float(), target, true
}

// between asks the governor at each report of the agent between the step
// before and the one at time at: the slack is the same, but a governor raises
// in steps.
func (l *closedLoop) between(at time.Time, scored bool) {
	if l.governor == nil || !l.heard || l.opts.Report <= 0 || l.last.IsZero() {
		return
	}
	for t := l.last.Add(l.opts.Report); t.Before(at); t = t.Add(l.opts.Report) {
		next, _, _ := l.governor.Next(estimator.Round{At: t, Target: l.rawHeard, RegularAllocated: resources.FloorMilli(l.allocatedBefore)})
		if next.Float() != l.offer && scored {
			l.changes++
		}
		l.offer = next.Float()
	}
}

func (l *closedLoop) score() *LoopScore {
	s := &LoopScore{
		Goodput:        ratio(l.completed, l.allocated),
		CompletedHours: l.completed, LostHours: l.lost,
		ContentionRate: ratio(float64(l.contentions), float64(l.steps)),
		Started:        l.started, Kills: l.killed,
		Offered: ratio(l.offered, l.allocated), RawOffered: ratio(l.rawOffered, l.allocated),
		MessagesPerHour:    ratio(float64(l.changes), l.nodeHours),
		RawMessagesPerHour: ratio(float64(l.rawChanges), l.nodeHours),
	}
	if l.opts.Optimum {
		s.GovernorCost, s.LeastMessagesPerHour = s.cost(), ratio(float64(l.optimum.changes(GivenUp)), l.nodeHours)
	}
	return s
}

// cost is the share of the savings that the governor costs.
func (s *LoopScore) cost() float64 { return ratio(s.RawOffered-s.Offered, s.RawOffered) }
