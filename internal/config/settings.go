package config

import (
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "ESTIMATORD_"

// Setting is one row of the table: a value of Config and every way to set it.
type Setting struct {
	// Key is its place in the file, such as governor.step.
	Key string
	// Flag is its flag without dashes, "" when it has none: what is tuned once
	// and kept belongs into the file.
	Flag string
	// Env is its environment variable.
	Env string
	// Help says what it means, in one sentence without a full stop.
	Help string

	form
	// notInFile: it says where the file is.
	notInFile bool
}

// Form says what the value looks like.
func (s *Setting) Form() string { return s.name }

// Value is the setting's value in c, as it would be written.
func (s *Setting) Value(c *Config) string { return s.get(c) }

// InFile reports whether it can stand in the file.
func (s *Setting) InFile() bool { return !s.notInFile }

// Limits of durations.
const (
	day   = 24 * time.Hour
	month = 30 * day
)

// Settings is the table, in the order of the file and of the documentation.
func Settings() []Setting {
	flagged := func(key, help string, f form) Setting {
		return Setting{Key: key, Flag: strings.ReplaceAll(key, "_", "-"), Env: envOf(key), Help: help, form: f}
	}
	filed := func(key, help string, f form) Setting {
		return Setting{Key: key, Env: envOf(key), Help: help, form: f}
	}
	file := flagged("config", "read settings from this file", anyText("path", func(c *Config) *string { return &c.File }))
	file.notInFile = true
	return []Setting{
		file,
		flagged("mode", "what is offered: a fixed total, measured slack, or nothing",
			choice(func(c *Config) *Mode { return &c.Mode }, ModeFixed, ModeUsage, ModeNoop)),
		flagged("resources", "in mode fixed the total, in mode usage a cap: Mesos resource text or JSON, or a file:// URL or absolute path of either",
			amountsOrFile(func(c *Config) *resources.Quantities { return &c.Resources })),
		flagged("policy", "file with the rules by which revocable containers are killed; empty: none ever is",
			anyText("path", func(c *Config) *string { return &c.Policy })),
		flagged("socket", "Unix socket for the agent's module",
			somePath(func(c *Config) *string { return &c.Socket })),
		flagged("agent_user", "user the agent runs as, allowed on the socket besides root; empty: root only",
			anyText("user", func(c *Config) *string { return &c.AgentUser })),
		flagged("operator_socket", "Unix socket for status, budget, pause and resume, for root and the daemon's own user; empty: operator.sock beside socket",
			anyText("path|"+Off, func(c *Config) *string { return &c.OperatorSocket })),
		flagged("listen", "address for /metrics and /healthz",
			address(func(c *Config) *string { return &c.Listen })),
		flagged("interval", "time between two samples of the node",
			duration(func(c *Config) *time.Duration { return &c.Interval }, 100*time.Millisecond, time.Minute)),
		flagged("cgroup_root", "where cgroup file systems are mounted",
			somePath(func(c *Config) *string { return &c.CgroupRoot })),
		flagged("mesos_cgroups_root", "the agent's --cgroups_root, below each hierarchy",
			somePath(func(c *Config) *string { return &c.MesosCgroupsRoot })),
		flagged("proc_root", "where procfs is mounted",
			somePath(func(c *Config) *string { return &c.ProcRoot })),
		flagged("log_format", "format of the log on stderr",
			choice(func(c *Config) *string { return &c.LogFormat }, "text", "json")),
		flagged("log_level", "least severe level that is logged",
			choice(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")),
		filed("state_file", "keeps what was learned over a restart; empty: it is learned anew",
			anyText("path", func(c *Config) *string { return &c.StateFile })),
		filed("journal_file", "says which containers are throttled, so that a crash leaves none so; empty: beside the socket; off: nothing is throttled or frozen",
			anyText("path|"+Off, func(c *Config) *string { return &c.JournalFile })),
		filed("decisions.dir", "keeps every decision with what led to it, for estimatord explain; empty: none is kept",
			anyText("path", func(c *Config) *string { return &c.Decisions.Dir })),
		filed("decisions.max_mib", "what that may take on disk, in MiB; the oldest go first",
			whole(func(c *Config) *int { return &c.Decisions.MaxMiB }, 1, 1<<20)),
		filed("recording.dir", "records all that the daemon sees, for estimatord replay; empty: nothing is recorded",
			anyText("path", func(c *Config) *string { return &c.Recording.Dir })),
		filed("recording.max_mib", "what that may take on disk, in MiB; the oldest go first",
			whole(func(c *Config) *int { return &c.Recording.MaxMiB }, 1, 1<<20)),
		filed("recording.max_age", "age from which a file of it is removed; 0s: none is for its age",
			duration(func(c *Config) *time.Duration { return &c.Recording.MaxAge }, 0, 12*month)),
		filed("usage_stale_after", "age of the agent's report from which nothing is offered and nothing is killed",
			duration(func(c *Config) *time.Duration { return &c.UsageStaleAfter }, time.Second, time.Hour)),
		filed("sample_stale_after", "age of a reading from which it counts as absent",
			duration(func(c *Config) *time.Duration { return &c.SampleStaleAfter }, time.Second, time.Hour)),
		filed("monitor.stat_every", "samples between two readings of the expensive files (memory.stat)",
			whole(func(c *Config) *int { return &c.Monitor.StatEvery }, 1, 3600)),
		filed("monitor.cost_budget", "share of one CPU that sampling may cost; beyond it the expensive files are read less often",
			number(func(c *Config) *float64 { return &c.Monitor.CostBudget }, 0.0001, 1)),
		filed("monitor.max_wakes", "early ticks in a second when regular tasks are seen to wait; 0: no look between two ticks",
			whole(func(c *Config) *int { return &c.Monitor.MaxWakes }, 0, 10)),
		filed("estimator.resources", "resources that are estimated and offered in mode usage",
			words(func(c *Config) *[]string { return &c.Estimator.Resources }, resources.CPUs, resources.Mem)),
		filed("estimator.predictor", "how the peak of regular containers is predicted",
			choice(func(c *Config) *string { return &c.Estimator.Predictor }, predict.Predictors().Names()...)),
		filed("estimator.shadows", "predictors that are only scored beside it",
			wordsOrNone(func(c *Config) *[]string { return &c.Estimator.Shadows }, predict.Predictors().Names()...)),
		filed("estimator.horizon", "how far ahead the promise for cpus holds",
			duration(func(c *Config) *time.Duration { return &c.Estimator.Horizon }, time.Second, day)),
		filed("estimator.target_violation", "share of the time in which regular tasks may need more cpus than was kept for them",
			target(func(c *Config) *float64 { return &c.Estimator.TargetViolation })),
		filed("estimator.early_target_violation", "the same for the first 24 hours",
			target(func(c *Config) *float64 { return &c.Estimator.EarlyTargetViolation })),
		filed("estimator.mem_horizon", "how far ahead the promise for mem holds",
			duration(func(c *Config) *time.Duration { return &c.Estimator.MemHorizon }, time.Second, day)),
		filed("estimator.mem_target_violation", "the promise for mem",
			target(func(c *Config) *float64 { return &c.Estimator.MemTargetViolation })),
		filed("estimator.mem_early_target_violation", "the same for the first 24 hours",
			target(func(c *Config) *float64 { return &c.Estimator.MemEarlyTargetViolation })),
		filed("estimator.window", "how far back a windowed predictor looks; 0s: as far as is its own",
			duration(func(c *Config) *time.Duration { return &c.Estimator.Window }, 0, month)),
		filed("estimator.margin", "share of what regular containers hold that is kept back on top of the predicted peak",
			number(func(c *Config) *float64 { return &c.Estimator.Margin }, 0, 1)),
		filed("estimator.warm_up", "age up to which a container counts at its full allocation",
			duration(func(c *Config) *time.Duration { return &c.Estimator.WarmUp }, 0, day)),
		filed("estimator.unmanaged_window", "what runs outside the agent's containers counts with its highest use of this time",
			duration(func(c *Config) *time.Duration { return &c.Estimator.UnmanagedWindow }, 0, day)),
		filed("governor.quantum", "offers are multiples of this",
			amounts(func(c *Config) *resources.Quantities { return &c.Governor.Quantum })),
		filed("governor.step", "most that an offer rises at a time",
			amounts(func(c *Config) *resources.Quantities { return &c.Governor.Step })),
		filed("governor.raise_every", "least time between two rises of an offer",
			duration(func(c *Config) *time.Duration { return &c.Governor.RaiseEvery }, 0, day)),
		filed("governor.dead_band", "an offer stays when it would rise by less than this",
			amounts(func(c *Config) *resources.Quantities { return &c.Governor.DeadBand })),
		filed("governor.hold", "an offer rises only to the least slack of this time",
			duration(func(c *Config) *time.Duration { return &c.Governor.Hold }, 0, day)),
		filed("governor.hold_after_kill", "time after a kill in which an offer does not rise",
			duration(func(c *Config) *time.Duration { return &c.Governor.HoldAfterKill }, 0, day)),
	}
}

func envOf(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// settingNamed is the row of that key.
func settingNamed(settings []Setting, key string) *Setting {
	i := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == key })
	return &settings[i]
}
