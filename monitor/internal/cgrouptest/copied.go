package cgrouptest

import (
	"os"
	"path/filepath"
	"testing"
)

// Shape is a way in which cgroups are mounted.
type Shape string

// The shapes that are met in the field.
const (
	Split     Shape = "v1 split"
	CoMounted Shape = "v1 co-mounted"
	HybridV1  Shape = "hybrid"
	UnifiedV2 Shape = "v2"
)

// Shapes are all of them.
func Shapes() []Shape { return []Shape{Split, CoMounted, HybridV1, UnifiedV2} }

// Copied is a tree of ordinary files that looks like cgroups.
type Copied struct {
	tb    testing.TB
	shape Shape
	// Root is to be given as the cgroup root.
	Root string
}

// CopiedMesosRoot is the agent's root in a Copied tree.
const CopiedMesosRoot = "mesos"

// NewCopied makes a tree of that shape in dir, without the agent's root.
func NewCopied(tb testing.TB, dir string, shape Shape) *Copied {
	tb.Helper()
	c := &Copied{tb: tb, shape: shape, Root: dir}
	switch shape {
	case Split, HybridV1:
		for _, name := range []string{"cpu", "cpuacct", "memory", "pids", "freezer"} {
			c.mkdir(name)
		}
	case CoMounted:
		for _, name := range []string{"cpu,cpuacct", "memory", "pids"} {
			c.mkdir(name)
		}
		for _, name := range []string{"cpu", "cpuacct"} {
			if err := os.Symlink("cpu,cpuacct", filepath.Join(dir, name)); err != nil {
				tb.Fatal(err)
			}
		}
	case UnifiedV2:
		c.write("cgroup.controllers", "cpuset cpu io memory pids\n")
	}
	if shape == HybridV1 {
		c.mkdir("unified")
		c.write("unified/cgroup.controllers", "\n")
	}
	return c
}

func (c *Copied) mkdir(rel string) {
	c.tb.Helper()
	if err := os.MkdirAll(filepath.Join(c.Root, rel), 0o755); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *Copied) write(rel, text string) {
	c.tb.Helper()
	if err := os.WriteFile(filepath.Join(c.Root, rel), []byte(text), 0o644); err != nil {
		c.tb.Fatal(err)
	}
}

// Hierarchies are the directories of the tree's hierarchies that are read.
func (c *Copied) Hierarchies() []string {
	switch c.shape {
	case UnifiedV2:
		return []string{"."}
	case CoMounted:
		return []string{"cpu,cpuacct", "memory", "pids"}
	}
	return []string{"cpu", "cpuacct", "memory", "pids"}
}

// MakeRoot makes the agent's root, empty but for the agent's own cgroup.
func (c *Copied) MakeRoot() {
	c.tb.Helper()
	for _, h := range c.Hierarchies() {
		own := "slave"
		if c.shape == UnifiedV2 {
			own = "agent/leaf"
		}
		c.mkdir(filepath.Join(h, CopiedMesosRoot, own))
	}
}

// Make makes the container rel with plausible files: 2 s of CPU, 96 MiB used
// of which 64 MiB anonymous and 16 MiB inactive cache, 3 tasks, and half the
// CPU of a quota, throttled in 10 of 100 periods for 0.5 s.
func (c *Copied) Make(rel string) {
	c.tb.Helper()
	for _, h := range c.Hierarchies() {
		c.mkdir(filepath.Join(h, CopiedMesosRoot, rel))
	}
	if c.shape == UnifiedV2 {
		c.mkdir(filepath.Join(CopiedMesosRoot, rel, "leaf"))
	}
	for _, f := range c.files() {
		c.Write(f.controller, rel, f.name, f.text)
	}
}

type text struct{ controller, name, text string }

func (c *Copied) files() []text {
	if c.shape == UnifiedV2 {
		return []text{
			{"cpu", "cpu.stat", "usage_usec 2000000\nuser_usec 1500000\nsystem_usec 500000\nnr_periods 100\nnr_throttled 10\nthrottled_usec 500000\n"},
			{"cpu", "cpu.max", "50000 100000\n"},
			{"memory", "memory.current", "100663296\n"},
			{"memory", "memory.stat", "anon 67108864\nfile 33554432\nanon_thp 0\ninactive_anon 1\nactive_anon 67108863\ninactive_file 16777216\nactive_file 16777216\n"},
			{"pids", "pids.current", "3\n"},
			{"cpu", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
			{"memory", "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"},
			{"io", "io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"},
		}
	}
	return []text{
		{"cpuacct", "cpuacct.usage", "2000000000\n"},
		{"cpu", "cpu.cfs_quota_us", "50000\n"},
		{"cpu", "cpu.cfs_period_us", "100000\n"},
		{"cpu", "cpu.stat", "nr_periods 100\nnr_throttled 10\nthrottled_time 500000000\nnr_bursts 0\nburst_time 0\n"},
		{"memory", "memory.usage_in_bytes", "100663296\n"},
		{"memory", "memory.stat", "cache 1\nrss 2\nrss_huge 0\ninactive_file 3\ntotal_cache 33554432\ntotal_rss 67108864\ntotal_rss_huge 0\ntotal_inactive_anon 1\ntotal_inactive_file 16777216\ntotal_active_file 16777216\n"},
		{"pids", "pids.current", "3\n"},
	}
}

// Dir is where the container rel is in the controller's hierarchy.
func (c *Copied) Dir(controller, rel string) string {
	switch {
	case c.shape == UnifiedV2:
		controller = "."
	case c.shape == CoMounted && (controller == "cpu" || controller == "cpuacct"):
		controller = "cpu,cpuacct"
	}
	return filepath.Join(c.Root, controller, CopiedMesosRoot, rel)
}

// Write writes one file of the container rel.
func (c *Copied) Write(controller, rel, name, text string) {
	c.tb.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir(controller, rel), name), []byte(text), 0o644); err != nil {
		c.tb.Fatal(err)
	}
}

// Remove removes the container rel.
func (c *Copied) Remove(rel string) {
	c.tb.Helper()
	for _, h := range c.Hierarchies() {
		if err := os.RemoveAll(filepath.Join(c.Root, h, CopiedMesosRoot, rel)); err != nil {
			c.tb.Fatal(err)
		}
	}
}
