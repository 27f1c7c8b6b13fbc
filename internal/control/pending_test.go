package control

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A pause ends by itself, with resume, or with a restart, as it was asked for.
func TestPauses(t *testing.T) {
	var kept []Pause
	keep := func(p Pause) { kept = append(kept, p) }
	last := func() Pause { return kept[len(kept)-1] }

	cfg := full(t, &bytes.Buffer{})
	cfg.Pending.Keep = keep
	began := time.Now()
	cfg.Now = func() time.Time { return began }
	client := serving(t, cfg)

	r, err := client.Pause(t.Context(), 2*time.Hour, false)
	if err != nil || r.WasPaused || !r.PauseKept || !r.PausedUntil.Equal(began.Add(2*time.Hour)) || last() != cfg.Pending.pause {
		t.Fatalf("for two hours: %+v, err %v; kept %+v", r, err, last())
	}
	if !cfg.Pending.Take().Paused || cfg.Pending.Pause(began.Add(2*time.Hour)).Paused() || cfg.Pending.Take().Paused {
		t.Error("it does not last for two hours, or longer")
	}

	r, err = client.Pause(t.Context(), 0, true)
	if err != nil || !r.PauseKept || !r.PausedUntil.IsZero() || !last().PauseKept {
		t.Fatalf("until resumed: %+v, err %v; kept %+v", r, err, last())
	}
	var next Pending
	next.Restore(last())
	if !next.Take().Paused {
		t.Error("a restart ends a pause that lasts until it is resumed")
	}
	if _, err := client.Resume(t.Context()); err != nil || last().Paused() {
		t.Errorf("resume: err %v; kept %+v", err, last())
	}

	if r, err = client.Pause(t.Context(), 0, false); err != nil || r.PauseKept || !last().Paused() {
		t.Fatalf("plain: %+v, err %v", r, err)
	}
	next = Pending{}
	next.Restore(last())
	if next.Take().Paused {
		t.Error("a restart does not end a plain pause")
	}
	over := Pause{PausedSince: began.Add(-2 * time.Hour), PausedUntil: began.Add(-time.Hour), PauseKept: true}
	next.Restore(over)
	if next.Take().Paused {
		t.Error("a pause that is over comes back with a restart")
	}

	cfg.Pending.Keep = nil
	if r, err = client.Pause(t.Context(), 0, true); err != nil || r.PauseKept || !strings.Contains(r.Ends(), "restart") {
		t.Errorf("nothing is kept, and it says %+v (%s), err %v", r, r.Ends(), err)
	}
	for _, query := range []string{"?for=", "?for=2", "?for=-1h", "?for=900h", "?kept=false", "?until=1"} {
		if _, err := ask[PauseReply](t.Context(), client, http.MethodPost, pathPause+query); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
}
