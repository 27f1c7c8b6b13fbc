package cgroup

import (
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/internal/kernel"
)

// readQuota looks at c's check turn whether it has a quota, and which.
func (t *Tree) readQuota(c *Container) {
	if !t.isCheckTurn(c) {
		return
	}
	if t.cfg.Layout.Mode == V2 {
		c.slow.quotaCores = t.quotaOnV2(c)
		return // throttling is in a file that is read anyway
	}
	text, why := t.readOnce(c, quotaV1)
	micros := snapshot.Count{Why: why}
	if why == snapshot.Present {
		micros = kernel.ParseQuotaMicros(text)
	}
	t.setQuota(c, micros.OK())
	c.slow.quotaCores = snapshot.Value{Why: micros.Why}
	if !micros.OK() {
		return
	}
	text, why = t.readOnce(c, periodV1)
	if why != snapshot.Present {
		c.slow.quotaCores.Why = why
		return
	}
	period := kernel.ParseNumber(text)
	c.slow.quotaCores = snapshot.Value{Why: period.Why}
	if period.OK() {
		c.slow.quotaCores = kernel.QuotaCores(micros.N, period.N)
	}
}

func (t *Tree) quotaOnV2(c *Container) snapshot.Value {
	text, why := t.readOnce(c, quotaV2)
	if why != snapshot.Present {
		return snapshot.Value{Why: why}
	}
	return kernel.ParseCPUMax(text)
}

// readThrottle reads cpu.stat of v1, only where there is a quota.
func (t *Tree) readThrottle(c *Container, out *snapshot.CPU) {
	if !c.slow.quota {
		t.closeFile(&c.files[kindThrottle], snapshot.NotRead)
		throttleAbsent(out, c.slow.quotaCores.Why)
		return
	}
	text, why := t.read(c, kindThrottle)
	if why != snapshot.Present {
		throttleAbsent(out, why)
		return
	}
	parseThrottleV1(text, out)
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
