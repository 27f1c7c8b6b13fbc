package cgroup

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// cpu.stat on cgroup v1, of the cpu controller; times in ns:
//
//	nr_periods 1203
//	nr_throttled 17
//	throttled_time 84120334
//	nr_bursts 0
//	burst_time 0
//
// https://docs.kernel.org/scheduler/sched-bwc.html
//
// cpu.stat on cgroup v2, times in µs; without the cpu controller it ends after
// system_usec (or nice_usec, since 6.12):
//
//	usage_usec 413947213
//	user_usec 296745540
//	system_usec 117201672
//	nice_usec 175663878
//	nr_periods 1203
//	nr_throttled 17
//	throttled_usec 84120
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files

var (
	keyUsageMicros     = kernel.NewKey("usage_usec")
	keyThrottledNanos  = kernel.NewKey("throttled_time")
	keyThrottledMicros = kernel.NewKey("throttled_usec")
)

// parseCPUV2 fills what cpu.stat of v2 tells.
func parseCPUV2(file []byte, c *snapshot.CPU) {
	c.UsageNanos = kernel.MicrosToNanos(kernel.Keyed(file, keyUsageMicros))
	c.ThrottledNanos = kernel.MicrosToNanos(kernel.Keyed(file, keyThrottledMicros))
}
