package replay

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
)

// moment is one step of a closed loop's story.
type moment struct {
	demand, allocated, slack float64
	running                  int // best-effort tasks after it
}

func TestClosedLoopStories(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		length time.Duration
		story  []moment
		want   LoopScore
	}{
		"tasks fill the slack and complete": {
			length: 10 * time.Minute,
			story:  []moment{{2, 10, 3.5, 3}, {2, 10, 3.5, 3}, {2, 10, 3.5, 3}},
			// Three tasks of ten minutes in ten minutes of ten cores.
			want: LoopScore{Goodput: 0.3, CompletedHours: 0.5, Started: 6, Offered: 0.35},
		},
		"a smaller offer kills nothing, and starts nothing": {
			length: time.Hour,
			story:  []moment{{2, 10, 4, 4}, {2, 10, 1, 4}, {2, 10, 1, 4}},
			want:   LoopScore{Started: 4, Offered: (4 + 1) / 20.0, MessagesPerHour: 6, RawMessagesPerHour: 6},
		},
		"demand beyond what is left is contention, and kills the newest": {
			length: time.Hour,
			story:  []moment{{2, 10, 2, 2}, {2, 10, 4, 4}, {7.5, 10, 0, 2}},
			// Two tasks ran five minutes in vain.
			want: LoopScore{
				Started: 4, Kills: 2, LostHours: 2 * 5 / 60.0, ContentionRate: 1 / 3.0, Offered: (2 + 4) / 20.0,
				MessagesPerHour: 12, RawMessagesPerHour: 12,
			},
		},
		"one that leaves frees what it was allocated until the next step": {
			length: time.Hour,
			story:  []moment{{6, 10, 3, 3}, {3, 5, 2, 3}, {3, 5, 2, 2}},
			want: LoopScore{
				Started: 3, Kills: 1, LostHours: 10 / 60.0, ContentionRate: 1 / 3.0, Offered: (3 + 2) / 10.0,
				MessagesPerHour: 6, RawMessagesPerHour: 6,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := closedLoop{opts: &LoopOptions{Length: tc.length}, resource: CPU}
			if err := l.begin("node", 32); err != nil {
				t.Fatal(err)
			}
			for i, m := range tc.story {
				l.step(time.Unix(int64(300*i), 0), m.demand, m.allocated, m.slack, true)
				if len(l.ends) != m.running {
					t.Errorf("step %d: %d tasks run, want %d", i, len(l.ends), m.running)
				}
			}
			got := *l.score()
			for what, pair := range map[string][2]float64{
				"goodput": {got.Goodput, tc.want.Goodput}, "completed": {got.CompletedHours, tc.want.CompletedHours},
				"lost": {got.LostHours, tc.want.LostHours}, "contention": {got.ContentionRate, tc.want.ContentionRate},
				"started": {float64(got.Started), float64(tc.want.Started)}, "killed": {float64(got.Kills), float64(tc.want.Kills)},
				"changes": {got.MessagesPerHour, tc.want.MessagesPerHour}, "raw changes": {got.RawMessagesPerHour, tc.want.RawMessagesPerHour},
				"offered": {got.Offered, tc.want.Offered},
			} {
				if math.Abs(pair[0]-pair[1]) > 1e-9 {
					t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
				}
			}
		})
	}
}

func TestClosedLoopAsksTheGovernorAtEachReport(t *testing.T) {
	t.Parallel()
	l := closedLoop{
		opts: &LoopOptions{Length: time.Hour, Report: 15 * time.Second, Governor: func(string) estimator.GovernorConfig {
			return estimator.GovernorConfig{Quantum: 100, Step: resources.Unit}
		}},
		resource: CPU,
	}
	if err := l.begin("node", 32); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(0, 0)
	l.step(at, 0, 32, 30, true)
	if l.offer != 1 {
		t.Errorf("promised %v at first, want one step of 1", l.offer)
	}
	l.step(at.Add(5*time.Minute), 0, 32, 30, true)
	if l.offer != 21 {
		t.Errorf("promised %v after twenty more reports, want 21", l.offer)
	}
	l.step(at.Add(10*time.Minute), 0, 32, 5, true)
	if l.offer != 5 {
		t.Errorf("promised %v after a cut, want 5 at once", l.offer)
	}
}
