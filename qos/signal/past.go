package signal

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Past is what signals remember of the tick before: when and how busy the node
// was.
type Past struct {
	hostAt time.Time
	busy   snapshot.Value
}

// Remember is the Past of the next tick.
func (v *View) Remember() Past {
	return Past{hostAt: v.Snapshot.Host.At, busy: v.hostValue(v.Snapshot.Host.BusyCores)}
}
