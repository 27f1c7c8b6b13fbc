package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/throttle"
)

func TestThrottleShowsWhatWasWritten(t *testing.T) {
	report := throttle.Report{
		At: time.Unix(1, 0), Counters: throttle.Counters{Applied: 5, Restored: 3, Overwritten: 2, Failed: 1}, Journal: throttle.Applied,
		Containers: []throttle.Container{
			{Settings: []throttle.Setting{{Name: "quota", Why: throttle.Applied}, {Name: "weight", Why: throttle.Applied}}},
			{Settings: []throttle.Setting{{Name: "quota", Why: throttle.AgentOwnsQuota}, {Name: "weight", Why: throttle.Applied}}},
		},
	}
	c := NewThrottle(func() throttle.Report { return report })
	const want = `
# HELP estimatord_throttle_files_total Control files of revocable containers by what happened to them: applied, restored, overwritten by somebody else, failed.
# TYPE estimatord_throttle_files_total counter
estimatord_throttle_files_total{event="applied"} 5
estimatord_throttle_files_total{event="failed"} 1
estimatord_throttle_files_total{event="overwritten"} 2
estimatord_throttle_files_total{event="restored"} 3
# HELP estimatord_throttle_journal_ok 1 while the journal of throttles can be written; without it nothing is throttled.
# TYPE estimatord_throttle_journal_ok gauge
estimatord_throttle_journal_ok 1
# HELP estimatord_throttle_settings Control files to which a throttle is applied or from which one is to be undone, by setting and how that stands.
# TYPE estimatord_throttle_settings gauge
estimatord_throttle_settings{setting="quota",state="agent_owns_quota"} 1
estimatord_throttle_settings{setting="quota",state="applied"} 1
estimatord_throttle_settings{setting="weight",state="applied"} 2
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestDecisionsShowWhatIsMissing(t *testing.T) {
	c := NewDecisions(func() rotate.Stats {
		return rotate.Stats{Written: 100, Behind: 3, Lost: 4, Bytes: 6000, Files: 7, Removed: 2, Err: errors.New("full")}
	})
	const want = `
# HELP estimatord_decisions_ticks_total Ticks written to the decision log.
# TYPE estimatord_decisions_ticks_total counter
estimatord_decisions_ticks_total 100
# HELP estimatord_decisions_dropped_ticks_total Ticks missing from the decision log: the disk was too slow (behind), refused a write or was given time after that (error), or the tick is beyond the format (refused).
# TYPE estimatord_decisions_dropped_ticks_total counter
estimatord_decisions_dropped_ticks_total{reason="behind"} 3
estimatord_decisions_dropped_ticks_total{reason="error"} 4
estimatord_decisions_dropped_ticks_total{reason="refused"} 0
# HELP estimatord_decisions_working 1 while the decision log is written, 0 from an error to the next write that succeeds.
# TYPE estimatord_decisions_working gauge
estimatord_decisions_working 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want),
		"estimatord_decisions_ticks_total", "estimatord_decisions_dropped_ticks_total", "estimatord_decisions_working"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func TestRecordingShowsWhatIsMissing(t *testing.T) {
	c := NewRecording(func() recording.Stats {
		return recording.Stats{Refused: 5, Stats: rotate.Stats{Written: 100, Behind: 3, Lost: 4, Bytes: 6000, Files: 7, Removed: 2, Errors: 1, Err: errors.New("full")}}
	})
	const want = `
# HELP estimatord_recording_working 1 while the recording is written, 0 from an error to the next write that succeeds.
# TYPE estimatord_recording_working gauge
estimatord_recording_working 0
# HELP estimatord_recording_ticks_total Ticks written to the recording.
# TYPE estimatord_recording_ticks_total counter
estimatord_recording_ticks_total 100
# HELP estimatord_recording_dropped_ticks_total Ticks missing from the recording: the disk was too slow (behind), refused a write or was given time after that (error), or the tick is beyond the format (refused).
# TYPE estimatord_recording_dropped_ticks_total counter
estimatord_recording_dropped_ticks_total{reason="behind"} 3
estimatord_recording_dropped_ticks_total{reason="error"} 4
estimatord_recording_dropped_ticks_total{reason="refused"} 5
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want),
		"estimatord_recording_working", "estimatord_recording_ticks_total", "estimatord_recording_dropped_ticks_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func TestPolicyShowsHowTheFileStands(t *testing.T) {
	st := config.PolicyStatus{}
	c := NewPolicy(func() config.PolicyStatus { return st })
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d series without a policy file, want none", n)
	}
	st = config.PolicyStatus{File: "policy.yaml", Hash: "c7ca5570c6b3", Good: time.Unix(1700000000, 500e6)}
	want := func(ok string) string {
		return `
# HELP estimatord_policy_info Always 1; the label is the hash of the policy in force.
# TYPE estimatord_policy_info gauge
estimatord_policy_info{hash="c7ca5570c6b3"} 1
# HELP estimatord_policy_last_reload_success_timestamp_seconds When the policy file was last read and found without fault.
# TYPE estimatord_policy_last_reload_success_timestamp_seconds gauge
estimatord_policy_last_reload_success_timestamp_seconds 1.7000000005e+09
# HELP estimatord_policy_last_reload_successful 1 when the policy file was without fault when it was last read; 0: the policy in force is an older one.
# TYPE estimatord_policy_last_reload_successful gauge
estimatord_policy_last_reload_successful ` + ok + "\n"
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want("1"))); err != nil {
		t.Error(err)
	}
	st.Err = "a fault"
	if err := testutil.CollectAndCompare(c, strings.NewReader(want("0"))); err != nil {
		t.Error(err)
	}
}

func TestTargetViolationIsOfThePredictorInUse(t *testing.T) {
	c := NewTargetViolation("tce", map[string]float64{"cpus": 0.01, "mem": 0.005})
	const want = `
# HELP estimatord_target_violation_ratio Share of the predictions in use that demand may rise above, as the operator set it for after the first day.
# TYPE estimatord_target_violation_ratio gauge
estimatord_target_violation_ratio{predictor="tce",resource="cpus"} 0.01
estimatord_target_violation_ratio{predictor="tce",resource="mem"} 0.005
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
