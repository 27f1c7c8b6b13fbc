package recording

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// Tick is one tick of a recording.
type Tick struct {
	*snapshot.Snapshot
	Inputs
}

// Inputs is what a tick was decided on besides its snapshot and the ticks
// before.
type Inputs struct {
	// Known: the rest was recorded. Writing sets it.
	Known bool
	// Wall is the time of the tick by the calendar, zero for what At shows. The
	// times of a snapshot that is read are only as far apart as they were.
	Wall time.Time
	// Policy is the hash of the policy in force, Policies counts how often it
	// was loaded.
	Policy   string
	Policies int
	Orders   qos.Orders
	// InFlight are the kills under way.
	InFlight []qos.InFlight
	// After is how many were under way after the tick.
	After int
	// Start is what the daemon began with, at its first tick; nil at the others.
	Start *Start
}

// Start is what a daemon began with.
type Start struct {
	// At is when it took up the Checkpoint: what the estimator had learned, as the
	// daemon keeps it in its file; empty for nothing. Wall is the same by the
	// calendar, which is what times in the Checkpoint go by.
	At, Wall   time.Time
	Checkpoint []byte
	// Seed is what the node waits by before it raises an offer.
	Seed uint64
	// Kills are the times of those that still counted in the budget.
	Kills []time.Time
}

// inputsOf writes or reads the inputs of a tick.
func (s *state) inputsOf(c *coder, now *snapshot.Snapshot, in *Inputs, at uint64) {
	if c.version < withInputs {
		*in = Inputs{Wall: now.At}
		return
	}
	known := in != nil
	ahead := s.ahead
	if !c.reading {
		if in == nil {
			in = &Inputs{}
		}
		if wall := in.Wall; !now.At.IsZero() {
			if wall.IsZero() {
				wall = now.At
			}
			ahead = uint64(wall.UnixNano()) - at //nolint:gosec // the bits are meant
		}
	}
	c.delta(&ahead, s.ahead)
	s.ahead = ahead
	c.flag(&known)
	if c.reading {
		*in = Inputs{Known: known, Wall: now.At}
		if !now.At.IsZero() {
			in.Wall = time.Unix(0, int64(at+ahead)) //nolint:gosec // inverse of the above
		}
	}
	if !known {
		return
	}
	c.string(&in.Policy)
	c.int(&in.Policies, s.policies)
	c.flag(&in.Orders.ResetBudget)
	c.flag(&in.Orders.Paused)
	n := c.length(len(in.InFlight))
	if c.reading && n > 0 {
		in.InFlight = make([]qos.InFlight, n)
	}
	for i := range in.InFlight {
		f := &in.InFlight[i]
		c.string(&f.ID)
		c.delta(&f.Inode, 0)
		c.time(&f.Since, at)
	}
	c.int(&in.After, n)
	begins := in.Start != nil
	c.flag(&begins)
	if begins {
		if c.reading {
			in.Start = &Start{}
		}
		in.Start.code(c, at)
	}
	s.policies = in.Policies
}

func (st *Start) code(c *coder, at uint64) {
	c.time(&st.At, at)
	c.time(&st.Wall, at)
	c.delta(&st.Seed, 0)
	c.bytes(&st.Checkpoint)
	n := c.length(len(st.Kills))
	if c.reading && n > 0 {
		st.Kills = make([]time.Time, n)
	}
	for i := range st.Kills {
		c.time(&st.Kills[i], at)
	}
}

// bytes are a length and that many bytes.
func (c *coder) bytes(v *[]byte) {
	n := uint64(len(*v))
	c.uvarint(&n)
	if !c.reading {
		c.buf = append(c.buf, *v...)
		return
	}
	*v = nil
	if n > uint64(len(c.buf)) {
		c.fail(fmt.Errorf("%d bytes", n))
		return
	}
	if n > 0 {
		*v = append([]byte(nil), c.buf[:n]...)
		c.buf = c.buf[n:]
	}
}
