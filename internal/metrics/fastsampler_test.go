package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestFastSamplerCountsPolls(t *testing.T) {
	f := NewFastSampler()
	calm := snapshot.Contention{State: snapshot.ContentionCalm, Why: snapshot.ContentionNone}
	news := snapshot.Contention{State: snapshot.ContentionContended, Why: snapshot.ContentionStalled, Wake: true}
	f.Observe(calm)
	f.Observe(calm)
	f.Observe(news)
	const want = `
# HELP estimatord_fast_polls_total Polls between two ticks, by whether regular tasks had to wait for CPU.
# TYPE estimatord_fast_polls_total counter
estimatord_fast_polls_total{reason="none",state="calm"} 2
estimatord_fast_polls_total{reason="stalled",state="contended"} 1
# HELP estimatord_fast_wakes_total Ticks that were taken before their time because regular tasks had to wait for CPU.
# TYPE estimatord_fast_wakes_total counter
estimatord_fast_wakes_total 1
`
	if err := testutil.CollectAndCompare(f, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(f); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
