package replay

import (
	"hash/fnv"
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
	// hands the slack out as it is.
	Governor func(resource string) estimator.GovernorConfig
	// Hindsight: also find out how few changes would have been possible. It
	// keeps every target in memory.
	Hindsight bool
}

// agentReport is the default of --oversubscribed_resources_interval.
const agentReport = 15 * time.Second

// LoopScore is what happened when the slack was really used.
type LoopScore struct {
	// Goodput is the core-time of completed best-effort tasks ÷ allocated
	// core-time.
	Goodput float64
	// CompletedHours and LostHours are core-hours (or unit-hours of memory) of
	// best-effort tasks that completed, and of those that were killed.
	CompletedHours, LostHours float64
	// SqueezeRate is the share of steps at whose end regular demand and
	// best-effort tasks were more than what is allocated.
	ContentionRate float64
	// Started and Killed count tasks.
	Started, Killed int
	// ChangesPerHour is how often per node-hour the master heard another
	// number, each of which rescinds the node's revocable offers.
	ChangesPerHour float64
	// RawChangesPerHour is the same without a governor, of the slack in
	// thousandths, as the agent would forward it.
	RawChangesPerHour float64
	// Offered is Σ offered/Σ allocated: savings after the governor.
	Offered float64
	// RawOffered is the same without a governor.
	RawOffered float64
	// LeastChangesPerHour is the fewest that any promise could have come by
	// that gives up no more than GivenUp of RawOffered, knowing the future; 0
	// when it was not asked for.
	LeastChangesPerHour float64
}

// GivenUp is the share of the savings that a governor may cost.
const GivenUp = 0.02

// loopTally runs and scores the closed loop of one estimator in one cell.
//
// At each step: tasks are killed, newest first, until regular demand and
// best-effort tasks fit into what is allocated to regular containers (a
// squeeze); tasks that ran their length complete; the new slack goes through
// the governor; tasks start while they fit into what is promised. A promise
// that shrinks kills nothing by itself.
type loopTally struct {
	opts     *LoopOptions
	resource string
	size     float64

	governor *estimator.Governor
	// ends are the ends of the running tasks, oldest first.
	ends            []time.Time
	gross           float64
	allocatedBefore float64
	heard           bool
	rawHeard        resources.Milli
	last            time.Time // of the step before

	steps, squeezes, started, killed, changes, rawChanges      int
	completed, lost, allocated, offered, rawOffered, nodeHours float64

	// targets are those of this node, when hindsight is wanted.
	targets   []float64
	hindsight hindsight
}

// loopSize is the size of a task: a core, or 1/32 of the node's memory.
func loopSize(resource string, cores float64) float64 {
	if resource == CPU {
		return 1
	}
	return max(cores, 1) * 4096 / 32
}

func (l *loopTally) begin(node string, cores float64) error {
	l.size = loopSize(l.resource, cores)
	l.ends, l.gross, l.heard = l.ends[:0], 0, false
	l.last, l.allocatedBefore = time.Time{}, 0
	l.governor = nil
	if l.opts.Governor == nil {
		return nil
	}
	cfg := l.opts.Governor(l.resource)
	cfg.Seed = seedOf(node)
	g, err := estimator.NewGovernor(cfg)
	l.governor = g
	return err
}

// seedOf is a node's own seed, from its name.
func seedOf(node string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node)) // it never fails
	return h.Sum64()
}

// end closes the account of one node.
func (l *loopTally) end() {
	if l.opts.Hindsight {
		l.hindsight.add(l.targets)
		l.targets = nil
	}
}

// step takes the demand and allocation at a step and the slack predicted from
// then on. Tasks run during the burn-in too, but are not scored.
func (l *loopTally) step(at time.Time, demand, allocated, slack float64, scored bool) {
	l.between(at, scored)
	squeezed := l.relieve(at, demand, max(allocated, l.allocatedBefore), scored)
	l.complete(at, scored)
	if scored {
		elapsed := 0.0
		if !l.last.IsZero() {
			elapsed = at.Sub(l.last).Hours()
		}
		l.steps++
		if squeezed {
			l.squeezes++
		}
		l.nodeHours += elapsed
		l.allocated += allocated * elapsed
		l.offered += min(l.gross, allocated) * elapsed
		l.rawOffered += min(l.rawHeard.Float(), allocated) * elapsed
		if l.opts.Hindsight {
			l.targets = append(l.targets, max(0, slack))
		}
	}
	l.promise(at, allocated, slack, scored)
	l.last, l.allocatedBefore = at, allocated
	for float64(len(l.ends)+1)*l.size <= l.gross+1e-9 {
		l.ends = append(l.ends, at.Add(l.opts.Length))
		if scored {
			l.started++
		}
	}
}

// relieve kills what does not fit.
func (l *loopTally) relieve(at time.Time, demand, allocated float64, scored bool) (squeezed bool) {
	for n := len(l.ends); n > 0 && demand+float64(n)*l.size > allocated+1e-9; n-- {
		ran := l.opts.Length - l.ends[n-1].Sub(at)
		l.ends = l.ends[:n-1]
		squeezed = true
		if scored {
			l.lost += l.size * ran.Hours()
			l.killed++
		}
	}
	return squeezed
}

func (l *loopTally) complete(at time.Time, scored bool) {
	done := 0
	for done < len(l.ends) && !l.ends[done].After(at) {
		done++
	}
	if scored {
		l.completed += float64(done) * l.size * l.opts.Length.Hours()
	}
	l.ends = append(l.ends[:0], l.ends[done:]...)
}

// promise takes the slack through the governor.
func (l *loopTally) promise(at time.Time, allocated, slack float64, scored bool) {
	target := resources.FloorMilli(max(0, slack))
	next := target
	if l.governor != nil {
		next, _, _ = l.governor.Next(estimator.Round{At: at, Target: target, RegularAllocated: resources.FloorMilli(allocated)})
	}
	if l.heard && scored {
		if next.Float() != l.gross {
			l.changes++
		}
		if target != l.rawHeard {
			l.rawChanges++
		}
	}
	l.gross, l.rawHeard, l.heard = next.Float(), target, true
}

// between asks the governor at each report of the agent between the step
// before and the one at time at: the slack is the same, but a governor raises
// in steps.
func (l *loopTally) between(at time.Time, scored bool) {
	if l.governor == nil || !l.heard || l.opts.Report <= 0 || l.last.IsZero() {
		return
	}
	for t := l.last.Add(l.opts.Report); t.Before(at); t = t.Add(l.opts.Report) {
		next, _, _ := l.governor.Next(estimator.Round{At: t, Target: l.rawHeard, RegularAllocated: resources.FloorMilli(l.allocatedBefore)})
		if next.Float() != l.gross && scored {
			l.changes++
		}
		l.gross = next.Float()
	}
}

func (l *loopTally) score() *LoopScore {
	least := 0.0
	if l.opts.Hindsight {
		least = ratio(float64(l.hindsight.changes(GivenUp)), l.nodeHours)
	}
	return &LoopScore{
		LeastChangesPerHour: least, RawOffered: ratio(l.rawOffered, l.allocated),
		Goodput:        ratio(l.completed, l.allocated),
		CompletedHours: l.completed, LostHours: l.lost,
		ContentionRate: ratio(float64(l.squeezes), float64(l.steps)),
		Started:        l.started, Killed: l.killed,
		ChangesPerHour:    ratio(float64(l.changes), l.nodeHours),
		RawChangesPerHour: ratio(float64(l.rawChanges), l.nodeHours),
		Offered:           ratio(l.offered, l.allocated),
	}
}
