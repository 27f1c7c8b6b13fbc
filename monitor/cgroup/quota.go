package cgroup

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// readQuota looks whether c has a quota, and which.
func (t *Tree) readQuota(c *Container) {
	files := &quotaV1
	if t.cfg.Layout.Mode == V2 {
		files = &quotaV2
	}
	c.slow.quotaCores = files.Cores(func(name kernel.Path) ([]byte, snapshot.Absence) {
		return t.readOnce(c, spec{name, CPU})
	})
	// On v2 throttling is in a file that is read anyway.
	t.setQuota(c, t.cfg.Layout.Mode != V2 && hasQuota(c.slow.quotaCores.Why))
}

// hasQuota reports whether there is a quota, whether or not it could be
// understood.
func hasQuota(why snapshot.Absence) bool {
	return why == snapshot.Present || why == snapshot.Malformed || why == snapshot.Truncated
}

// readThrottle reads cpu.stat of v1, only where there is a quota.
func (t *Tree) readThrottle(c *Container, out *snapshot.CPU) {
	if !c.slow.quota {
		t.closeFile(&c.files[kindThrottle], snapshot.NotRead)
		out.ThrottledNanos.Why = c.slow.quotaCores.Why
		return
	}
	text, why := t.read(c, kindThrottle)
	if why != snapshot.Present {
		out.ThrottledNanos.Why = why
		return
	}
	out.ThrottledNanos = kernel.Keyed(text, keyThrottledNanos)
}

// setQuota keeps count of the containers with a quota.
func (t *Tree) setQuota(c *Container, quota bool) {
	if c.slow.quota == quota {
		return
	}
	c.slow.quota = quota
	t.quotasMoved = true
	if quota {
		t.quotas++
	} else {
		t.quotas--
	}
}
