package signal

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
)

// Percent prints a share: "97 %", "97.5 %".
func Percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1000)/10, 'f', -1, 64) + " %"
}

// Seconds prints d in seconds: "5 s", "0.5 s".
func Seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// Amount prints an amount of a resource: "1.50 CPUs", "512 MB".
func Amount(res policy.Resource, x float64) string {
	if res == policy.CPU {
		return fmt.Sprintf("%.2f CPUs", x)
	}
	return fmt.Sprintf("%.0f MB", x/resources.MemUnitBytes)
}

// cpuCount prints a number of CPUs, whole unless it is a quota.
func cpuCount(x float64) string {
	if x == math.Trunc(x) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
