// Command cadvisor samples the containers below one cgroup with cAdvisor's
// library, CPU and memory each second, as an operator would otherwise run it.
// It is what bench/cost compares the daemon with, and is a module of its own so
// that nothing of it is in the daemon's.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/cadvisor/lib/cache/memory"
	"github.com/google/cadvisor/lib/container"
	"github.com/google/cadvisor/lib/container/raw"
	"github.com/google/cadvisor/lib/manager"
	info "github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/lib/utils/sysfs"
)

func main() {
	if len(os.Args) != 2 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: cadvisor CGROUP")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "cadvisor:", err)
		os.Exit(1)
	}
}

func run(prefix string) error {
	interval, dynamic := time.Second, false
	*raw.DockerOnly = true // and those below the prefix
	metrics := container.MetricSet{container.CpuUsageMetrics: {}, container.MemoryUsageMetrics: {}}
	m, err := manager.New(memory.New(2*time.Second, nil), sysfs.NewRealSysFs(),
		manager.HousekeepingConfig{Interval: &interval, AllowDynamic: &dynamic}, metrics, []string{prefix}, nil, "", 0)
	if err != nil {
		return err
	}
	if err := m.Start(); err != nil {
		return err
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	<-stopped
	// How many it sampled, for whoever doubts that it did.
	seen, err := m.GetRequestedContainersInfo(prefix, info.RequestOptions{IdType: info.TypeName, Count: 1, Recursive: true})
	_, _ = fmt.Fprintln(os.Stderr, "cadvisor: containers:", len(seen), err)
	return m.Stop()
}
