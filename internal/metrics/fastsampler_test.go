package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestFastSamplerTellsPollsFromGlances(t *testing.T) {
	triggers := 0
	f := NewFastSampler(func() int { return triggers })
	calm := snapshot.Contention{State: snapshot.ContentionCalm, Why: snapshot.ContentionNone}
	news := snapshot.Contention{State: snapshot.ContentionContended, Why: snapshot.ContentionStalled, Wake: true}
	f.Observe(calm)
	f.Observe(calm)
	f.Observe(news)
	f.Glanced(calm)
	f.Glanced(news)
	triggers = 7
	const want = `
# HELP estimatord_fast_looks_total Looks between two ticks, by whether regular tasks were squeezed.
# TYPE estimatord_fast_looks_total counter
estimatord_fast_looks_total{reason="none",state="calm"} 2
estimatord_fast_looks_total{reason="stalled",state="contended"} 1
# HELP estimatord_fast_triggered_looks_total Looks that were taken before their time because the kernel said that regular containers wait for a CPU.
# TYPE estimatord_fast_triggered_looks_total counter
estimatord_fast_triggered_looks_total 2
# HELP estimatord_fast_triggers Regular containers of which the kernel says at once that they wait for a CPU; 0: all are only polled.
# TYPE estimatord_fast_triggers gauge
estimatord_fast_triggers 7
# HELP estimatord_fast_wakes_total Ticks that were taken before their time because regular tasks were squeezed.
# TYPE estimatord_fast_wakes_total counter
estimatord_fast_wakes_total 2
`
	if err := testutil.CollectAndCompare(f, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(f); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
