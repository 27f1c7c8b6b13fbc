package snapshot

import "time"

// Steady is a clock that is never set: whoever sets the calendar, forwards or
// backwards, neither ages nor renews what was learned. It begins at the At of
// the first Snapshot and goes on by Uptime. Kept over a restart, it goes on by
// what the machine was up in between; the time for which the machine was off or
// suspended does not count, since only the calendar would tell.
//
// The zero Steady has not begun. Where a Snapshot has no Uptime, At is taken to
// be a clock that only a backward step can falsify.
type Steady struct {
	// At is the time of the last Snapshot by this clock.
	At time.Time `json:"at"`
	// Uptime is that of the last Snapshot.
	Uptime time.Duration `json:"uptime_ns,omitzero"`
	// Seen is the At of the last Snapshot when it had no Uptime.
	Seen time.Time `json:"seen,omitzero"`
}

// Advance takes the next Snapshot and returns its time by this clock.
func (c *Steady) Advance(s *Snapshot) time.Time {
	passed := s.Uptime - c.Uptime
	switch {
	case c.At.IsZero():
		c.At, passed = s.At.Round(0), 0
	case s.Uptime == 0:
		passed = s.At.Sub(c.Seen)
	case passed < 0: // the machine was started again
		passed = s.Uptime
	}
	c.At = c.At.Add(max(0, passed))
	c.Uptime, c.Seen = s.Uptime, time.Time{}
	if s.Uptime == 0 {
		c.Seen = s.At
	}
	return c.At
}
