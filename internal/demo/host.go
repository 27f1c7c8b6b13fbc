package demo

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// host tells how busy the machine is, for the explanation of what went wrong:
// the daemon judges by its own readings.
type host struct {
	fs   procfs.FS
	cpus int
	at   time.Time
	busy float64 // CPU seconds since boot
}

func newHost() (*host, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	h := &host{fs: fs}
	if _, err := h.cores(); err != nil {
		return nil, err
	}
	return h, nil
}

// cores is the number of busy cores since the last call.
func (h *host) cores() (float64, error) {
	stat, err := h.fs.Stat()
	if err != nil {
		return 0, fmt.Errorf("demo: %w", err)
	}
	t := stat.CPUTotal
	// guest time is part of user time (proc(5)).
	busy := t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ + t.Steal
	now := time.Now()
	cores := (busy - h.busy) / now.Sub(h.at).Seconds()
	h.cpus, h.at, h.busy = max(1, len(stat.CPU)), now, busy
	return max(0, cores), nil
}
