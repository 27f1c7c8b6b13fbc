package log

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// manyContainers is a node of n containers, half of them revocable, that use busy of
// its n CPUs together, with a policy of ten rules.
type manyContainers struct {
	n         int
	busy      float64
	policy    *policy.Policy
	estimator estimator.Estimator
	maker     decision.Maker
	state     qos.State
	usage     *snapshot.Usage
	all       []snapshot.Container
	at        time.Time
	seq       uint64
	rand      *rand.Rand
}

func newMany(tb testing.TB, n int, busy float64) *manyContainers {
	tb.Helper()
	c := &manyContainers{n: n, busy: busy, at: t0, rand: rand.New(rand.NewPCG(1, 2)), usage: &snapshot.Usage{Agent: "agent"}}
	p := policy.DefaultPolicy()
	for i := range 10 {
		r := signal.Of(signal.NodeCPU).Rule()
		r.Name, r.Above, r.Clear, r.For = fmt.Sprint("rule-", i), 0.9, 0.85, 3*time.Second
		r.Action = []policy.Rung{policy.StopOffering, policy.Throttle, policy.Kill}[i%3]
		p.Rules = append(p.Rules, r)
	}
	if err := p.Validate(signal.Specs()); err != nil {
		tb.Fatal(err)
	}
	c.policy = &p
	var err error
	if c.estimator, err = estimator.NewUsage(estimator.DefaultUsage()); err != nil {
		tb.Fatal(err)
	}
	c.usage.Executors = make([]snapshot.Executor, n)
	for i := range n {
		id := fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", c.rand.Uint32(), i, i, i, c.rand.Uint64()>>16)
		x := &c.usage.Executors[i]
		*x = snapshot.Executor{ContainerID: id, FrameworkID: "0e3f0a4c-56c2-4d5e-8a43-1fd9b2c3d4e5-0000", ExecutorID: "task." + id, Tasks: make([]snapshot.Task, 1)}
		if i%2 == 0 {
			x.Regular.Set(resources.CPUs, 1500)
		} else {
			x.Revocable.Set(resources.CPUs, 500)
		}
		x.Tasks[0] = snapshot.Task{ID: x.ExecutorID, Regular: x.Regular, Revocable: x.Revocable}
		x.Class = x.Classify()
		c.all = append(c.all, snapshot.Container{Key: snapshot.Key{ID: id, Inode: uint64(1000 + i)}, OnDisk: true, Executor: x, FirstSeen: t0.Add(-time.Hour)})
	}
	return c
}

// tick is the next record; the kills of the one before are done at once.
func (c *manyContainers) tick() *decision.Record {
	c.seq++
	c.at = c.at.Add(time.Second + time.Duration(c.rand.IntN(100_000)))
	if c.seq%15 == 1 {
		c.usage = &snapshot.Usage{At: c.at, Agent: c.usage.Agent, Executors: c.usage.Executors}
	}
	s := &snapshot.Snapshot{Seq: c.seq, At: c.at, Usage: c.usage, Containers: c.all, TreeWhy: snapshot.Present}
	for i := range c.all {
		c.all[i].At = c.at
		c.all[i].CPU = snapshot.CPU{UsageNanos: snapshot.CountOf(1), Cores: snapshot.ValueOf(c.busy * (0.9 + 0.2*c.rand.Float64()))}
	}
	n := float64(c.n)
	s.Host = snapshot.Host{
		At: c.at, CPUs: snapshot.CountOf(uint64(c.n)), BusyCores: snapshot.ValueOf(n * min(1, c.busy*(0.99+0.02*c.rand.Float64()))),
		Load1: snapshot.ValueOf(n * c.busy), Load5: snapshot.ValueOf(n * c.busy), Load15: snapshot.ValueOf(n * c.busy),
		MemTotalBytes: snapshot.CountOf(64 << 30), MemAvailableBytes: snapshot.CountOf(30<<30 + c.rand.Uint64()>>44),
	}
	in := qos.Input{Snapshot: s}
	d, next := qos.Decide(c.policy, c.state, in)
	c.state = next
	c.estimator.Feedback(estimator.Feedback{StopOffer: d.StopOffering, Acted: d.Acted})
	return c.maker.Make(&decision.Tick{Policy: c.policy, Input: in, Decision: d, Offer: c.estimator.Estimate(s, nil)})
}

// BenchmarkLine is what the writer's goroutine does for a tick, and what a day
// at one tick a second takes on disk, before and after compression.
func BenchmarkLine(b *testing.B) {
	for _, n := range []int{10, 40, 1000} {
		for name, busy := range map[string]float64{"calm": 0.3, "busy": 0.97} {
			b.Run(fmt.Sprintf("%d containers %s", n, name), func(b *testing.B) {
				c := newMany(b, n, busy)
				const ticks = 240
				var records [ticks]*decision.Record
				var all []byte
				for range 30 { // until it is all under way
					c.tick()
				}
				for i := range records {
					records[i] = c.tick()
					all = appended(b, records[i], all)
				}
				b.ReportAllocs()
				var buf []byte
				i := 0
				for b.Loop() {
					buf = appended(b, records[i%ticks], buf[:0])
					i++
				}
				const perDay = 86400. / ticks / 1e6
				b.ReportMetric(float64(len(all))*perDay, "MB/day")
				b.ReportMetric(float64(zipped(b, all))*perDay, "zst-MB/day")
			})
		}
	}
}

func appended(tb testing.TB, r *decision.Record, to []byte) []byte {
	tb.Helper()
	b, err := r.Append(to)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func zipped(tb testing.TB, text []byte) int64 {
	tb.Helper()
	var out bytes.Buffer
	size, err := compress(&out, text)
	if err != nil || size != int64(out.Len()) {
		tb.Fatal(size, err)
	}
	zip, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer zip.Close()
	if back, err := zip.DecodeAll(out.Bytes(), nil); err != nil || !bytes.Equal(back, text) {
		tb.Fatal("what was compressed is not what comes back", err)
	}
	return size
}

// BenchmarkMake is what the loop's goroutine does for a tick: the record's
// inputs, and handing it over.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d containers", n), func(b *testing.B) {
			c := newMany(b, n, 0.3)
			r := c.tick()
			t := decision.Tick{Policy: c.policy, Input: qos.Input{Snapshot: &snapshot.Snapshot{
				Seq: r.Seq, At: r.At, Usage: c.usage, Containers: c.all, TreeWhy: snapshot.Present,
			}}, Decision: r.QoS, Offer: r.Offer}
			w := start(b, b.TempDir(), Options{}, quiet())
			defer closed(b, w)
			b.ReportAllocs()
			for b.Loop() {
				w.Observe(c.maker.Make(&t), nil)
			}
		})
	}
}
