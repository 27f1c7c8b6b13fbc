package recording

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// equal compares snapshots as the format promises: an empty list and none are
// the same, and numbers are compared by their bits.
var equal = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
}

// clone copies what the next tick may overwrite.
func clone(s *snapshot.Snapshot) *snapshot.Snapshot {
	c := *s
	c.Containers = slices.Clone(s.Containers)
	return &c
}

func drawTime(t *rapid.T, about time.Time, name string) time.Time {
	if s := about.Unix(); s > 9e9 || s < -9e9 {
		about = time.Unix(1_700_000_000, 0)
	}
	switch rapid.IntRange(0, 9).Draw(t, name+"Kind") {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(0, rapid.Int64Range(-9e18, 9e18).Draw(t, name))
	default:
		return about.Add(time.Duration(rapid.Int64Range(-3e9, 3e9).Draw(t, name)))
	}
}

func drawWhy(t *rapid.T) snapshot.Absence {
	if rapid.Bool().Draw(t, "present") {
		return snapshot.Present
	}
	return snapshot.Absence(rapid.IntRange(0, snapshot.NumAbsences-1).Draw(t, "why"))
}

func drawCount(t *rapid.T) snapshot.Count {
	return snapshot.Count{N: rapid.Uint64().Draw(t, "n"), Why: drawWhy(t)}
}

func drawValue(t *rapid.T) snapshot.Value {
	return snapshot.Value{V: rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(1)), rapid.Just(0.0)).Draw(t, "v"), Why: drawWhy(t)}
}

func drawContention(t *rapid.T, at time.Time) snapshot.Contention {
	return snapshot.Contention{
		At:        drawTime(t, at, "polledAt"),
		State:     snapshot.ContentionState(rapid.IntRange(0, snapshot.NumContentionStates-1).Draw(t, "state")),
		Why:       snapshot.ContentionWhy(rapid.IntRange(0, snapshot.NumContentionWhys-1).Draw(t, "contentionWhy")),
		Container: rapid.SampledFrom(words).Draw(t, "contended"), Degree: drawValue(t).V, Since: drawTime(t, at, "since"),
		Regular: rapid.Int().Draw(t, "regular"), Watched: rapid.Int().Draw(t, "watched"), Judged: rapid.Int().Draw(t, "judged"),
		Every: rapid.Int().Draw(t, "every"), Wake: rapid.Bool().Draw(t, "wake"),
	}
}

func drawPressure(t *rapid.T) snapshot.Pressure {
	return snapshot.Pressure{
		CPUSome: drawValue(t), MemorySome: drawValue(t), MemoryFull: drawValue(t),
		IOSome: drawValue(t), IOFull: drawValue(t), CPUSomeMicros: drawCount(t),
	}
}

var words = []string{"", "a", "framework-1", "role/sub", "ünïcode\x00\n", "no UTF-8 \xff\xfe", "0a6e8b3c-2d1f-4a55-9c3e-000000000001"}

func drawQuantities(t *rapid.T) (q resources.Quantities) {
	for range rapid.IntRange(0, 2).Draw(t, "quantities") {
		q.Set(rapid.SampledFrom([]string{"cpus", "mem", "disk"}).Draw(t, "name"), resources.Milli(rapid.Int64().Draw(t, "amount")))
	}
	return q
}

func drawLabels(t *rapid.T) (l []snapshot.Label) {
	for range rapid.IntRange(0, 2).Draw(t, "labels") {
		l = append(l, snapshot.Label{Key: rapid.SampledFrom(words).Draw(t, "key"), Value: rapid.String().Draw(t, "value")})
	}
	return l
}

func drawExecutor(t *rapid.T) snapshot.Executor {
	word := func(name string) string { return rapid.SampledFrom(words).Draw(t, name) }
	e := snapshot.Executor{
		ContainerID: word("container"), FrameworkID: word("framework"), ExecutorID: word("executor"), Name: word("name"),
		Source: word("source"), Role: word("role"), Labels: drawLabels(t), Regular: drawQuantities(t),
		Revocable: drawQuantities(t), Own: drawQuantities(t), Class: snapshot.Class(rapid.IntRange(0, 3).Draw(t, "class")),
		HasStatistics: rapid.Bool().Draw(t, "statistics"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "tasks") {
		e.Tasks = append(e.Tasks, snapshot.Task{
			ID: word("task"), Name: word("taskName"), Regular: drawQuantities(t), Revocable: drawQuantities(t), Labels: drawLabels(t),
		})
	}
	return e
}

// drawUsage draws a report that shares some executors with the one before.
func drawUsage(t *rapid.T, before *snapshot.Usage, at time.Time) *snapshot.Usage {
	u := &snapshot.Usage{
		At: drawTime(t, at, "usageAt"), Agent: rapid.SampledFrom(words).Draw(t, "agent"), Total: drawQuantities(t),
		Dropped: rapid.Int().Draw(t, "dropped"), DroppedRevocable: drawQuantities(t),
	}
	for range rapid.IntRange(0, 2).Draw(t, "reservations") {
		u.Reservations = append(u.Reservations, snapshot.Reservation{
			Role: rapid.SampledFrom(words).Draw(t, "role"), Reserved: drawQuantities(t), Allocated: drawQuantities(t), Disks: drawQuantities(t),
		})
	}
	if before != nil {
		for i := range before.Executors {
			if rapid.IntRange(0, 3).Draw(t, "keep") > 0 {
				u.Executors = append(u.Executors, before.Executors[i])
			}
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "newExecutors") {
		at := rapid.IntRange(0, len(u.Executors)).Draw(t, "where")
		u.Executors = slices.Insert(u.Executors, at, drawExecutor(t))
	}
	return u
}

func drawReadings(t *rapid.T, c *snapshot.Container, at time.Time) {
	c.At = drawTime(t, at, "at")
	if rapid.Bool().Draw(t, "steady") {
		// As on a real node: the counters rise, and what follows from them does.
		c.CPU.Cores = snapshot.ValueOf(float64(12345) / float64(1e9))
		c.CPU.UsageNanos = snapshot.CountOf(c.CPU.UsageNanos.N + 12345)
		c.Memory.UnreclaimableBytes = c.Memory.UsageBytes
		return
	}
	c.CPU = snapshot.CPU{
		UsageNanos: drawCount(t), Cores: drawValue(t), ThrottledNanos: drawCount(t),
		QuotaCores: drawValue(t), RunDelay: drawValue(t),
	}
	c.Memory = snapshot.Memory{
		UsageBytes: drawCount(t), AnonBytes: drawCount(t), ReclaimableBytes: drawCount(t),
		UnreclaimableBytes: drawCount(t), StatAt: drawTime(t, at, "statAt"),
	}
	c.Pids, c.Pressure = drawCount(t), drawPressure(t)
}

// drawNext draws the tick after s: containers come, go, change place and who
// they belong to.
func drawNext(t *rapid.T, s *snapshot.Snapshot) *snapshot.Snapshot {
	n := clone(s)
	n.Seq += rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64()).Draw(t, "seq")
	n.At = drawTime(t, s.At.Add(time.Second), "tick")
	n.TreeWhy = drawWhy(t)
	n.Host.At = drawTime(t, n.At, "host")
	if rapid.Bool().Draw(t, "hostMoves") {
		n.Host = snapshot.Host{
			At: n.Host.At, CPUs: drawCount(t), UsableCPUs: drawValue(t),
			CapacityFrom: snapshot.CapacityFrom(rapid.IntRange(0, 3).Draw(t, "from")), BusyCores: drawValue(t), Load1: drawValue(t), Load5: drawValue(t),
			Load15: drawValue(t), MemTotalBytes: drawCount(t), MemAvailableBytes: drawCount(t), Pressure: drawPressure(t),
			UsableMemBytes: drawCount(t), UsableMemAvailableBytes: drawCount(t), UsableMemUsedBytes: drawCount(t),
			MemoryFrom: snapshot.MemoryFrom(rapid.IntRange(0, snapshot.NumMemoryFroms-1).Draw(t, "memoryFrom")),
		}
	}
	if rapid.Bool().Draw(t, "looked") {
		n.Contention = drawContention(t, n.At)
	}
	switch rapid.IntRange(0, 5).Draw(t, "usage") {
	case 0:
		n.Usage = nil
	case 1:
		if n.Usage != nil { // the same again
			u := *n.Usage
			u.At, u.Executors = drawTime(t, n.At, "usageAt"), slices.Clone(u.Executors)
			n.Usage = &u
		}
	case 2, 3:
		n.Usage = drawUsage(t, s.Usage, n.At)
	}
	n.Containers = slices.DeleteFunc(n.Containers, func(snapshot.Container) bool { return rapid.IntRange(0, 6).Draw(t, "goes") == 0 })
	for range rapid.IntRange(0, 3).Draw(t, "come") {
		c := snapshot.Container{
			Key:    snapshot.Key{ID: fmt.Sprint("c", rapid.IntRange(0, 9).Draw(t, "id")), Inode: rapid.Uint64().Draw(t, "inode")},
			Parent: rapid.SampledFrom(words).Draw(t, "parent"), OnDisk: rapid.Bool().Draw(t, "onDisk"),
			FirstSeen: drawTime(t, n.At, "firstSeen"),
		}
		n.Containers = slices.Insert(n.Containers, rapid.IntRange(0, len(n.Containers)).Draw(t, "where"), c)
	}
	for i := range n.Containers {
		c := &n.Containers[i]
		if rapid.Bool().Draw(t, "moves") {
			drawReadings(t, c, n.At)
		}
		drawOwner(t, c, n.Usage)
	}
	return n
}

// drawOwner draws an executor of the report, or none.
func drawOwner(t *rapid.T, c *snapshot.Container, now *snapshot.Usage) {
	c.Executor = nil
	if now != nil && len(now.Executors) > 0 && rapid.IntRange(0, 5).Draw(t, "owned") > 0 {
		c.Executor = &now.Executors[rapid.IntRange(0, len(now.Executors)-1).Draw(t, "executor")]
	}
}

func drawHistory(t *rapid.T, ticks int) []*snapshot.Snapshot {
	s := &snapshot.Snapshot{At: time.Unix(1_700_000_000, 0)}
	history := make([]*snapshot.Snapshot, ticks)
	for i := range history {
		s = drawNext(t, s)
		history[i] = s
	}
	return history
}

// node is a node as it really looks, for sizes and benchmarks: busy and idle
// containers, read one after the other, a tick every second that is never
// quite on time.
type node struct {
	snapshot.Snapshot
	random uint64
	mono   []int64
	now    int64
	load   []float64
}

func newNode(containers int) *node {
	n := &node{random: 42}
	at := time.Unix(1_700_000_000, 0)
	n.At, n.TreeWhy = at, snapshot.Present
	n.Usage = &snapshot.Usage{At: at, Agent: "agent-1", Total: resources.Quantities{{Name: "cpus", Amount: 64000}, {Name: "mem", Amount: 256000000}}}
	for i := range containers {
		id := fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i)
		n.Usage.Executors = append(n.Usage.Executors, snapshot.Executor{
			ContainerID: id, FrameworkID: fmt.Sprintf("c7a1-framework-%04d", i%5), ExecutorID: "executor-" + id, Name: "Command Executor",
			Source: "task-" + id, Role: "web", HasStatistics: true, Class: snapshot.ClassRegular,
			Regular: resources.Quantities{{Name: "cpus", Amount: 1100}, {Name: "mem", Amount: 1056000}},
			Tasks:   []snapshot.Task{{ID: "task-" + id, Name: "web", Regular: resources.Quantities{{Name: "cpus", Amount: 1000}, {Name: "mem", Amount: 1024000}}}},
		})
		n.Containers = append(n.Containers, snapshot.Container{Key: snapshot.Key{ID: id, Inode: uint64(1000 + i)}, OnDisk: true, FirstSeen: at})
	}
	n.mono = make([]int64, containers)
	n.load = make([]float64, containers)
	for i := range n.load {
		// One in four idle, the others between a little and a whole core.
		if i%4 > 0 {
			n.load[i] = math.Pow(n.unit(), 3)
		}
	}
	n.attach()
	return n
}

func (n *node) attach() {
	for i := range n.Containers {
		n.Containers[i].Executor = &n.Usage.Executors[i]
	}
}

// unit is a number from 0 to 1, the same in each run (splitmix64).
func (n *node) unit() float64 {
	n.random += 0x9e3779b97f4a7c15
	z := n.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

func (n *node) tick() *snapshot.Snapshot {
	n.Seq++
	step := int64(1e9 + 2e5*(n.unit()-.5))
	n.now += step
	n.At = n.At.Add(time.Duration(step))
	if n.Seq%15 == 0 {
		u := *n.Usage
		u.At = n.At.Add(-300 * time.Millisecond)
		u.Executors = slices.Clone(u.Executors)
		n.Usage = &u
		n.attach()
	}
	h := &n.Host
	h.At = n.At
	h.CPUs, h.MemTotalBytes = snapshot.CountOf(64), snapshot.CountOf(256<<30)
	h.BusyCores = snapshot.ValueOf(math.Round(3000*n.unit()) / 100 / (float64(step) / 1e9))
	if n.Seq%5 == 0 {
		h.Load1, h.Load5, h.Load15 = snapshot.ValueOf(n.unit()*9), snapshot.ValueOf(n.unit()*9), snapshot.ValueOf(n.unit()*9)
	}
	h.MemAvailableBytes = snapshot.CountOf(100<<30 + uint64(n.unit()*1e6)<<12)
	h.Pressure.CPUSomeMicros = snapshot.CountOf(h.Pressure.CPUSomeMicros.N + uint64(5e4*n.unit()))
	h.Pressure.CPUSome = snapshot.ValueOf(n.unit() * .05)
	offset := int64(50_000)
	for i := range n.Containers {
		c := &n.Containers[i]
		offset += 6000 + int64(n.unit()*n.unit()*6000)
		c.At = n.At.Add(time.Duration(offset))
		mono := n.now + offset
		used := uint64(float64(mono-n.mono[i]) * n.load[i] * (.5 + n.unit()))
		c.CPU.Cores = snapshot.Value{Why: snapshot.FirstSample}
		if n.Seq > 1 {
			c.CPU.Cores = snapshot.ValueOf(float64(used) / float64(mono-n.mono[i]))
		}
		n.mono[i] = mono
		c.CPU.UsageNanos = snapshot.CountOf(c.CPU.UsageNanos.N + used)
		c.CPU.ThrottledNanos.Why = snapshot.NoQuota
		if used > 0 && n.unit() < .3 {
			c.Memory.UsageBytes = snapshot.CountOf(300<<20 + uint64(n.unit()*2000)<<12)
		}
		if (int(n.Seq)+i)%10 == 0 {
			c.Memory.AnonBytes, c.Memory.ReclaimableBytes = snapshot.CountOf(200<<20+uint64(n.unit()*500)<<12), snapshot.CountOf(50<<20)
			c.Memory.StatAt = c.At.Add(time.Duration(20_000 + 3000*n.unit()))
		}
		c.Memory.UnreclaimableBytes = snapshot.Count{Why: snapshot.NotRead}
		if c.Memory.UsageBytes.OK() && c.Memory.ReclaimableBytes.OK() {
			c.Memory.UnreclaimableBytes = snapshot.CountOf(c.Memory.UsageBytes.N - c.Memory.ReclaimableBytes.N)
		}
		c.Pids = snapshot.CountOf(4)
		p := &c.Pressure
		p.CPUSomeMicros.Why = snapshot.NoFile
		for _, absent := range []*snapshot.Value{&p.CPUSome, &p.MemorySome, &p.MemoryFull, &p.IOSome, &p.IOFull} {
			absent.Why = snapshot.NoFile
		}
	}
	return &n.Snapshot
}

func diff(t testing.TB, got, want *snapshot.Snapshot) {
	t.Helper()
	if reflect.DeepEqual(want, got) { // the same much faster, nearly always
		return
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Fatalf("tick %d (-recorded +read):\n%s", want.Seq, d)
	}
}
