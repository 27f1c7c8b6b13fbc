package main

import (
	"strings"
	"testing"
)

const good = `[    0.1] kernel words
@@cgroup2vm run example/a
=== RUN   TestOne
--- PASS: TestOne (0.00s)
    --- PASS: TestOne/sub (0.00s)
--- SKIP: TestTwo (0.00s)
PASS
@@cgroup2vm exit example/a 0
@@cgroup2vm run example/b
--- PASS: TestThree (0.00s)
PASS
@@cgroup2vm exit example/b 0
@@cgroup2vm done
[    1.0] reboot: Power down
`

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		old, changed string
		want         []string // of the error; none: no error
	}{
		"good":           {"", "", nil},
		"test failed":    {"@@cgroup2vm exit example/b 0", "@@cgroup2vm exit example/b 1", []string{"example/b: FAILED (exit code 1)"}},
		"crashed":        {"PASS\n@@cgroup2vm exit example/b 0", "panic: @@cgroup2vm exit example/b 2", []string{"example/b: FAILED (exit code 2)"}},
		"failed in text": {"--- PASS: TestThree", "--- FAIL: TestThree", []string{"example/b: FAILED"}},
		"hung":           {good[strings.Index(good, "@@cgroup2vm exit example/b"):], "", []string{"example/b: DID NOT END", "did not get to its end"}},
		"never ran":      {"@@cgroup2vm run example/b", "", []string{"example/b: DID NOT RUN"}},
		"panic at boot":  {good, "Kernel panic - not syncing\n", []string{"example/a: DID NOT RUN", "example/b: DID NOT RUN", "did not get to its end"}},
		"guest failed":   {"@@cgroup2vm run example/b", "@@cgroup2vm failed mount /proc: no\n", []string{"mount /proc: no", "example/b: DID NOT RUN"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := good
			if c.old != "" {
				text = strings.Replace(good, c.old, c.changed, 1)
			}
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
				t.Fatal(err)
			}
			err := r.verdict([]string{"example/a", "example/b"})
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("verdict is %v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("verdict is %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestCounts(t *testing.T) {
	r := newReport(&strings.Builder{})
	if err := r.read(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if got, want := *r.results["example/a"], (result{passed: 1, skipped: 1, exited: true}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestDependency(t *testing.T) {
	text := "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Suggests: other\n"
	if got := dependency(text); got != "linux-image-6.1.0-56-cloud-amd64" {
		t.Errorf("dependency is %q", got)
	}
	if got := dependency("nothing here\n"); got != "" {
		t.Errorf("dependency of nothing is %q", got)
	}
}
