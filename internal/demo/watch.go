package demo

import (
	"context"
	"strings"
	"time"
)

// watch keeps the board up to date until ctx ends.
func (s *story) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var hog counter
	var before metrics
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		step, driver, hogTask := s.step, s.driver, s.hogTask
		s.mu.Unlock()
		b := board{At: s.since(), Step: step, Why: s.notes.last().Why}
		if m, err := scrape(ctx, s.client, s.daemon.Address); err == nil {
			b.Metrics = m
			if why := reason(before, m); why != "" {
				b.Why = why
			}
			before = m
		}
		if busy, err := s.host.cores(); err == nil {
			b.Busy = busy
		}
		if driver != nil {
			b.Service, b.Serving = driver.Last()
		}
		if used, err := s.agent.CPUTime(hogTask); err == nil {
			b.HogCores, b.HogRuns = hog.rate(used), true
		} else {
			hog = counter{}
		}
		b.Others = max(0, b.Busy-b.Service.Achieved-b.HogCores)
		s.notes.board(b)
		s.view.show(b)
	}
}

// reason is the code that the daemon gave for the cpus since the last scrape.
func reason(before, now metrics) string {
	const prefix = `estimatord_offer_decisions_total{`
	code, most := "", 0.0
	for name, v := range now {
		if !strings.HasPrefix(name, prefix) || !strings.Contains(name, `resource="cpus"`) {
			continue
		}
		_, rest, _ := strings.Cut(name, `reason="`)
		if more := v - before[name]; more > most {
			code, _, _ = strings.Cut(rest, `"`)
			most = more
		}
	}
	return code
}

// counter turns a growing CPU time into cores.
type counter struct {
	at   time.Time
	used time.Duration
}

func (c *counter) rate(used time.Duration) float64 {
	now := time.Now()
	cores := 0.0
	if !c.at.IsZero() {
		cores = (used - c.used).Seconds() / now.Sub(c.at).Seconds()
	}
	c.at, c.used = now, used
	return max(0, cores)
}
