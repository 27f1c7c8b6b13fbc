package estimator

import (
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Within a limit around the agent, the machine's memory is none of its own.
func TestMemoryIsWhatCanBeUsed(t *testing.T) {
	machine := snapshot.Host{MemTotalBytes: snapshot.CountOf(64 << 30), MemAvailableBytes: snapshot.CountOf(60 << 30)}
	limited := machine
	limited.UsableMemBytes, limited.UsableMemAvailableBytes = snapshot.CountOf(8<<30), snapshot.CountOf(2<<30)
	unreadable := machine
	unreadable.UsableMemBytes.Why, unreadable.UsableMemAvailableBytes.Why = snapshot.Denied, snapshot.Denied
	for name, tc := range map[string]struct {
		h          snapshot.Host
		used, size float64 // MiB
		ok         bool
	}{
		"the machine's own":           {machine, 4096, 65536, true},
		"within a limit":              {limited, 6144, 8192, true},
		"a limit that cannot be read": {unreadable, 0, 0, false},
	} {
		used, size, ok := hostMemory(&tc.h)
		if ok != tc.ok || ok && (used != tc.used || size != tc.size) {
			t.Errorf("%s: used %v of %v, %t; want %v of %v, %t", name, used, size, ok, tc.used, tc.size, tc.ok)
		}
	}
}
