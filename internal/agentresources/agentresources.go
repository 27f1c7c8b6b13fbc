// Package agentresources says what resources a Mesos agent on this host would
// have, and how each value comes about.
//
// The agent asks the host for cpus, mem, disk and ports that --resources does not
// name, each by itself (src/slave/containerizer/containerizer.cpp:66). So does
// this package. GPUs are left out: the agent asks a library of NVIDIA for them.
package agentresources

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Value is one resource, and how it comes about.
type Value struct {
	resources.Entry
	How string
}

// Host answers what the agent asks of it.
type Host struct {
	CPUs     func() (int, error)
	MemBytes func() (uint64, error)
	// DiskBytes is the size of the file system that holds dir.
	DiskBytes func(dir string) (uint64, error)
}

// ThisHost asks the kernel.
func ThisHost() Host {
	return Host{
		CPUs: func() (int, error) { return cpu.Counts(true) },
		MemBytes: func() (uint64, error) {
			m, err := mem.VirtualMemory()
			if err != nil {
				return 0, err
			}
			return m.Total, nil
		},
		DiskBytes: func(dir string) (uint64, error) {
			u, err := disk.Usage(dir)
			if err != nil {
				return 0, err
			}
			return u.Total, nil
		},
	}
}

// Flags are those of the agent that its resources come from.
type Flags struct {
	// Resources is text or JSON, without the file:// form.
	Resources   string
	DefaultRole string
	WorkDir     string
}

const (
	megabyte = 1 << 20
	gigabyte = 1 << 30
)

// Of is what an agent with those flags has on that host, in order of name.
func Of(f Flags, host Host) ([]Value, error) {
	entries, err := resources.ParseEntries(f.Resources, f.DefaultRole)
	if err != nil {
		return nil, err
	}
	var all []Value
	named := map[string]bool{}
	for _, e := range entries {
		named[e.Name] = true
		all = append(all, Value{e, "--resources names it"})
	}
	for _, ask := range []func(*Flags, *Host) Value{cpus, memory, space, ports} {
		v := ask(&f, &host)
		if !named[v.Name] {
			v.Role = f.DefaultRole
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b Value) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func cpus(_ *Flags, host *Host) Value {
	n, err := host.CPUs()
	if err != nil || n < 1 {
		return scalar("cpus", 1, "the number of processors cannot be read: 1")
	}
	return scalar("cpus", int64(n), "the processors that are online")
}

func memory(_ *Flags, host *Host) Value {
	total, err := host.MemBytes()
	return less("mem", total, err, 2*gigabyte, gigabyte, "the memory", gigabyte)
}

func space(f *Flags, host *Host) Value {
	dir := f.WorkDir
	total, err := host.DiskBytes(dir)
	for err != nil && dir != filepath.Dir(dir) { // the agent makes it at its start
		dir = filepath.Dir(dir)
		total, err = host.DiskBytes(dir)
	}
	return less("disk", total, err, 10*gigabyte, 5*gigabyte, "the file system of "+dir, 10*gigabyte)
}

func ports(*Flags, *Host) Value {
	return Value{resources.Entry{Name: "ports", Type: resources.Ranges, Ranges: []resources.Range{{Begin: 31000, End: 32000}}}, "the same everywhere"}
}

// less leaves keep of total to the host where there is enough, else half of it.
func less(name string, total uint64, err error, enough, keep uint64, of string, fallback int64) Value {
	gb := func(n uint64) string { return fmt.Sprintf("%d GB", n/gigabyte) }
	switch {
	case err != nil || total == 0:
		return scalar(name, fallback/megabyte, fmt.Sprintf("the size of %s cannot be read: %s", of, gb(uint64(fallback))))
	case total >= enough:
		return scalar(name, int64((total-keep)/megabyte), fmt.Sprintf("%s, %d MB, less %s", of, total/megabyte, gb(keep)))
	}
	return scalar(name, int64(total/2/megabyte), fmt.Sprintf("half of %s, %d MB, which is below %s", of, total/megabyte, gb(enough)))
}

func scalar(name string, units int64, how string) Value {
	return Value{resources.Entry{Name: name, Type: resources.Scalar, Amount: resources.Milli(units) * resources.Unit}, how}
}

// Difference is a scalar of which the running agent has another amount.
type Difference struct {
	Name        string
	Here, Agent resources.Milli
}

// Compare is where the running agent has other amounts, all its roles together:
// frameworks reserve and unreserve, but the sum stays.
func Compare(here []Value, agent []snapshot.Reservation) []Difference {
	var sums, theirs resources.Quantities
	for i := range here {
		if here[i].Type == resources.Scalar {
			sums.Add(here[i].Name, here[i].Amount)
		}
	}
	for i := range agent {
		theirs.AddAll(agent[i].Reserved)
	}
	var out []Difference
	for _, q := range sums {
		if has := theirs.Get(q.Name); has != q.Amount {
			out = append(out, Difference{q.Name, q.Amount, has})
		}
	}
	for _, q := range theirs {
		if !slices.ContainsFunc(sums, func(o resources.Quantity) bool { return o.Name == q.Name }) {
			out = append(out, Difference{q.Name, 0, q.Amount})
		}
	}
	return out
}

// Excess is of what more is said than the host has in all, which the agent itself
// does not check. Disks of their own are left out. What cannot be read is no
// excess.
func Excess(all []Value, workDir string, host Host) []Difference {
	var sums resources.Quantities
	for i := range all {
		if v := &all[i]; v.Type == resources.Scalar && v.Disk == nil {
			sums.Add(v.Name, v.Amount)
		}
	}
	var out []Difference
	check := func(name string, units uint64, err error) {
		if has := resources.Milli(units) * resources.Unit; err == nil && sums.Get(name) > has {
			out = append(out, Difference{name, sums.Get(name), has})
		}
	}
	n, err := host.CPUs()
	check("cpus", uint64(max(0, n)), err)
	memory, err := host.MemBytes()
	check("mem", memory/megabyte, err)
	size, err := host.DiskBytes(workDir)
	check("disk", size/megabyte, err)
	return out
}
