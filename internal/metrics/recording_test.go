package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	rec "github.com/estimatord/estimatord/internal/recording"
)

func TestRecordingShowsWhatIsMissing(t *testing.T) {
	c := NewRecording(func() rec.Stats {
		return rec.Stats{Ticks: 100, Behind: 3, Lost: 4, Refused: 5, Bytes: 6000, Files: 7, Removed: 2, Errors: 1, Err: errors.New("full")}
	})
	const want = `
# HELP estimatord_recording_working 1 while recording works, 0 from an error to the next block that could be written.
# TYPE estimatord_recording_working gauge
estimatord_recording_working 0
# HELP estimatord_recorded_ticks_total Ticks written to the recording.
# TYPE estimatord_recorded_ticks_total counter
estimatord_recorded_ticks_total 100
# HELP estimatord_unrecorded_ticks_total Ticks missing from the recording: the disk was too slow (behind), refused a write or was given time after that (error), or the tick is beyond the format (refused).
# TYPE estimatord_unrecorded_ticks_total counter
estimatord_unrecorded_ticks_total{reason="behind"} 3
estimatord_unrecorded_ticks_total{reason="error"} 4
estimatord_unrecorded_ticks_total{reason="refused"} 5
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want),
		"estimatord_recording_working", "estimatord_recorded_ticks_total", "estimatord_unrecorded_ticks_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
