package replay

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
)

// FleetRequest says what fleet is simulated. Each node plays a stretch of a node
// of the traces, drawn at random with replacement, that begins at a random step,
// under the daemon's own Brain.
type FleetRequest struct {
	Traces []string
	// Nodes is the size of the fleet, Seed what it is drawn with.
	Nodes int
	Seed  uint64
	// WarmUp is not counted; Span is.
	WarmUp, Span time.Duration
	// Tick is the interval of the daemons and of the agents' reports.
	Tick time.Duration
	// Length is that of best-effort tasks of one core, Load what they would need
	// as a share of what is allocated to regular containers.
	Length time.Duration
	Load   float64
	// Failover and Rise are when the master fails over and when the demand of all
	// regular containers begins to be half as much again for ten minutes, after the
	// warm-up; negative: never.
	Failover, Rise time.Duration
	Policy         *policy.Policy
	Governor       func(resource string) estimator.GovernorConfig
	Estimator      string
	Progress       Progress
	// Without: no daemon runs, for comparison.
	Without bool

	// pools are the nodes of the traces once they were read.
	pools [][]*played
}

// riseFor and riseBy describe the rise.
const (
	riseFor = 10 * time.Minute
	riseBy  = 1.5
)

// bestEffort is a framework that launches tasks of one core, and again those that
// were preempted. It asks for offers only while some task waits.
type bestEffort struct {
	framework
	// Of each kind, for revocable and for regular cores: since when tasks wait, how
	// many come in a second, the part of one that is due, and how long those that were
	// launched had waited, in seconds.
	waiting [2][]int
	rate    [2]float64
	due     [2]float64
	waits   [2][]float64
}

// fleetNode is one node, its agent and its daemon.
type fleetNode struct {
	agent
	played *played
	at     int // step that is played
	since  time.Duration
	loop   *wholeNode // nil without a daemon
	score  WholeScore
	phase  int
	regular,
	mem resources.Milli
	owners map[string]*bestEffort
	ends   []regularTask
	heard  resources.Milli
	back   int // registers again then
	killed int
}

// regularTask is a best-effort task on regular resources.
type regularTask struct {
	of  *bestEffort
	end int
}

// fleet is a simulation.
type fleet struct {
	req    *FleetRequest
	rng    *rand.Rand
	nodes  []*fleetNode
	master *master
	prod   [2]*role
	batch  []*bestEffort
	report FleetReport
}

// SimulateFleet runs a fleet.
func SimulateFleet(ctx context.Context, req *FleetRequest) (*FleetReport, error) {
	switch {
	case req.Nodes < 1 || req.Span <= 0 || req.WarmUp < 0 || req.Tick < time.Second || req.Tick%time.Second != 0 || req.Length <= 0:
		return nil, fmt.Errorf("%w: %d nodes for %s after %s, ticks of %s (whole seconds), tasks of %s", ErrOptions, req.Nodes, req.Span, req.WarmUp, req.Tick, req.Length)
	case len(req.Traces) == 0:
		return nil, fmt.Errorf("%w: no trace", ErrOptions)
	}
	e, err := ParseEstimator(req.Estimator)
	if err != nil {
		return nil, err
	}
	for _, path := range req.Traces[len(req.pools):] { // read once for all sizes
		pool, err := loadPlayed(ctx, path, req.Progress)
		if err != nil {
			return nil, err
		}
		req.pools = append(req.pools, pool)
	}
	f := newFleet(req)
	for i := range req.Nodes {
		if err := f.join(i, e); err != nil {
			return nil, err
		}
	}
	return f.run(ctx)
}

// newFleet makes the frameworks: two that run the regular containers, one of them
// with the capability, which looks at each offer for a while and has nothing to
// launch; and two of best-effort tasks, one of them with twice the weight and a
// guarantee of a hundredth of the fleet.
func newFleet(req *FleetRequest) *fleet {
	f := &fleet{req: req, rng: rand.New(rand.NewPCG(req.Seed, 0))} //nolint:gosec // a simulation
	prod, batch := &role{name: "prod", weight: 3}, &role{name: "batch", weight: 1}
	f.prod = [2]*role{{name: "prod/web", weight: 1, parent: prod}, {name: "prod/service", weight: 1, parent: prod}}
	frameworks := []*framework{
		{role: f.prod[0], hold: 5, refuse: 60},
		{role: f.prod[1], hold: 5, refuse: 60, revocable: true},
	}
	for i, name := range []string{"batch/low", "batch/high"} {
		b := &bestEffort{}
		b.framework = framework{role: &role{name: name, weight: float64(1 + i), parent: batch}, revocable: true, refuse: refuseSeconds}
		b.wants, b.idle = f.launches(b), func() bool { return len(b.waiting[0])+len(b.waiting[1]) == 0 }
		f.batch = append(f.batch, b)
		frameworks = append(frameworks, &b.framework)
	}
	f.master = newMaster(frameworks, req.Seed)
	return f
}

// join draws a node.
func (f *fleet) join(i int, e Estimator) error {
	pool := f.req.pools[f.rng.IntN(len(f.req.pools))] // each trace as often
	n := &fleetNode{played: pool[f.rng.IntN(len(pool))], owners: map[string]*bestEffort{}}
	n.at = f.rng.IntN(len(n.played.steps))
	n.since = time.Duration(f.rng.Int64N(int64(n.played.interval/time.Second))) * time.Second
	n.phase = f.rng.IntN(int(f.req.Tick / time.Second))
	n.total = bundle{cpus: resources.FloorMilli(n.played.cores), mem: resources.FloorMilli(n.played.cores * memPerCore)}
	if !f.req.Without {
		governor := func(resource string) estimator.GovernorConfig {
			g := f.req.Governor(resource)
			g.Seed = estimator.SeedOf("node-" + strconv.Itoa(i))
			return g
		}
		o := &WholeOptions{Policy: f.req.Policy, Tick: f.req.Tick, Length: f.req.Length, Governor: governor}
		cfg := predict.Config{Horizon: 5 * time.Minute, TargetViolation: 0.01}
		loop, err := newWholeNode(n.played.cores, e, cfg, o, &n.score)
		if err != nil {
			return err
		}
		n.loop = loop
	}
	f.nodes = append(f.nodes, n)
	f.master.add(&n.agent)
	f.enter(n, 0)
	return nil
}

// launches is what a best-effort framework does with an offer: as many tasks as
// fit, revocable ones on revocable cores.
func (f *fleet) launches(b *bestEffort) func(*agent, bundle) bundle {
	return func(a *agent, o bundle) (launched bundle) {
		n := f.nodes[a.index]
		for kind := range b.waiting {
			free := o.revocable
			if kind == 1 {
				free = o.cpus - launched.cpus
			}
			for free >= resources.Unit && o.mem-launched.mem >= memOf/2*resources.Unit && len(b.waiting[kind]) > 0 {
				since := b.waiting[kind][0]
				b.waiting[kind] = b.waiting[kind][1:]
				if f.counting() {
					b.waits[kind] = append(b.waits[kind], float64(f.master.now-since))
				}
				free -= resources.Unit
				launched.mem += memOf / 2 * resources.Unit
				if kind == 1 {
					launched.cpus += resources.Unit
					n.ends = append(n.ends, regularTask{b, f.master.now + int(f.req.Length/time.Second)})
					continue
				}
				launched.revocable += resources.Unit
				id := n.loop.launch(timeOf(int64(f.master.now)))
				n.owners[id] = b
			}
		}
		return launched
	}
}

// ended takes back what a revocable task had; one that was killed waits again.
func (f *fleet) ended(n *fleetNode, id string, killed bool) {
	b := n.owners[id]
	delete(n.owners, id)
	f.master.release(&n.agent, b.role, bundle{revocable: resources.Unit, mem: memOf / 2 * resources.Unit})
	if killed {
		n.killed++
		b.waiting[0] = append([]int{f.master.now}, b.waiting[0]...)
		f.master.revive(&b.framework)
	}
}

// counting: the warm-up is over.
func (f *fleet) counting() bool {
	return time.Duration(f.master.now)*time.Second >= f.req.WarmUp
}

// run plays second after second. The daemons of one second are independent and
// run on all processors; what they say reaches the master in the nodes' order.
func (f *fleet) run(ctx context.Context) (*FleetReport, error) {
	f.arrivals()
	seconds := int((f.req.WarmUp + f.req.Span) / time.Second)
	tick := int(f.req.Tick / time.Second)
	byPhase := make([][]*fleetNode, tick)
	for _, n := range f.nodes {
		byPhase[n.phase] = append(byPhase[n.phase], n)
	}
	for now := range seconds {
		if ctx.Err() != nil {
			f.report.CutShort = true
			break
		}
		f.master.now, f.master.counts = now, masterCounts{}
		if time.Duration(now)*time.Second == f.req.WarmUp+f.req.Failover && f.req.Failover >= 0 {
			f.master.failover()
			for _, n := range f.nodes {
				n.back = now + 1 + f.rng.IntN(10) // agents register again within ten seconds
			}
		}
		f.second(byPhase[now%tick], now)
		if f.req.Progress != nil && now%60 == 59 {
			f.req.Progress("simulating", int64(now+1), int64(seconds))
		}
	}
	f.finish()
	return &f.report, nil
}

func (f *fleet) second(due []*fleetNode, now int) {
	f.arrive()
	for _, n := range f.nodes {
		if n.back == now && now > 0 {
			n.registered = true
			f.master.update(&n.agent, n.heard) // sent again, though unchanged
		}
	}
	for _, n := range due {
		f.advance(n, now)
	}
	if !f.req.Without {
		f.think(due, now)
	}
	f.master.second(now)
	f.count(now)
}

// think runs the daemons that are due.
func (f *fleet) think(due []*fleetNode, now int) {
	// Ends are told to the master afterwards, in order: it is not for many threads.
	type end struct {
		id     string
		killed bool
	}
	ends := make([][]end, len(due))
	var wait sync.WaitGroup
	threads := runtime.GOMAXPROCS(0)
	for k := range threads {
		wait.Go(func() {
			for i := k; i < len(due); i += threads {
				due[i].loop.ended = func(id string, killed bool) { ends[i] = append(ends[i], end{id, killed}) }
				due[i].loop.tick(timeOf(int64(now)))
			}
		})
	}
	wait.Wait()
	for i, n := range due {
		for _, e := range ends[i] {
			f.ended(n, e.id, e.killed)
		}
		if n.loop.heard != n.heard {
			n.heard = n.loop.heard
			if n.registered {
				f.master.update(&n.agent, n.heard)
			}
		}
	}
}

// arrivals sets how often tasks come: Load of what is allocated, nine of ten for
// revocable resources, one for regular ones.
func (f *fleet) arrivals() {
	allocated := 0.0
	for _, n := range f.nodes {
		allocated += n.regular.Float()
	}
	for _, b := range f.batch {
		perSecond := f.req.Load * allocated / f.req.Length.Seconds() / float64(len(f.batch))
		b.rate = [2]float64{0.9 * perSecond, 0.1 * perSecond}
		if f.req.Without {
			b.rate[0] = 0
		}
	}
	for _, b := range f.batch[1:] {
		b.role.guarantee = resources.FloorMilli(0.01 * f.master.total.cpus.Float())
	}
}

// arrive queues the tasks of one second. A framework that had none waiting asks
// for offers again.
func (f *fleet) arrive() {
	for _, b := range f.batch {
		was := b.idle()
		for kind := range b.rate {
			b.due[kind] += -math.Log(1-f.rng.Float64()) * b.rate[kind]
			for ; b.due[kind] >= 1; b.due[kind]-- {
				b.waiting[kind] = append(b.waiting[kind], f.master.now)
			}
		}
		if was && !b.idle() {
			f.master.revive(&b.framework)
		}
	}
}
