package tick

import (
	"log/slog"
	"testing"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// seen is an Observer that notes what it is shown, and what the agent had been
// told by then.
type seen struct {
	node *node
	seqs []uint64
	told []uint64
}

func (w *seen) Observe(_ *decision.Record, s *snapshot.Snapshot) {
	w.seqs = append(w.seqs, s.Seq)
	w.told = append(w.told, w.node.published)
}

func TestObserversSeeEverySnapshotOnceItWasActedOn(t *testing.T) {
	n := newNode()
	first, second := &seen{node: n}, &seen{node: n}
	l := New(Config{
		Sampler: n, Agent: n, Estimator: estimator.NewNoop(), Observers: []Observer{first, second}, Log: slog.New(slog.DiscardHandler),
	})
	for range 3 {
		n.tick(l)
	}
	for _, w := range []*seen{first, second} {
		for i := range 3 {
			if len(w.seqs) != 3 || w.seqs[i] != uint64(i+1) || w.told[i] != uint64(i+1) {
				t.Fatalf("saw %v when %v offers had been published, want 1 2 3 each", w.seqs, w.told)
			}
		}
	}
}
