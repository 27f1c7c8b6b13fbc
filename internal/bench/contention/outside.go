package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// outside tells what others used of the measured CPU, so that a run they took
// part in can be discarded: the CPU time of all tasks on it less that of the
// containers, and what the hypervisor took (steal).
type outside struct {
	all, ours string
	// shield is a process whose time is not that of others, 0 for none.
	shield int
	at     time.Time
	// before are all, ours and the shield's, in ns; stolen is in seconds.
	before [3]uint64
	stolen float64
}

func newOutside(n *node) (*outside, error) {
	all := filepath.Join(n.tree.Mount(), "cpuacct")
	o := &outside{all: filepath.Join(all, "cpuacct.usage_percpu"), ours: filepath.Join(all, n.tree.Root(), "cpuacct.usage_percpu")}
	if n.guard.shield != nil {
		o.shield = n.guard.shield.Process.Pid
	}
	_, err := o.share()
	return o, err
}

// share is what others used since the last call, as a share of the CPU.
func (o *outside) share() (float64, error) {
	now := time.Now()
	var n [3]uint64
	for i, path := range []string{o.all, o.ours} {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		words := strings.Fields(string(b))
		if len(words) <= measuredCPU {
			return 0, fmt.Errorf("%s: %q", path, b)
		}
		if n[i], err = strconv.ParseUint(words[measuredCPU], 10, 64); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	if o.shield != 0 {
		p, err := proc.Proc(o.shield)
		if err != nil {
			return 0, err
		}
		stat, err := p.Schedstat()
		if err != nil {
			return 0, err
		}
		n[2] = stat.RunningNanoseconds
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, err
	}
	stolen := stat.CPU[measuredCPU].Steal
	others := float64(n[0]-o.before[0]) - float64(n[1]-o.before[1]) - float64(n[2]-o.before[2]) + (stolen-o.stolen)*1e9
	share := others / float64(now.Sub(o.at))
	o.at, o.before, o.stolen = now, n, stolen
	return max(0, share), nil
}
