package snapshot_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestSteadyIsNeverSet(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type tick struct {
		calendar, uptime time.Duration // since noon, since the machine was started
		want             time.Duration // since noon
	}
	for name, ticks := range map[string][]tick{
		"as the calendar":             {{0, 100, 0}, {time.Second, 100 + time.Second, time.Second}},
		"the calendar goes forward":   {{0, 100, 0}, {25 * time.Hour, 100 + time.Second, time.Second}},
		"the calendar goes back":      {{0, 100, 0}, {-25 * time.Hour, 100 + time.Second, time.Second}},
		"the machine was restarted":   {{0, time.Hour, 0}, {20 * time.Minute, time.Minute, time.Minute}},
		"and is up longer than then":  {{0, time.Hour, 0}, {9 * time.Hour, 2 * time.Hour, time.Hour}},
		"without uptime":              {{0, 0, 0}, {time.Second, 0, time.Second}},
		"without uptime, it is reset": {{0, 0, 0}, {time.Second, 0, time.Second}, {-time.Hour, 0, time.Second}, {time.Second - time.Hour, 0, 2 * time.Second}},
	} {
		var c snapshot.Steady
		for i, tick := range ticks {
			s := snapshot.Snapshot{At: noon.Add(tick.calendar), Uptime: tick.uptime}
			if got := c.Advance(&s).Sub(noon); got != tick.want {
				t.Errorf("%s: tick %d at %s, want %s", name, i, got, tick.want)
			}
			// It is the same when each tick is after a restart.
			text, err := json.Marshal(c)
			c = snapshot.Steady{}
			if err != nil || json.Unmarshal(text, &c) != nil {
				t.Fatal(string(text), err)
			}
		}
	}
}
