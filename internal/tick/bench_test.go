package tick

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// still is a sampler whose node never changes, so that a benchmark sees the
// cost of what follows the sample; monitor has a benchmark of its own.
type still struct{ s snapshot.Snapshot }

func (n *still) Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot {
	n.s.Seq++
	n.s.At, n.s.Host.At, n.s.Usage = now, now, usage
	for i := range n.s.Containers {
		n.s.Containers[i].At = now
	}
	return &n.s
}

// BenchmarkTick is estimate, decide and record for a node that is busy with
// regular and revocable containers, half of each. Nothing is allocated per
// container: the allocations are those of the record, which is kept.
func BenchmarkTick(b *testing.B) {
	for _, containers := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("containers=%d", containers), func(b *testing.B) {
			n := newNode()
			var executors []snapshot.Executor
			for i := range containers {
				id := fmt.Sprintf("container-%04d", i)
				if i%2 == 0 {
					executors = append(executors, executor(id, 1000, 0))
				} else {
					executors = append(executors, executor(id, 100, 500))
				}
				n.run(id, 0.3)
			}
			n.busy = 2
			n.reports(executors...)
			sampler := &still{s: *n.Sample(n.now, n.report)}
			cfg := estimator.DefaultUsage()
			est, err := estimator.NewUsage(cfg)
			if err != nil {
				b.Fatal(err)
			}
			p := policy.DefaultPolicy()
			p.Rules = []policy.Rule{{Name: "busy", Signal: signal.NodeCPU, Above: 0.95, Clear: 0.95, For: time.Second, Action: policy.Kill}}
			if err := p.Validate(signal.Specs()); err != nil {
				b.Fatal(err)
			}
			l := New(Config{Sampler: sampler, Agent: n, Estimator: est, Policies: Always{&p}, Log: slog.New(slog.DiscardHandler)})
			b.ReportAllocs()
			for b.Loop() {
				n.observed = n.observed[:0]
				n.now = n.now.Add(time.Second)
				n.report.At = n.now
				l.Tick(n.now)
			}
		})
	}
}
