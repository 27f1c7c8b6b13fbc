package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/agentclient"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos/policy"
)

// Host is what is examined. Nothing in it changes, and what is not known is left
// out: a check says nothing about what it does not know.
type Host struct {
	// Settings are those of the daemon; its paths stand for the host.
	Settings config.Config
	// SettingsErr is what a start would refuse.
	SettingsErr error
	// Sys is where sysfs is mounted.
	Sys string
	// UID is the user who examines.
	UID   int
	Facts Facts

	Layout    cgroup.Layout
	LayoutErr error

	// Free is the space left for a file at path, in bytes.
	Free func(path string) (uint64, error)
	// Unsynchronised: nobody sets the clock. Stepped is by how much it was set
	// since the daemon started.
	Unsynchronised bool
	Stepped        time.Duration

	// AgentURL is where the agent is asked, "" where it is not. Agent is what it says
	// of itself; both are nil when it is not asked.
	AgentURL string
	Agent    *agentclient.State
	AgentErr error

	// Status is what the daemon says; exactly one is nil, or both where there is no
	// operator's socket.
	Status    *control.Status
	StatusErr error
	// Now is when it said that.
	Now time.Time

	// Policy is the policy file, nil without one.
	Policy    *config.PolicyFile
	PolicyErr error
	// Unreadable are the signals that this host does not have.
	Unreadable map[policy.Signal]snapshot.Absence
	// Records are those of the last hour, the newest first.
	Records []*decision.Record
}

// Facts say what the node is.
type Facts struct {
	Version    string `json:"version"`
	Kernel     string `json:"kernel"`
	Platform   string `json:"platform"`
	Virtual    string `json:"virtualization,omitzero"`
	Processors int    `json:"processors"`
	MemBytes   uint64 `json:"mem_bytes"`
	Cgroups    string `json:"cgroups"`
}

// String is the facts in a line.
func (f *Facts) String() string {
	virtual := ""
	if f.Virtual != "" {
		virtual = ", " + f.Virtual
	}
	return fmt.Sprintf("estimatord %s, Linux %s, %s%s, %d processors, %d MiB of memory, cgroup %s",
		f.Version, f.Kernel, f.Platform, virtual, f.Processors, f.MemBytes>>20, f.Cgroups)
}

// Options are what Gather needs beside the machine.
type Options struct {
	// Load loads the settings by flags and environ, as the daemon does. flags may
	// be nil.
	Load func(flags *pflag.FlagSet, environ []string) (config.Config, error)
	// Flags and Environ are those of whoever examines.
	Flags   *pflag.FlagSet
	Environ []string
	// AgentURL is asked when the settings name none.
	AgentURL string
	Version  string
}

const (
	// askFor is how long the daemon and the agent may take to answer.
	askFor = 15 * time.Second
	// maxRecords are read of the decision log, an hour of them.
	maxRecords, recordsOf = 3600, time.Hour
)

// Gather finds out what there is to know of this machine. It takes some seconds,
// most of them to take two samples of it.
func Gather(ctx context.Context, o Options) *Host {
	h := &Host{Sys: "/sys", UID: os.Geteuid(), Now: time.Now(), Free: freeBytes}
	h.Settings, h.SettingsErr = o.Load(o.Flags, o.Environ)
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if at := h.Settings.OperatorAt(); at != config.Off {
		h.Status, h.StatusErr = control.Client(at).Status(ctx)
		h.Now = time.Now()
	}
	if h.Status != nil {
		h.ofDaemon(o.Load, h.Status.Daemon.PID)
	}
	cfg := &h.Settings
	h.Layout, h.LayoutErr = cgroup.Detect(cfg.CgroupRoot, cfg.ProcRoot)
	h.facts(o.Version)
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err == nil {
		h.Unsynchronised = state.Status&unix.STA_UNSYNC != 0
	}
	if h.AgentURL = cmp.Or(cfg.AgentURL, o.AgentURL); h.AgentURL != "" {
		h.askAgent(ctx)
	}
	if cfg.Policy != "" {
		h.Policy, h.PolicyErr = config.LoadPolicy(cfg.Policy)
	}
	if h.Policy != nil {
		h.Unreadable, _ = Unreadable(cfg, h.Policy.Policy) // the reason is a finding of its own
	}
	if cfg.Decisions.Dir != "" {
		h.Records = lastRecords(cfg.Decisions.Dir, h.Now)
	}
	return h
}

// ofDaemon takes the settings that the daemon itself would load now: those of its
// own command line and environment.
func (h *Host) ofDaemon(load func(*pflag.FlagSet, []string) (config.Config, error), pid int) {
	proc := filepath.Join(h.Settings.ProcRoot, strconv.Itoa(pid))
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	line, err2 := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || err2 != nil {
		return
	}
	flags := pflag.NewFlagSet("estimatord", pflag.ContinueOnError)
	config.Flags(flags)
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if flags.Parse(args[1:]) != nil {
		return
	}
	if f := flags.Lookup("config"); f.Changed && !filepath.IsAbs(f.Value.String()) { // relative to where the daemon was started
		at, _ := os.Readlink(filepath.Join(proc, "cwd"))
		_ = f.Value.Set(filepath.Join(at, f.Value.String())) // it holds any text
	}
	h.Settings, h.SettingsErr = load(flags, strings.Split(string(environ), "\x00"))
	if p, err := process.NewProcess(int32(pid)); err == nil { //nolint:gosec // a process id
		if ms, err := p.CreateTime(); err == nil {
			h.Stepped = h.Status.Daemon.Started.Sub(time.UnixMilli(ms))
		}
	}
}

func (h *Host) askAgent(ctx context.Context) {
	c, err := agentclient.New(h.AgentURL, h.Settings.AgentCredentials, config.Read)
	if err != nil {
		h.AgentErr = err
		return
	}
	h.Agent, h.AgentErr = c.Read(ctx)
}

func (h *Host) facts(version string) {
	h.Facts = Facts{Version: version, Kernel: "unknown", Platform: "unknown", Cgroups: h.Layout.Mode.String()}
	if i, err := host.Info(); err == nil {
		h.Facts.Kernel, h.Facts.Platform = i.KernelVersion, strings.TrimSpace(i.Platform+" "+i.PlatformVersion)
		if i.VirtualizationRole == "guest" {
			h.Facts.Virtual = i.VirtualizationSystem
		}
	}
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) == nil {
		h.Facts.Processors = set.Count()
	}
	if m, err := mem.VirtualMemory(); err == nil {
		h.Facts.MemBytes = m.Total
	}
}

func freeBytes(path string) (uint64, error) {
	u, err := disk.Usage(path)
	if err != nil {
		return 0, err
	}
	return u.Free, nil
}

func lastRecords(dir string, now time.Time) (last []*decision.Record) {
	r, err := decisionlog.Open(dir)
	if err != nil {
		return nil
	}
	for _, one := range r.Backward(decisionlog.Query{Since: now.Add(-recordsOf)}) {
		last = append(last, one)
		if len(last) == maxRecords {
			break
		}
	}
	return last
}

// revocable are the ids of the containers that the daemon knows as revocable.
func (h *Host) revocable() (ids []string) {
	if h.Status == nil {
		return nil
	}
	for i := range h.Status.Containers {
		c := &h.Status.Containers[i]
		if c.OnDisk && c.Class() == snapshot.ClassRevocable {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
