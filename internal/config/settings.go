package config

import (
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

// Limits of settings.
const (
	day   = 24 * time.Hour
	month = 30 * day
	// No estimator kept a rarer violation than one in 500, and a predictor of
	// what happens half of the time predicts no peak.
	leastTarget, mostTarget = 0.002, 0.5
)

// settings is the table of the daemon's settings, in the order of the file and
// of the documentation, bound to c. read reads the files that a value names.
func settings(c *Config, read ReadFile) []key {
	place := func(to *string) value { return text(to, "path", "", checkFilledPath) }
	maybe := func(to *string) value { return text(to, "path", "", checkPath) }
	orOff := func(to *string) value { return text(to, "path|"+Off, "", checkPath) }
	target := func(to *float64) value { return share(to, leastTarget, mostTarget) }
	predictors := predict.Predictors().Names()
	d, r, m, e, a, g := &c.Decisions, &c.Recording, &c.Monitor, &c.Estimator, &c.Allocation, &c.Governor
	pattern := func(to *[]string) value { return list(to, checkRolePattern) }
	return []key{
		{name: "config", flag: true, notInFile: true, value: maybe(&c.File), help: "read settings from this file"},
		{
			name: "mode", flag: true, value: choice(&c.Mode, ModeFixed, ModeUsage, ModeAllocation, ModeBoth, ModeNoop),
			help: "what is offered: a fixed total, measured slack, what is reserved and not allocated, the last two, or nothing",
		},
		{
			name: "resources", flag: true, value: totals(&c.Resources, read),
			help: "in mode fixed the total, else a cap on measured slack: Mesos resource text or JSON, or the file:// URL of a file with either",
		},
		{
			name: "policy", flag: true, value: maybe(&c.Policy),
			help: "file with the rules by which revocable containers are throttled and killed; empty: none ever is",
		},
		{name: "socket", flag: true, value: place(&c.Socket), help: "Unix socket for the agent's module"},
		{
			name: "agent_user", flag: true, value: text(&c.AgentUser, "user", "", noControl),
			help: "user the agent runs as, allowed on the socket besides root; empty: root only",
		},
		{
			name: "agent_url", value: text(&c.AgentURL, "URL", "^(https?://.|unix:///)|^$", checkAgentURL),
			help: "the agent's own API, http://host:port or unix:///path of its domain socket, for names of frameworks and a cross-check of the usage; empty: it is not asked",
		},
		{
			name: "agent_credentials", value: maybe(&c.AgentCredentials),
			help: "file with the principal and the secret for it, as JSON like that of the agent's --credential",
		},
		{
			name: "kill_via_agent_api", value: boolean(&c.KillViaAgentAPI),
			help: "lets kills go to agent_url where the agent has no QoS module; the framework sees TASK_FAILED",
		},
		{
			name: "operator_socket", flag: true, value: orOff(&c.OperatorSocket),
			help: "Unix socket for status, budget, pause and resume, for root and the daemon's own user; empty: operator.sock beside socket",
		},
		{name: "listen", flag: true, value: text(&c.Listen, "host:port|"+Off, "", checkAddress), help: "address of the status page, the API that reads, /metrics and /healthz"},
		{
			name: "listen_insecure", value: boolean(&c.ListenInsecure),
			help: "lets listen be an address that other hosts reach, without TLS",
		},
		{
			name: "web_config", value: maybe(&c.WebConfig),
			help: "Prometheus's web configuration file, with the certificate and the users of listen; empty: plain HTTP",
		},
		{name: "interval", flag: true, value: duration(&c.Interval, 100*time.Millisecond, time.Minute), help: "time between two samples of the node"},
		{name: "cgroup_root", flag: true, value: place(&c.CgroupRoot), help: "where cgroup file systems are mounted"},
		{name: "mesos_cgroups_root", flag: true, value: place(&c.MesosCgroupsRoot), help: "the agent's --cgroups_root, below each hierarchy"},
		{name: "proc_root", flag: true, value: place(&c.ProcRoot), help: "where procfs is mounted"},
		{name: "log_format", flag: true, value: choice(&c.LogFormat, "text", "json"), help: "format of the log on stderr"},
		{name: "log_level", flag: true, value: choice(&c.LogLevel, "debug", "info", "warn", "error"), help: "least severe level that is logged"},
		{name: "state_file", value: maybe(&c.StateFile), help: "keeps over a restart what was learned, and which kills are under way and count in the budget; empty: that is forgotten"},
		{
			name: "journal_file", value: orOff(&c.JournalFile),
			help: "says which containers are throttled, so that a crash leaves none so; empty: beside the socket; off: nothing is throttled or frozen",
		},
		{name: "decisions", value: section(
			key{name: "dir", value: maybe(&d.Dir), help: "keeps every decision with what led to it, for estimatord explain; empty: none is kept"},
			key{name: "max_mib", value: whole(&d.MaxMiB, "number", 1, 1<<20), help: "what that may take on disk, in MiB; the oldest go first"},
		)},
		{name: "recording", value: section(
			key{name: "dir", value: maybe(&r.Dir), help: "records all that the daemon sees, for estimatord replay; empty: nothing is recorded"},
			key{name: "max_mib", value: whole(&r.MaxMiB, "number", 1, 1<<20), help: "what that may take on disk, in MiB; the oldest go first"},
			key{name: "max_age", value: duration(&r.MaxAge, 0, 12*month), help: "age from which a file of it is removed; 0s: none is for its age"},
		)},
		{
			name: "usage_stale_after", value: duration(&c.UsageStaleAfter, time.Second, time.Hour),
			help: "age of the agent's report from which nothing is offered and nothing is killed",
		},
		{name: "sample_stale_after", value: duration(&c.SampleStaleAfter, time.Second, time.Hour), help: "age of a reading from which it counts as absent"},
		{name: "monitor", value: section(
			key{name: "stat_every", value: whole(&m.StatEvery, "number", 1, 3600), help: "samples between two readings of the expensive files (memory.stat)"},
			key{
				name: "cost_budget", value: number(&m.CostBudget, 0.0001, 1),
				help: "share of one CPU that sampling may cost; beyond it the expensive files are read less often",
			},
			key{
				name: "max_wakes", value: whole(&m.MaxWakes, "number", 0, 10),
				help: "early ticks in a second when regular tasks are seen to wait; 0: no look between two ticks",
			},
		)},
		{name: "estimator", value: section(
			key{name: "resources", value: words(&e.Resources, resources.CPUs, resources.Mem), help: "resources that are estimated and offered in mode usage"},
			key{name: "predictor", value: choice(&e.Predictor, predictors...), help: "how the peak of regular containers is predicted"},
			key{name: "shadows", value: words(&e.Shadows, predictors...), help: "predictors that are only scored beside it"},
			key{name: "horizon", value: duration(&e.Horizon, time.Second, day), help: "how far ahead the peak of cpus is predicted"},
			key{
				name: "target_violation", value: target(&e.TargetViolation),
				help: "share of the time in which regular tasks may need more cpus than was kept for them",
			},
			key{name: "early_target_violation", value: target(&e.EarlyTargetViolation), help: "the same for the first 24 hours"},
			key{name: "mem_horizon", value: duration(&e.MemHorizon, time.Second, day), help: "how far ahead the peak of mem is predicted"},
			key{name: "mem_target_violation", value: target(&e.MemTargetViolation), help: "the same share for mem"},
			key{name: "mem_early_target_violation", value: target(&e.MemEarlyTargetViolation), help: "the same for the first 24 hours"},
			key{name: "window", value: duration(&e.Window, 0, month), help: "how far back a windowed predictor looks; 0s: as far as is its own"},
			key{
				name: "margin", value: number(&e.Margin, 0, 1),
				help: "share of what regular containers are allocated that is kept back on top of the predicted peak",
			},
			key{name: "warm_up", value: duration(&e.WarmUp, 0, day), help: "age up to which a container counts at its full allocation"},
			key{
				name: "unmanaged_window", value: duration(&e.UnmanagedWindow, 0, day),
				help: "what runs outside the agent's containers counts with its highest use of this time",
			},
		)},
		{name: "allocation", value: section(
			key{name: "resources", value: list(&a.Resources, checkLendable), help: "resources that are offered of reservations, in the modes that do so"},
			key{name: "cap", value: amounts(&a.Cap), help: "most that is offered of reservations"},
			key{
				name: "hold_off", value: duration(&a.HoldOff, 0, day),
				help: "time after an owner has allocated what was offered in which no more is offered; doubled while that keeps happening",
			},
			key{name: "roles", value: section(
				key{name: "include", value: pattern(&a.Include), help: "roles whose reservations are offered, name/* for those below; empty: all"},
				key{name: "exclude", value: pattern(&a.Exclude), help: "roles whose reservations are not offered"},
				key{
					name: "keep", value: list(&a.Keep, func(s string) error { _, err := parseKeep(s); return err }),
					help: "what stays free of a role's reservation, as role=amounts or role=share: web=cpus:1;mem:512, batch/*=20%",
				},
			)},
		)},
		{name: "governor", value: section(
			key{name: "quantum", value: amounts(&g.Quantum), help: "offers are multiples of this"},
			key{name: "step", value: amounts(&g.Step), help: "most that an offer rises at a time"},
			key{name: "raise_every", value: duration(&g.RaiseEvery, 0, day), help: "least time between two rises of an offer"},
			key{name: "dead_band", value: amounts(&g.DeadBand), help: "an offer stays when it would rise by less than this"},
			key{name: "hold", value: duration(&g.Hold, 0, day), help: "an offer rises only to the least slack of this time"},
			key{name: "hold_after_kill", value: duration(&g.HoldAfterKill, 0, day), help: "time after a kill in which an offer does not rise"},
		)},
	}
}

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "ESTIMATORD_"

func envOf(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// flagOf is the name of a key's flag, "" when it has none.
func flagOf(path string, k *key) string {
	if !k.flag {
		return ""
	}
	return strings.ReplaceAll(path, "_", "-")
}

// Setting is one setting as people see it.
type Setting struct {
	// Key is its place in the file, such as governor.step.
	Key string
	// Flag is its flag without dashes, "" when it has none, Env its environment
	// variable. InFile: it can stand in the file.
	Flag, Env string
	InFile    bool
	// Form says what a value looks like, Help what it means. Choices are the only
	// values or, of a list, elements; nil: anything of that form.
	Form, Help string
	Choices    []string
	// Value is what it is, as it would be written.
	Value string
}

// Settings are all settings with their values in c, in the order of the
// documentation.
func Settings(c *Config) []Setting {
	var all []Setting
	walk(settings(c, nil), "", func(path string, k *key) {
		all = append(all, Setting{
			Key: path, Flag: flagOf(path, k), Env: envOf(path), InFile: !k.notInFile, Form: k.form, Help: k.help, Choices: k.choices(), Value: k.show(),
		})
	})
	return all
}
