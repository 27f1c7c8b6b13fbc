package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
)

func TestDecisionsShowWhatIsMissing(t *testing.T) {
	c := NewDecisions(func() decisionlog.Stats {
		return decisionlog.Stats{Lines: 100, Behind: 3, Lost: 4, Bytes: 6000, Files: 7, Removed: 2, Err: errors.New("full")}
	})
	const want = `
# HELP estimatord_decisions_logged_total Ticks written to the decision log.
# TYPE estimatord_decisions_logged_total counter
estimatord_decisions_logged_total 100
# HELP estimatord_decisions_dropped_total Ticks missing from the decision log: the disk was too slow (behind), or refused a write or was given time after that (error).
# TYPE estimatord_decisions_dropped_total counter
estimatord_decisions_dropped_total{reason="behind"} 3
estimatord_decisions_dropped_total{reason="error"} 4
# HELP estimatord_decisions_working 1 while the decision log is written, 0 from an error to the next line that could be written.
# TYPE estimatord_decisions_working gauge
estimatord_decisions_working 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want),
		"estimatord_decisions_logged_total", "estimatord_decisions_dropped_total", "estimatord_decisions_working"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
