// Package cgroup2vm holds the test of the script that runs tests on a cgroup v2
// kernel: what it makes of a guest's words.
package cgroup2vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const good = `[    0.1] kernel words
@@run example/a
=== RUN   TestOne
--- PASS: TestOne (0.00s)
    --- PASS: TestOne/sub (0.00s)
--- SKIP: TestTwo (0.00s)
PASS
@@exit example/a 0
@@run example/b
--- PASS: TestThree (0.00s)
PASS
@@exit example/b 0
@@done
[    1.0] reboot: Power down
`

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		old, changed string
		ok           bool
		want         []string
	}{
		"good":           {ok: true, want: []string{"example/a", "1 passed   1 skipped   0 failed  ok", "example/b"}},
		"all skipped":    {"--- PASS: TestThree", "--- SKIP: TestThree", true, []string{"ok, but all skipped"}},
		"test failed":    {"@@exit example/b 0", "@@exit example/b 1", false, []string{"FAILED (exit code 1)"}},
		"crashed":        {"PASS\n@@exit example/b 0", "panic: @@exit example/b 2", false, []string{"FAILED (exit code 2)"}},
		"failed in text": {"--- PASS: TestThree", "--- FAIL: TestThree", false, []string{"1 failed  FAILED"}},
		"hung":           {good[strings.Index(good, "@@exit example/b"):], "", false, []string{"DID NOT END", "did not get to its end"}},
		"never ran":      {"@@run example/b", "", false, []string{"DID NOT RUN"}},
		"panic at boot":  {good, "Kernel panic - not syncing\n", false, []string{"DID NOT RUN", "did not get to its end"}},
		"guest failed":   {"@@run example/b", "@@failed with 1\n", false, []string{"the guest failed", "DID NOT RUN"}},
		"nothing came":   {good, "", false, []string{"DID NOT RUN"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			packages, serial := filepath.Join(dir, "packages"), filepath.Join(dir, "serial")
			text := good
			if c.old != "" {
				text = strings.Replace(good, c.old, c.changed, 1)
			}
			for path, text := range map[string]string{packages: "example/a /src/a\nexample/b /src/b\n", serial: text} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.CommandContext(t.Context(), "awk", "-f", "verdict.awk", packages, serial).CombinedOutput()
			if (err == nil) != c.ok {
				t.Errorf("verdict is %v\n%s", err, out)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("verdict is\n%s\nwant %q in it", out, want)
				}
			}
		})
	}
}
