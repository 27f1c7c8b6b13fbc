package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/resources"
)

// files reads from a map.
func files(m map[string]string) ReadFile {
	return func(name string) ([]byte, error) {
		if text, ok := m[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

func flagSet(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("estimatord", pflag.ContinueOnError)
	Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestNothingSetIsTheDefault(t *testing.T) {
	got, from, err := Load(flagSet(t), []string{"PATH=/bin", "ESTIMATOR=x"}, files(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("(-default +got):\n%s", diff)
	}
	if changed := from.Changed(&got); changed != nil {
		t.Errorf("changed: %v", changed)
	}
}

func TestPrecedence(t *testing.T) {
	read := files(map[string]string{
		"e.yaml": "interval: 2s\nlisten: 127.0.0.1:1\n",
		"f.yaml": "interval: 3s\nlisten: 127.0.0.1:2\ncgroup_root: /f\nproc_root: /f\nestimator:\n  margin: 0.3\n",
	})
	env := []string{"ESTIMATORD_CONFIG=e.yaml", "ESTIMATORD_CGROUP_ROOT=/e", "ESTIMATORD_INTERVAL=4s", "ESTIMATORD_GOVERNOR_RAISE_EVERY=1m", "ESTIMATORD_ESTIMATOR_RESOURCES=cpus, mem"}
	got, from, err := Load(flagSet(t, "--config=f.yaml", "--interval=5s", "--resources=cpus:4;mem:32"), env, read)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.File, want.Interval, want.Listen, want.CgroupRoot, want.ProcRoot = "f.yaml", 5*time.Second, "127.0.0.1:2", "/e", "/f"
	want.Estimator.Resources = []string{"cpus", "mem"}
	want.Estimator.Margin, want.Governor.RaiseEvery = 0.3, time.Minute
	want.Resources = resources.Quantities{{Name: "cpus", Amount: 4000}, {Name: "mem", Amount: 32000}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	changed := []Value{
		{"config", "f.yaml", "--config"},
		{"resources", "cpus:4;mem:32", "--resources"},
		{"listen", "127.0.0.1:2", "f.yaml:2"},
		{"interval", "5s", "--interval"},
		{"cgroup_root", "/e", "ESTIMATORD_CGROUP_ROOT"},
		{"proc_root", "/f", "f.yaml:4"},
		{"estimator.resources", "cpus,mem", "ESTIMATORD_ESTIMATOR_RESOURCES"},
		{"estimator.margin", "0.3", "f.yaml:6"},
		{"governor.raise_every", "1m", "ESTIMATORD_GOVERNOR_RAISE_EVERY"},
	}
	if diff := cmp.Diff(changed, from.Changed(&got)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// What is written down and is the default all the same is no change.
func TestTheExampleChangesNothing(t *testing.T) {
	c, from, err := Load(nil, []string{"ESTIMATORD_CONFIG=" + exampleConfig}, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Value{{"config", exampleConfig, "ESTIMATORD_CONFIG"}}, from.Changed(&c)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// Each row sets exactly one field of Config, no two the same, and every field
// has a row: a setting that has no effect cannot be.
func TestEveryFieldHasOneSetting(t *testing.T) {
	samples := map[string]string{
		"mode": "noop", "interval": "7s", "listen": "[::1]:80", "listen_insecure": "true", "agent_url": "http://127.0.0.1:5051", "kill_via_agent_api": "true", "log_format": "json", "log_level": "warn", "resources": "cpus:9",
		"usage_stale_after": "7s", "sample_stale_after": "7s", "monitor.stat_every": "7", "monitor.cost_budget": "0.7", "monitor.max_wakes": "7", "estimator.resources": "mem",
		"estimator.predictor": "node-max", "estimator.window": "7m", "estimator.horizon": "7s", "estimator.margin": "0.7", "estimator.warm_up": "7s",
		"governor.quantum": "cpus:7", "governor.step": "cpus:7", "governor.raise_every": "7s", "governor.dead_band": "cpus:7", "governor.hold_after_kill": "7s",
		"estimator.unmanaged_window": "7s", "governor.hold": "7s",
		"estimator.shadows": "fixed-share", "estimator.mem_horizon": "7s", "decisions.max_mib": "7", "recording.max_mib": "7", "recording.max_age": "7s",
		"estimator.target_violation": "7%", "estimator.early_target_violation": "7%",
		"estimator.mem_target_violation": "7%", "estimator.mem_early_target_violation": "7%",
		"allocation.resources": "disk", "allocation.cap": "cpus:7", "allocation.hold_off": "7s",
		"allocation.roles.include": "web", "allocation.roles.exclude": "eng/*", "allocation.roles.keep": "web=7%",
	}
	leaves := map[string]string{}
	c := Default()
	walk(settings(&c, files(nil)), "", func(path string, k *key) {
		c = Default()
		sample, ok := samples[path]
		if !ok {
			sample = "/sample"
		}
		if k.clear != nil {
			k.clear()
		}
		if err := k.set(sample); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got := k.show(); got != sample {
			t.Errorf("%s: set %q, got %q", path, sample, got)
		}
		def := Default()
		changed := differing("", reflect.ValueOf(def), reflect.ValueOf(c))
		if len(changed) != 1 {
			t.Fatalf("%s changes %v", path, changed)
		}
		if other := leaves[changed[0]]; other != "" {
			t.Errorf("%s and %s both set %s", other, path, changed[0])
		}
		leaves[changed[0]] = path
	})
	for _, leaf := range allLeaves("", reflect.TypeFor[Config]()) {
		if leaves[leaf] == "" {
			t.Errorf("no setting sets %s", leaf)
		}
	}
}

func differing(path string, a, b reflect.Value) (paths []string) {
	if a.Kind() != reflect.Struct {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			return []string{path}
		}
		return nil
	}
	for i := range a.NumField() {
		paths = append(paths, differing(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))...)
	}
	return paths
}

func allLeaves(path string, t reflect.Type) (paths []string) {
	if t.Kind() != reflect.Struct {
		return []string{path}
	}
	for i := range t.NumField() {
		paths = append(paths, allLeaves(path+"."+t.Field(i).Name, t.Field(i).Type)...)
	}
	return paths
}

func TestResourcesFromFiles(t *testing.T) {
	read := files(map[string]string{
		"/r.txt": "cpus:4;mem:1024\n", "/r.json": `[{"name":"cpus","type":"SCALAR","scalar":{"value":4}}]`, "/bad": "cpus:x", "/zero": "cpus:0", "/secret": "root:x:0:0::/root:/bin/sh\n",
	})
	for text, want := range map[string]string{
		"cpus:4": "cpus:4", "file:///r.txt": "cpus:4;mem:1024", "file:///r.json": "cpus:4", "": "",
		`[{"name":"cpus","type":"SCALAR","scalar":{"value":1.5}}]`: "cpus:1.5",
	} {
		c, _, err := Load(flagSet(t, "--mode=noop", "--resources="+text), nil, read)
		if err != nil || c.Resources.String() != want {
			t.Errorf("%q: %q, %v; want %q", text, c.Resources, err, want)
		}
	}
	for text, want := range map[string]string{
		"file:///none":   "--resources: open /none: file does not exist",
		"file://r.txt":   `--resources: "file://r.txt" is not an absolute path`,
		"file:///zero":   "--resources: /zero: names no amount above zero (mode noop offers nothing)",
		"cpus:0":         "--resources: names no amount above zero (mode noop offers nothing)",
		"/etc/passwd":    `--resources: "/etc/passwd" looks like a path: write file:///etc/passwd to read amounts from it`,
		"cpus(role):4":   "only unreserved scalars can be offered as revocable",
		"ports:[1-2]":    "only unreserved scalars can be offered as revocable",
		"file:///bad":    "--resources: /bad: entry 1: expecting a decimal number of zero or more",
		"file:///secret": "--resources: /secret: entry 1: missing or extra ':'",
		"CPUS:4":         `--resources: "CPUS" is not one of cpus, mem, disk (did you mean cpus?)`,
		"cpu:4":          `--resources: "cpu" is not one of cpus, mem, disk (did you mean cpus?)`,
		"mem:1;Memory:4": `--resources: "Memory" is not one of cpus, mem, disk (did you mean mem?)`,
		"cpus{REV}:4":    `--resources: "cpus{REV}" is not one of cpus, mem, disk (did you mean cpus?)`,
		"cores:4":        `(did you mean cpus?)`,
		"licences:4":     `--resources: "licences" is not one of cpus, mem, disk`,
		"cpus:4;mem:1GB": "--resources: invalid resources",
	} {
		_, _, err := Load(flagSet(t, "--resources="+text), nil, read)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestFaultsOfFlagsAndEnvironment(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"unit", []string{"--interval=5"}, nil, `--interval: "5" has no unit: write 5s, or ms, m, h`},
		{"range", nil, []string{"ESTIMATORD_INTERVAL=1ms"}, `ESTIMATORD_INTERVAL: "1ms" is not between 100ms and 1m`},
		{"choice", []string{"--mode=fixd"}, nil, `--mode: "fixd" is not one of fixed|usage|allocation|usage+allocation|noop (did you mean fixed?)`},
		{"unknown variable", nil, []string{"ESTIMATORD_INTERVALL=1s"}, `ESTIMATORD_INTERVALL: unknown environment variable (did you mean ESTIMATORD_INTERVAL?)`},
		{"variable of a section", nil, []string{"ESTIMATORD_ESTIMATOR=1s"}, `ESTIMATORD_ESTIMATOR: unknown environment variable`},
		{"port", []string{"--listen=localhost:http"}, nil, `--listen: "localhost:http" has no port number between 0 and 65535`},
		{"address", []string{"--listen=9742"}, nil, `--listen: "9742" is not host:port or off`},
		{"no file", []string{"--config=none.yaml"}, nil, "--config: open none.yaml: file does not exist"},
		{"no file by the environment", nil, []string{"ESTIMATORD_CONFIG=none.yaml"}, "ESTIMATORD_CONFIG: open none.yaml: file does not exist"},
		{"fixed without a total", []string{"--mode=fixed"}, nil, "--mode: resources: mode fixed needs the total to offer, such as cpus:4"},
		{"a cap on what is not estimated", []string{"--resources=cpus:1;mem:64"}, nil, "--resources: caps mem, which estimator.resources does not estimate"},
		{"a list", nil, []string{"ESTIMATORD_ESTIMATOR_RESOURCES=cpus,disk"}, `ESTIMATORD_ESTIMATOR_RESOURCES: "disk" is not one of cpus, mem`},
		{"nothing in a list", nil, []string{"ESTIMATORD_ESTIMATOR_RESOURCES=cpus,,mem"}, `ESTIMATORD_ESTIMATOR_RESOURCES: "" is not one of cpus, mem`},
		{"twice in a list", nil, []string{"ESTIMATORD_ESTIMATOR_RESOURCES=cpus,cpus"}, `ESTIMATORD_ESTIMATOR_RESOURCES: "cpus" is listed twice`},
		{"out of the hierarchy", []string{"--mesos-cgroups-root=../x"}, nil, `--mesos-cgroups-root: "../x" leads out of the hierarchy`},
		{"stale at once", []string{"--interval=6s"}, nil, `--interval: sample_stale_after: 10s is less than two intervals of 6s: every reading would be stale`},
		{"no quantum", nil, []string{"ESTIMATORD_GOVERNOR_QUANTUM=mem:64"}, `ESTIMATORD_GOVERNOR_QUANTUM: "mem:64" has no cpus, which is estimated`},
		{"step below quantum", nil, []string{"ESTIMATORD_GOVERNOR_STEP=cpus:0.05"}, `ESTIMATORD_GOVERNOR_STEP: cpus:0.05 is less than the quantum of 0.1, no offer would ever rise`},
		{"control character", []string{"--socket=/run/a\nb"}, nil, `--socket: "/run/a\nb" holds a control character`},
		{"an address for a path", []string{"--socket=unix:///run/x"}, nil, `--socket: "unix:///run/x" is an address, where a path is expected: write "/run/x"`},
		{"an address of gRPC", nil, []string{"ESTIMATORD_OPERATOR_SOCKET=unix:/run/x"}, `ESTIMATORD_OPERATOR_SOCKET: "unix:/run/x" is an address, where a path is expected: write "/run/x"`},
		{"amounts nobody has", nil, []string{"ESTIMATORD_GOVERNOR_DEAD_BAND=cpu:1"}, `ESTIMATORD_GOVERNOR_DEAD_BAND: "cpu" is not one of cpus, mem, disk (did you mean cpus?)`},
		{"a long value", []string{"--interval=" + strings.Repeat("x", 1000)}, nil, `--interval: "` + strings.Repeat("x", 60) + `"... is not a duration such as 500ms, 5s or 1m30s`},
		{"no resources", nil, []string{"ESTIMATORD_ESTIMATOR_RESOURCES="}, "ESTIMATORD_ESTIMATOR_RESOURCES: is empty"},
		{"empty", []string{"--proc-root="}, nil, `--proc-root: is empty`},
		{"all at once", []string{"--interval=5", "--log-level=loud"}, []string{"ESTIMATORD_X=", "ESTIMATORD_LOG_FORMAT=xml"}, strings.Join([]string{
			`ESTIMATORD_X: unknown environment variable`,
			`ESTIMATORD_LOG_FORMAT: "xml" is not one of text|json`,
			`--interval: "5" has no unit: write 5s, or ms, m, h`,
			`--log-level: "loud" is not one of debug|info|warn|error`,
		}, "\n")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Load(flagSet(t, tc.args...), tc.env, files(nil))
			if err == nil || err.Error() != tc.want {
				t.Fatalf("got\n%v\nwant\n%s", err, tc.want)
			}
			if !errors.Is(err, ErrInvalid) {
				t.Error("not ErrInvalid")
			}
			var f *Error
			if !errors.As(err, &f) {
				t.Error("no Error in it")
			}
		})
	}
}

func TestPolicyIsRelativeToItsFile(t *testing.T) {
	read := files(map[string]string{"/etc/e/e.yaml": "policy: p.yaml\n", "/etc/e/abs.yaml": "policy: /p.yaml\n"})
	for args, want := range map[string]string{
		"--config=/etc/e/e.yaml":                   "/etc/e/p.yaml",
		"--config=/etc/e/abs.yaml":                 "/p.yaml",
		"--config=/etc/e/e.yaml --policy=q/p.yaml": "q/p.yaml",
	} {
		c, _, err := Load(flagSet(t, strings.Fields(args)...), nil, read)
		if err != nil || c.Policy != want {
			t.Errorf("%s: %q, %v; want %q", args, c.Policy, err, want)
		}
	}
}

func TestFileWithNothingSet(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "estimator:\n  # margin: 1\n", "{}"} {
		c, _, err := Load(flagSet(t, "--config=c"), nil, files(map[string]string{"c": text}))
		want := Default()
		want.File = "c"
		if diff := cmp.Diff(want, c); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	_, err := LoadPolicy(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
	_, _, err = Load(flagSet(t, "--config=none.yaml"), nil, files(nil))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"load5", "load15", 1}, {"same", "same", 0}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
	if got := Suggest("intervall", []string{"listen", "interval"}); got != " (did you mean interval?)" {
		t.Errorf("suggested %q", got)
	}
	if got := Suggest("completely_else", []string{"listen", "interval"}); got != "" {
		t.Errorf("suggested %q", got)
	}
}

// A start that is refused still undoes throttles, and must know where.
func TestWhatHasNoFaultIsReturnedBesideTheFaults(t *testing.T) {
	read := files(map[string]string{"e.yaml": "intervall: 1s\njournal_file: /run/x/journal\n"})
	c, _, err := Load(flagSet(t, "--config=e.yaml", "--mode=fxed", "--socket=/run/x/agent.sock"), nil, read)
	if !errors.Is(err, ErrInvalid) || c.Socket != "/run/x/agent.sock" || c.JournalFile != "/run/x/journal" || c.Mode != ModeUsage {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{"2%": 0.02, "0.5": 0.5, "0": 0} {
		if v, err := ParseShare(text); err != nil || v != want {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "1.5", "101%", "-1%", "rarely"} {
		if v, err := ParseShare(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}
