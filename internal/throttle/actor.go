package throttle

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
)

// defaultBoostFor: boosted, 100 processes are gone within 20 ms. What is still
// there after so much more was not killed, and must not have ten times the
// weight of a regular container.
const defaultBoostFor = 10 * time.Second

// Config is what an Actor is made of.
type Config struct {
	// Layout and MesosRoot say where containers are, as they do for a Tree.
	Layout    cgroup.Layout
	MesosRoot string
	// ProcRoot is where /proc is; the boot id is read there.
	ProcRoot string
	// Journal is the file that says what is applied, for a start after a crash.
	// Without one (nil) nothing is throttled or frozen: only a dying container is
	// boosted.
	Journal *statefile.File
	// BoostFor is how long a container may take to die; 10 s if 0.
	BoostFor time.Duration
	// Log is told of journals; nil discards that.
	Log *slog.Logger
}

// Actor keeps cgroups as they are wanted. It is safe for concurrent use.
type Actor struct {
	cfg   Config
	log   *slog.Logger
	specs [numKinds]spec
	// root is the directory in which containers have the inodes of their keys.
	root, bootID string

	mu sync.Mutex
	// closed: nothing is applied any more.
	closed bool
	known  map[snapshot.Key]*container
	sorted []*container
	roots  roots
	// stale: the journal does not say what is applied. journalErr is the last error
	// of writing it, nil when that went well.
	stale      bool
	journalErr error
	counters   Counters
	// now is the time of the call.
	now time.Time
	// step is called before each change on disk, by tests that end the process
	// there.
	step func()
}

// container is one container for as long as there is something to do about it.
type container struct {
	snapshot.Key
	want  want
	files [numKinds]file
	done  [numKinds]Setting
	todo  [numKinds]decision
	// seen is what the file had in it when it was decided about.
	seen [numKinds]string
	// listed: the last Apply had it among the dying.
	listed bool
	// boosted is when it was said to die, zero if it was not.
	boosted time.Time
	// handedOver, unless "", says why its freezer is not written any more.
	handedOver reason.Code
	// gone is Vanished or Recreated, "" while it is there.
	gone reason.Code
}

// New makes an Actor, and undoes at once all that the journal of an earlier
// process names. It never fails: a journal that cannot be read is moved aside
// and said to the log.
func New(cfg Config) *Actor {
	a := newActor(cfg)
	a.recover()
	return a
}

// newActor makes one that has not looked at the journal.
func newActor(cfg Config) *Actor {
	a := &Actor{cfg: cfg, log: cfg.Log, known: make(map[snapshot.Key]*container), step: func() {}}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.cfg.BoostFor <= 0 {
		a.cfg.BoostFor = defaultBoostFor
	}
	a.specs, a.root = specsOf(cfg.Layout, cfg.MesosRoot)
	a.bootID = bootID(cfg.ProcRoot)
	if cfg.Journal != nil {
		a.journalErr = cfg.Journal.Why()
		a.stale = a.journalErr != nil
	}
	return a
}

// recover undoes what the journal names.
func (a *Actor) recover() {
	entries, err := a.load()
	if err == nil {
		err = a.adopt(entries)
	}
	if err != nil {
		clear(a.known)
		a.sorted = nil
		aside, moveErr := a.cfg.Journal.SetAside()
		a.log.Error("The journal of throttles cannot be read: containers that an earlier run throttled may stay so.",
			"error", err, "moved_to", aside, "move_error", moveErr)
		if moveErr != nil {
			a.journalErr, a.stale = err, true
		}
		return
	}
	if len(entries) == 0 {
		return
	}
	a.run(time.Time{})
	a.forget()
	a.log.Warn("An earlier run did not end in order; what it had throttled was undone.",
		"files", len(entries), "restored", a.counters.Restored, "left", len(a.entries()))
}

// Apply brings every container to what actions want of it, and those in dying
// to what lets them end: to be called at each tick, since agents rewrite what
// is set here. What an earlier call applied and this one does not want is undone.
func (a *Actor) Apply(now time.Time, actions qos.Actions, dying []qos.Victim) Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.sorted {
		c.want, c.listed = want{}, false
	}
	if !a.closed {
		a.collect(now, actions, dying)
	}
	for _, c := range a.sorted {
		a.settleBoost(c, now)
	}
	a.run(now)
	r := a.report(now)
	a.forget()
	return r
}

// collect gathers what is wanted of each container.
func (a *Actor) collect(now time.Time, actions qos.Actions, dying []qos.Victim) {
	for _, t := range actions.Throttles {
		c := a.container(t.Victim)
		if c == nil {
			continue
		}
		w := &c.want
		// Named twice, the stricter holds.
		if t.Cores > 0 && (w.cores == 0 || t.Cores < w.cores) {
			w.cores = t.Cores
		}
		if t.MemoryHighBytes > 0 && (w.memory == 0 || t.MemoryHighBytes < w.memory) {
			w.memory = t.MemoryHighBytes
		}
		w.low = w.low || t.LowWeight
	}
	for _, v := range actions.Freezes {
		if c := a.container(v); c != nil {
			c.want.frozen = true
		}
	}
	for _, v := range dying {
		if c := a.container(v); c != nil {
			c.listed = true
			if c.boosted.IsZero() {
				c.boosted = now
			}
		}
	}
}

// settleBoost decides whether c is boosted: from when it was said to die until
// the boost expires, even if the caller of Apply does not know yet.
func (a *Actor) settleBoost(c *container, now time.Time) {
	switch {
	case c.boosted.IsZero():
	case now.Sub(c.boosted) < a.cfg.BoostFor:
		c.want.dying, c.handedOver = true, HandedOver
	case !c.listed:
		c.boosted = time.Time{}
	}
}

// expired: it was said to die, still is, and has had its time.
func (c *container) expired() bool { return c.listed && !c.want.dying }

// Boost lets a container die: to be called right after its KILL was handed
// over, without waiting for the next Apply.
func (a *Actor) Boost(now time.Time, v qos.Victim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.container(v)
	if c == nil || a.closed {
		return
	}
	c.boosted, c.handedOver = now, HandedOver
	c.want = want{dying: true}
	a.runOn(now, []*container{c})
}

// Close undoes everything; the Actor does nothing more. Its error, of class
// ErrLeft, names each file that could not be restored: those stay in the
// journal, and Close may be called again.
func (a *Actor) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, c := range a.sorted {
		c.want, c.boosted, c.listed = want{}, time.Time{}, false
	}
	a.run(time.Time{})
	a.forget()
	return a.leftovers()
}

// container is that of v, nil when v names none.
func (a *Actor) container(v qos.Victim) *container {
	if !v.Valid() || !isName(v.Key().ID) {
		return nil
	}
	return a.byKey(v.Key())
}

func (a *Actor) byKey(key snapshot.Key) *container {
	if c := a.known[key]; c != nil {
		return c
	}
	c := &container{Key: key}
	a.known[key] = c
	at, _ := slices.BinarySearchFunc(a.sorted, c, compareContainers)
	a.sorted = slices.Insert(a.sorted, at, c)
	return c
}

func compareContainers(a, b *container) int {
	return a.Compare(b.Key)
}

// isName reports whether id can be the name of a directory. A Mesos container
// id holds no slash and no dot (src/slave/validation.cpp).
func isName(id string) bool {
	return id != "" && len(id) <= 255 && !strings.ContainsAny(id, "/.\x00")
}

// idle reports whether there is nothing left to know about c.
func (c *container) idle() bool {
	for k := range c.files {
		if c.files[k].applied {
			return false
		}
	}
	// That its freezer is the agent's has to be known for as long as it lives.
	return c.gone != "" || c.want == want{} && c.boosted.IsZero() && c.handedOver == ""
}
