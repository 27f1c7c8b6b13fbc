package main

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	good := file("good.yaml", "rules:\n  - {name: one, signal: node_cpu}\n")
	odd := file("odd.yaml", "shadow: true\nrules:\n  - {name: one, signal: node_cpu}\n")
	bad := file("bad.yaml", "rules:\n  - {name: one, signal: node_cpus, above: 95%}\n")
	old := file("old.yaml", "rules:\n  - {name: one, signal: node_cpu, kind: cpu}\n")
	word := file("word.yaml", "foo: 1\n")
	empty := file("empty.yaml", "")
	settings := file("settings.yaml", "mode: noop\npolicy: good.yaml\n")
	broken := file("broken.yaml", "mode: noop\npolicy: bad.yaml\n")
	lost := file("lost.yaml", "mode: noop\npolicy: none.yaml\n")
	for _, tc := range []struct {
		name string
		args []string
		code int
		// out and faults are the lines, those of faults by their begin.
		out, faults []string
	}{
		{"good policy", []string{good}, 0, []string{good + ": ok"}, nil},
		{"odd policy", []string{odd}, 0, []string{odd + ": ok", odd + ":1:9: shadow: the whole policy is in shadow mode: nothing will be done [warning]"}, nil},
		{"bad policy", []string{bad}, 1, nil, []string{bad + ":2:25: rules[0].signal: ", bad + ":2:43: rules[0].above: ", "estimatord: 1 of 1 with faults"}},
		{"unknown key", []string{old}, 1, nil, []string{old + ":2:35: rules[0].kind: unknown key", "estimatord: 1 of 1"}},
		{"settings and their policy", []string{settings}, 0, []string{settings + ": ok", good + ": ok"}, nil},
		{"settings with a bad policy", []string{broken}, 1, []string{broken + ": ok"}, []string{bad + ":2:25: ", bad + ":2:43: ", "estimatord: 1 of 2"}},
		{"settings without their policy", []string{lost}, 1, []string{lost + ": ok"}, []string{lost + ":2: policy: stat " + filepath.Join(dir, "none.yaml"), "estimatord: 1 of 2"}},
		{"many", []string{good, old, settings}, 1, []string{good + ": ok", settings + ": ok", good + ": ok"}, []string{old + ":2:35", "estimatord: 1 of 4"}},
		{"settings as a policy", []string{"--kind=policy", settings}, 1, nil, []string{settings + ":1:1: mode: unknown key", settings + ":2:1: policy: unknown key", "estimatord: 1 of 1"}},
		{"neither", []string{word}, 1, nil, []string{word + ":1:1: foo: unknown key", "estimatord: 1 of 1"}},
		{"empty", []string{empty}, 1, nil, []string{empty + ": neither a policy nor settings: say which with --kind", "estimatord: 1 of 1"}},
		{"no such file", []string{filepath.Join(dir, "none")}, 1, nil, []string{"stat " + filepath.Join(dir, "none"), "estimatord: 1 of 1"}},
		{"a directory", []string{dir}, 1, nil, []string{"read " + dir + ": is no regular file", "estimatord: 1 of 1"}},
		{"a device", []string{"/dev/zero"}, 1, nil, []string{"read /dev/zero: is no regular file", "estimatord: 1 of 1"}},
		{"no such kind", []string{"--kind=rule", good}, exitUsage, nil, []string{`estimatord: --kind: "rule" is not one of policy or daemon`}},
		{"what the daemon would load", []string{"--config", settings}, 0, []string{"settings: ok", good + ": ok"}, nil},
		{"a bad flag of it", []string{"--mode=nope"}, 1, nil, []string{`--mode: "nope" is not one of`, "estimatord: 1 of 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, faults bytes.Buffer
			cmd := command(t, append([]string{"config", "check"}, tc.args...)...)
			cmd.Stdout, cmd.Stderr = &out, &faults
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			if got := strings.TrimSuffix(out.String(), "\n"); got != strings.Join(tc.out, "\n") {
				t.Errorf("stdout\n%s\nwant\n%s", got, strings.Join(tc.out, "\n"))
			}
			var lines []string
			if faults.Len() > 0 {
				lines = strings.Split(strings.TrimSuffix(faults.String(), "\n"), "\n")
			}
			if len(lines) != len(tc.faults) {
				t.Fatalf("stderr\n%s\nwant\n%s", &faults, strings.Join(tc.faults, "\n"))
			}
			for i := range lines {
				if !strings.HasPrefix(lines[i], tc.faults[i]) {
					t.Errorf("stderr line %q, want %q", lines[i], tc.faults[i])
				}
			}
		})
	}
}

// On a host that cannot be read, every rule is told to be blind there.
func TestConfigCheckHost(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, "rules:\n  - {name: one, signal: load5, above: 6}\n")
	text := operate(t, "config", "check", "--host", "--policy", path)
	if !strings.Contains(text, path+": ok") || strings.Contains(text, "load5 cannot be read") {
		t.Errorf("this host: %s", text)
	}
	text = operate(t, "config", "check", "--host", "--policy", path, "--proc-root", dir)
	if !strings.Contains(text, "rules[0].signal: load5 cannot be read on this host: ") && !strings.Contains(text, "this host cannot be read: ") {
		t.Errorf("a host without /proc: %s", text)
	}
}
