package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/agentclient"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// world is a host of ordinary directories, which a case breaks.
type world struct {
	*Host
	t   *testing.T
	dir string
}

// put writes a file below the world's directory.
func (w *world) put(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// detect looks at the cgroups again, after they were changed.
func (w *world) detect() {
	w.Layout, w.LayoutErr = cgroup.Detect(w.Settings.CgroupRoot, w.Settings.ProcRoot)
}

// policy is what a policy file says.
func (w *world) policy(text string) {
	w.t.Helper()
	w.put("etc/policy.yaml", text)
	w.Policy, w.PolicyErr = config.LoadPolicy(filepath.Join(w.dir, "etc/policy.yaml"))
}

const onlyRule = "rules:\n  - {name: cpu, signal: node_cpu, above: 0.95, for: 30s, action: throttle}\n"

// healthy is a node of cgroup v2 with a daemon, an agent and a policy, on which
// nothing is to be found.
func healthy(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, Host: &Host{
		Sys: filepath.Join(dir, "sys"), UID: 0, Now: noon, Free: func(string) (uint64, error) { return 10 << 30, nil },
		Facts: Facts{Version: "1.0.0", Kernel: "6.12.0", Platform: "debian 13", Processors: 4, MemBytes: 8 << 30, Cgroups: "v2"},
	}}
	w.put("cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	w.put("cgroup/mesos/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")
	w.put("cgroup/mesos/batch/memory.low", "0\n")
	w.put("cgroup/mesos/batch/cpu.idle", "0\n")
	w.put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")
	w.put("proc/self/mountinfo", "22 28 0:21 / /proc rw,nosuid - proc proc rw\n")
	w.put("proc/7/status", "Name:\testimatord\nUid:\t0\t0\t0\t0\nCapEff:\t0000000000000002\n")
	w.put("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
	w.put("lib/libestimatord-1.12.0.so", "")
	w.put("var/state.json", "")
	w.put("var/decisions/1", "")

	cfg := config.Default()
	cfg.CgroupRoot, cfg.ProcRoot = filepath.Join(dir, "cgroup"), filepath.Join(dir, "proc")
	cfg.StateFile, cfg.Decisions.Dir = filepath.Join(dir, "var/state.json"), filepath.Join(dir, "var/decisions")
	cfg.Policy = filepath.Join(dir, "etc/policy.yaml")
	w.Settings, w.AgentURL = cfg, "http://127.0.0.1:5051"
	w.detect()
	w.policy(onlyRule)
	w.Agent = &agentclient.State{At: noon, Version: "1.12.0", Flags: map[string]string{
		"modules":            `{"libraries":[{"file":"` + dir + `/lib/libestimatord-1.12.0.so","modules":[{"name":"org_estimatord_ResourceEstimator"},{"name":"org_estimatord_QoSController"}]}]}`,
		"resource_estimator": "org_estimatord_ResourceEstimator", "qos_controller": "org_estimatord_QoSController",
		"isolation": "cgroups/cpu,cgroups/mem", "cgroups_root": "mesos", "cgroups_hierarchy": cfg.CgroupRoot, "containerizers": "mesos",
		"revocable_cpu_low_priority": "true", "oversubscribed_resources_interval": "15secs", "qos_correction_interval_min": "0ns",
	}, Containers: []agentclient.Container{{ID: "batch", CPUSeconds: snapshot.ValueOf(100)}}}
	batch := snapshot.Container{
		Key: snapshot.Key{ID: "batch", Inode: 7}, OnDisk: true, FirstSeen: noon.Add(-time.Hour),
		Executor: &snapshot.Executor{Class: snapshot.ClassRevocable, Revocable: resources.Quantities{{Name: resources.CPUs, Amount: 1000}}},
	}
	batch.CPU.UsageNanos = snapshot.CountOf(101e9)
	w.Status = &control.Status{
		Daemon:     control.Daemon{Version: "1.0.0", ConfigHash: cfg.Hash(), PID: 7, Started: noon.Add(-time.Hour)},
		Tick:       &decision.Record{At: noon, Reported: true, Agent: "agent", UsageAgeSeconds: 3},
		Containers: []control.Container{{Container: batch}},
	}
	return w
}

// broken is a host for each check, and what breaks it.
var broken = map[string]func(w *world){
	"cgroup_unusable":   func(w *world) { w.remove("cgroup"); w.put("cgroup/readme", ""); w.detect() },
	"controller_absent": func(w *world) { w.put("cgroup/cgroup.controllers", "cpuset cpu io pids\n"); w.detect() },
	"agent_tree_absent": func(w *world) { w.remove("cgroup/mesos") },
	"psi_off":           func(w *world) { w.remove("proc/pressure") },
	"hidepid": func(w *world) {
		w.put("proc/7/status", "Uid:\t999\t999\t999\t999\nCapEff:\t0000000000000002\n")
		w.put("proc/self/mountinfo", "22 28 0:21 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n")
	},
	"clock_source_slow":    func(w *world) { w.put("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n") },
	"clock_unsynchronised": func(w *world) { w.Unsynchronised = true },
	"clock_stepped":        func(w *world) { w.Stepped = -24 * time.Hour },
	"not_root":             func(w *world) { w.UID = 1000 },
	"throttle_denied":      func(w *world) { w.put("proc/7/status", "Uid:\t999\t999\t999\t999\nCapEff:\t0000000000000000\n") },
	"others_can_write": func(w *world) {
		if err := os.Chmod(filepath.Join(w.dir, "var/decisions"), 0o777); err != nil {
			w.t.Fatal(err)
		}
	},
	"directory_absent": func(w *world) { w.remove("var") },
	"directory_read_only": func(w *world) {
		at := filepath.Join(w.dir, "var")
		if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_RDONLY, ""); err != nil {
			w.t.Skip(err)
		}
		w.t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	},
	"disk_small":           func(w *world) { w.Free = func(string) (uint64, error) { return 100 << 20, nil } },
	"nothing_learned_kept": func(w *world) { w.Settings.StateFile = "" },
	"no_decision_log":      func(w *world) { w.Settings.Decisions.Dir = "" },
	"agent_not_asked":      func(w *world) { w.AgentURL, w.Agent = "", nil },
	"agent_unreachable": func(w *world) {
		w.Agent, w.AgentErr = nil, fmt.Errorf("%w: dial tcp 127.0.0.1:5051: connect: connection refused", agentclient.ErrUnreachable)
	},
	"agent_denied": func(w *world) { w.Agent, w.AgentErr = nil, fmt.Errorf("%w: 401 Unauthorized", agentclient.ErrDenied) },
	"agent_answer": func(w *world) {
		w.Agent, w.AgentErr = nil, fmt.Errorf("%w: 404 Not Found to GET_VERSION", agentclient.ErrAnswer)
	},
	"module_absent": func(w *world) {
		delete(w.Agent.Flags, "resource_estimator")
		delete(w.Agent.Flags, "qos_controller")
	},
	"qos_controller_absent":     func(w *world) { delete(w.Agent.Flags, "qos_controller") },
	"module_other":              func(w *world) { w.Agent.Flags["resource_estimator"] = "org_apache_mesos_FixedResourceEstimator" },
	"module_version":            func(w *world) { w.Agent.Version = "1.11.0" },
	"module_file_absent":        func(w *world) { w.remove("lib") },
	"low_priority_off":          func(w *world) { w.Agent.Flags["revocable_cpu_low_priority"] = "false" },
	"report_interval":           func(w *world) { w.Agent.Flags["oversubscribed_resources_interval"] = "1mins" },
	"qos_interval":              func(w *world) { w.Agent.Flags["qos_correction_interval_min"] = "30secs" },
	"isolator_absent":           func(w *world) { w.Agent.Flags["isolation"] = "posix/cpu,posix/mem" },
	"cgroups_root_differs":      func(w *world) { w.Agent.Flags["cgroups_root"] = "mesos-2" },
	"cgroups_hierarchy_differs": func(w *world) { w.Agent.Flags["cgroups_hierarchy"] = "/cgroup" },
	"docker_containerizer":      func(w *world) { w.Agent.Flags["containerizers"] = "docker,mesos" },
	"usage_disagrees":           func(w *world) { w.Agent.Containers[0].CPUSeconds = snapshot.ValueOf(1000) },
	"revocable_protected":       func(w *world) { w.put("cgroup/mesos/batch/memory.low", "1073741824\n") },
	"revocable_idle":            func(w *world) { w.put("cgroup/mesos/batch/cpu.idle", "1\n") },
	"daemon_down": func(w *world) {
		w.Status, w.StatusErr = nil, errors.New("no daemon answers: there is no socket /run/estimatord/operator.sock")
	},
	"tick_old":         func(w *world) { w.Status.Tick.At = noon.Add(-time.Minute) },
	"agent_silent":     func(w *world) { w.Status.Tick.Reported = false },
	"settings_changed": func(w *world) { w.Settings.Interval = 2 * time.Second },
	"settings_refused": func(w *world) {
		w.SettingsErr = errors.New("estimatord.yaml:2:11: interval: \"5\" has no unit: write 5s, or ms, m, h\nestimatord.yaml:6:3: estimator.windw: unknown key")
	},
	"paused": func(w *world) { w.Status.Daemon.PausedSince = noon.Add(-time.Hour) },
	"budget_spent": func(w *world) {
		w.Status.Tick.QoS.Budget.Used, w.Status.Tick.QoS.Budget.OpenSince = 5, noon.Add(-time.Minute)
	},
	"no_policy": func(w *world) {
		w.Settings.Policy, w.Policy = "", nil
	},
	"policy_refused": func(w *world) { w.policy("rules:\n  - {name: cpu, signal: node_cpus}\n") },
	"policy_lint":    func(w *world) { w.policy("shadow: true\n" + onlyRule) },
	"rule_blind": func(w *world) {
		w.Unreadable = map[policy.Signal]snapshot.Absence{signal.NodeCPU: snapshot.NoFile}
	},
	"rule_in_noise": func(w *world) {
		hash := w.Policy.Policy.Hash()
		for i := range 100 {
			r := &decision.Record{PolicyHash: hash}
			s := qos.RuleState{Name: "cpu", Exceeded: i%2 == 0}
			s.Value = snapshot.ValueOf(0.9)
			r.QoS.Rules = []qos.RuleState{s}
			w.Records = append(w.Records, r)
		}
	},
}

// golden compares a text with testdata/name.txt; UPDATE_DOCS=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s; UPDATE_DOCS=1 writes it (-want +got):\n%s", path, diff)
	}
}

// Each check has a broken host on which it is found, with the whole output kept;
// on a healthy one nothing is found.
func TestBrokenHosts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root is told who else can write")
	}
	hosts := map[string]func(*world){"healthy": func(*world) {}}
	for _, c := range Checks() {
		if hosts[c.Code] = broken[c.Code]; broken[c.Code] == nil {
			t.Fatalf("no host is broken for %s", c.Code)
		}
	}
	if len(hosts) != len(broken)+1 {
		t.Errorf("%d hosts are broken for %d checks", len(broken), len(table))
	}
	for code, breaks := range hosts {
		t.Run(code, func(t *testing.T) {
			w := healthy(t)
			breaks(w)
			if w.Status != nil && code != "settings_changed" {
				w.Status.Daemon.ConfigHash = w.Settings.Hash()
			}
			report := Examine(w.Host)
			if found := slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Code == code }); found != (code != "healthy") {
				t.Errorf("found: %v", found)
			}
			var text strings.Builder
			if err := report.Text(&text); err != nil {
				t.Fatal(err)
			}
			golden(t, code, steady(strings.ReplaceAll(text.String(), w.dir, "HOST")))
		})
	}
}

// steady is a text without what depends on the name of the directory: hashes of
// settings, and where lines are wrapped.
func steady(text string) string {
	text = regexp.MustCompile(`\n {15}`).ReplaceAllString(text, " ")
	return regexp.MustCompile(`\b[0-9a-f]{12}\b`).ReplaceAllString(text, "HASH")
}

func TestJSONHasAllOfTheText(t *testing.T) {
	w := healthy(t)
	broken["paused"](w)
	broken["agent_silent"](w)
	report := Examine(w.Host)
	var text strings.Builder
	if err := report.JSON(&text); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Host     Facts
		Findings []struct{ Code, Severity, Found, Meaning, Cure, Link string }
	}
	if err := json.Unmarshal([]byte(text.String()), &got); err != nil {
		t.Fatal(err)
	}
	if report.Worst() != Error || len(got.Findings) != 2 || got.Findings[0].Severity != "error" || got.Findings[0].Code != "agent_silent" || got.Host != w.Facts {
		t.Errorf("worst %s, got %+v", report.Worst(), got)
	}
	for _, f := range got.Findings {
		if f.Found == "" || f.Meaning == "" || f.Cure == "" || f.Link == "" {
			t.Errorf("%+v lacks something", f)
		}
	}
}

// Whatever an agent or a task puts into a name, a terminal shows text.
func TestNamesDoNotAttackTerminals(t *testing.T) {
	w := healthy(t)
	w.Agent.Flags["resource_estimator"] = "\x1b]0;owned\x07\u202e"
	w.Agent.Flags["isolation"] = "\u009b31m"
	var text strings.Builder
	if err := Examine(w.Host).Text(&text); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\x07\u009b\u202e") {
		t.Errorf("%q", text.String())
	}
}

var sentence = regexp.MustCompile(`^[A-Za-z].*[.]$|^estimatord [a-z]+$`)

// docs/reference/doctor.md has the table; UPDATE_DOCS=1 writes it.
func TestDocumentedChecks(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("| code | severity | what it means | what to do | see |\n|---|---|---|---|---|\n")
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.Code] || !regexp.MustCompile(`^[a-z][a-z_]+$`).MatchString(c.Code) {
			t.Errorf("the code %q is there twice, or none", c.Code)
		}
		seen[c.Code] = true
		if !sentence.MatchString(c.Meaning) || !sentence.MatchString(c.Cure) {
			t.Errorf("%s: no sentence: %q, %q", c.Code, c.Meaning, c.Cure)
		}
		link, err := filepath.Rel("docs/reference", c.Link)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join("../..", c.Link)); err != nil && c.Link != "docs/reference/doctor.md" {
			t.Errorf("%s: %v", c.Code, err)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s | [%s](%s) |\n", c.Code, c.Severity, c.Meaning, c.Cure, filepath.Base(link), link)
	}
	const path = "../../docs/reference/doctor.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- checks -->\n", "<!-- end of checks -->\n"
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table", path)
	}
	want := head + begin + rows.String() + end + tail
	if string(page) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the table of checks says; run UPDATE_DOCS=1 go test ./internal/doctor\n%s", path, cmp.Diff(string(page), want))
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
