package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// Mode is which estimator answers.
type Mode string

// The modes.
const (
	// ModeFixed offers Resources less what is allocated as revocable: Mesos's
	// own fixed estimator.
	ModeFixed Mode = "fixed"
	// ModeUsage offers what regular containers are allocated and are not
	// predicted to need.
	ModeUsage Mode = "usage"
	// ModeAllocation offers what is reserved to roles that they have not allocated,
	// ModeBoth that beside what ModeUsage offers.
	ModeAllocation Mode = "allocation"
	ModeBoth       Mode = "usage+allocation"
	// ModeNoop offers nothing.
	ModeNoop Mode = "noop"
)

// Config is everything an operator can set. Each field is one row of the table
// in settings.go, which holds its key, its limits and its meaning.
type Config struct {
	// File is where the rest may come from.
	File string

	Mode      Mode
	Resources resources.Quantities
	Policy    string

	Socket    string
	AgentUser string
	Listen    string
	// ListenInsecure lets other hosts read without TLS, WebConfig is the file that
	// says how with it.
	ListenInsecure bool
	WebConfig      string

	// AgentURL is where the agent's own API is, "" when it is not to be asked;
	// AgentCredentials is a file. KillViaAgentAPI: where no QoS module is loaded,
	// kills go there.
	AgentURL         string
	AgentCredentials string
	KillViaAgentAPI  bool

	Interval         time.Duration
	CgroupRoot       string
	MesosCgroupsRoot string
	ProcRoot         string

	LogFormat string
	LogLevel  string

	// StateFile keeps what was learned over a restart; "" keeps nothing.
	StateFile string
	// JournalFile says what is throttled, for a start after a crash; "" is
	// beside the socket, Off nowhere, and nothing is throttled then.
	JournalFile string
	// OperatorSocket is where operators ask and order; "" is beside Socket, Off
	// nowhere.
	OperatorSocket string

	UsageStaleAfter  time.Duration
	SampleStaleAfter time.Duration

	Decisions Decisions
	Recording Recording
	Monitor   Monitor
	Estimator Estimator
	// Allocation is what of reservations is offered, in the modes that do so.
	Allocation Allocation
	Governor   Governor
}

// Estimates reports whether the mode offers usage slack.
func (m Mode) Estimates() bool { return m == ModeUsage || m == ModeBoth }

// Reserves reports whether it offers what is reserved and not allocated.
func (m Mode) Reserves() bool { return m == ModeAllocation || m == ModeBoth }

// Hash tells settings apart: the first digits of the SHA-256 of their values as
// JSON. What File holds does not count, only what came of it.
func (c *Config) Hash() string {
	values := *c
	values.File = ""
	text, err := json.Marshal(values)
	if err != nil { // a number that JSON does not know, which loading refuses
		return "invalid"
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Decisions is where the log of decisions is.
type Decisions struct {
	// Dir is its directory; "": there is none.
	Dir string
	// MaxMiB is what all its files may take together.
	MaxMiB int
}

// Recording is where all that the daemon sees is recorded.
type Recording struct {
	// Dir is its directory; "": nothing is recorded.
	Dir string
	// MaxMiB is what all its files may take together, MaxAge the age from which
	// one is removed; 0: none is for its age.
	MaxMiB int
	MaxAge time.Duration
}

// Monitor is how the node is read.
type Monitor struct {
	StatEvery int
	// CostBudget is the share of one CPU that sampling may cost.
	CostBudget float64
	// MaxWakes is how many early ticks a second the fast sampler may ask for; 0
	// turns it off.
	MaxWakes int
}

// Estimator is how the need of regular containers is predicted.
type Estimator struct {
	Resources []string
	Predictor string
	// Shadows are predictors that are only scored beside it.
	Shadows []string
	// Horizon, TargetViolation and EarlyTargetViolation are the promise for
	// cpus; the Mem ones that for mem.
	Horizon, MemHorizon                           time.Duration
	TargetViolation, MemTargetViolation           float64
	EarlyTargetViolation, MemEarlyTargetViolation float64

	Window          time.Duration
	Margin          float64
	WarmUp          time.Duration
	UnmanagedWindow time.Duration
}

// Allocation is what is offered of reservations.
type Allocation struct {
	Resources []string
	Cap       resources.Quantities
	HoldOff   time.Duration
	// Include and Exclude choose roles, Keep says what stays free for them.
	Include, Exclude []string
	Keep             []string
}

// Governor is how the offer follows the slack; the amounts are per resource.
type Governor struct {
	Quantum       resources.Quantities
	Step          resources.Quantities
	RaiseEvery    time.Duration
	DeadBand      resources.Quantities
	Hold          time.Duration
	HoldAfterKill time.Duration
}

// OperatorAt is the path of the operator's socket, Off when there is none.
func (c *Config) OperatorAt() string {
	if c.OperatorSocket == "" {
		return filepath.Join(filepath.Dir(c.Socket), "operator.sock")
	}
	return c.OperatorSocket
}

// Default is what holds where nothing is set, with the evidence for each
// number.
func Default() Config {
	return Config{
		Mode: ModeUsage,
		// The place the agent's module looks at.
		Socket: "/run/estimatord/agent.sock",
		// Loopback: metrics tell a lot about a node.
		Listen: "127.0.0.1:9742",
		// koordlet, WCA and systemd-oomd sample each second; 10 s is known to be
		// too slow to see a node run full (kubernetes#31362).
		Interval:         time.Second,
		CgroupRoot:       "/sys/fs/cgroup",
		MesosCgroupsRoot: "mesos", // the default of the agent's --cgroups_root
		ProcRoot:         "/proc",
		LogFormat:        "text",
		LogLevel:         "info",
		// Three of the agent's reports, one per 15 s by default
		// (oversubscribed_resources_interval, src/slave/flags.cpp).
		UsageStaleAfter: 45 * time.Second,
		// koordlet gives up on a system reading after 10 s as well.
		SampleStaleAfter: 10 * time.Second,
		// Weeks of a small node, days of a large one (docs/reference/decision-log.md).
		Decisions: Decisions{MaxMiB: 256},
		// Three weeks of 50 containers.
		Recording: Recording{MaxMiB: 1024},
		// memory.stat costs more than all other files together and moves slowly.
		// 1000 containers at 1 s cost about as much as the budget.
		Monitor: Monitor{StatEvery: 10, CostBudget: 0.015, MaxWakes: 2},
		Estimator: Estimator{
			// Memory is not compressible: what is used of it can only be taken back
			// by killing, so an operator must want it.
			Resources: []string{resources.CPUs},
			// The only one that keeps a declared promise on every public trace
			// (docs/internals/estimators.md), so the others are scored beside it.
			Predictor: "tce",
			Shadows:   []string{"container-max", "node-max"},
			// Time enough to take back what is used: notice, kill, restart. For
			// memory a broken promise is an OOM kill, so it is stricter.
			Horizon: 5 * time.Minute, MemHorizon: time.Hour,
			TargetViolation: 0.01, MemTargetViolation: 0.005,
			// 0.4 of the target for a first day kept 2 % on every public trace.
			EarlyTargetViolation: 0.004, MemEarlyTargetViolation: 0.002,
			// Each windowed predictor's own.
			Window: 0,
			// tce brings its own. Windowed predictors want some: koordlet keeps
			// 10 %, VPA 15 %, crane 20 %.
			Margin: 0,
			// One of the agent's intervals: each minute more costs a tenth of the
			// savings where tasks are short (docs/internals/estimators.md).
			WarmUp:          15 * time.Second,
			UnmanagedWindow: time.Minute,
		},
		Allocation: Allocation{
			// CPU can be given back at once.
			Resources: []string{resources.CPUs},
			// An owner that came once may come again, as after a kill.
			HoldOff: 5 * time.Minute,
		},
		Governor: Governor{
			// Frameworks ask for tenths of a CPU; a finer offer only makes the
			// master rescind more often.
			Quantum: resources.Quantities{{Name: resources.CPUs, Amount: 100}, {Name: resources.Mem, Amount: 64_000}},
			// koordlet raises by 10 % of the node per round, Katalyst by 0.3 to
			// 4 CPUs: one CPU is a tenth of a small server.
			Step: resources.Quantities{{Name: resources.CPUs, Amount: 1_000}, {Name: resources.Mem, Amount: 1024_000}},
			// The agent asks once per 15 s by default, so more often is unseen.
			RaiseEvery: 15 * time.Second,
			// Katalyst 0.3 CPUs and 300 MiB; Serenity's noise floor 0.25 CPUs.
			DeadBand: resources.Quantities{{Name: resources.CPUs, Amount: 250}, {Name: resources.Mem, Amount: 256_000}},
			// One of the agent's intervals: what keeps the offer calm is a
			// dead-band that follows the slack's volatility (docs/internals/estimators.md).
			Hold: 15 * time.Second,
			// kubelet, Heracles, crane and Katalyst all wait 5 minutes.
			HoldAfterKill: 5 * time.Minute,
		},
	}
}
