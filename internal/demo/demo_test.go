package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/resources"
)

// binaryEnv names a daemon that is there already, where none can be built.
const binaryEnv = "ESTIMATORD_BINARY"

// calm is how long the test waits for other processes to leave some slack:
// other packages' tests may run on this machine just now.
const calm = 4 * time.Minute

// The tasks of these tests are this same test binary.
func TestMain(m *testing.M) {
	if child, err := fakeagent.Child(); child {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// daemonBinary is the real daemon.
func daemonBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(binaryEnv); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "estimatord")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/estimatord/estimatord/cmd/estimatord")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the daemon: %v\n%s", err, out)
	}
	return path
}

// TestEndToEnd tells the story with the real daemon on real containers.
func TestEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute, and -short was asked for")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var out bytes.Buffer
	result, err := Run(t.Context(), Config{Out: &out, Patience: calm, Daemon: []string{daemonBinary(t)}})
	if errors.Is(err, ErrCannotRun) {
		t.Skip(err)
	}
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	if !result.OK() {
		t.Error("the story did not come out")
	}
	// A host as busy as its limit may leave nothing to be taken back at once.
	if n := len(result.Times); n < 4 || n > 5 {
		t.Errorf("%d times were measured, want 5: %v", n, result.Times)
	}
	for _, m := range result.Times {
		if m.Took < 0 {
			t.Errorf("%s took %s", m.What, m.Took)
		}
	}
	if !strings.Contains(out.String(), "$ estimatord explain kill hog") || !strings.Contains(out.String(), "cpu-contended") {
		t.Error("the kill was not explained")
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("there are control sequences in what is no terminal")
	}
	left, err := filepath.Glob(filepath.Join(tmp, "estimatord-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	requireNoRoot(t, out.String())
}

// requireNoRoot looks for the cgroup root that the demo said it has.
func requireNoRoot(t *testing.T, out string) {
	t.Helper()
	found := regexp.MustCompile(`containers under (\S+) in (\S+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatal("the demo did not say where its containers are")
	}
	for _, pattern := range []string{filepath.Join(found[2], found[1]), filepath.Join(found[2], "*", found[1])} {
		left, err := filepath.Glob(pattern)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestInterrupted ends the demo in the middle, as Ctrl-C does. That is the only
// end of one that goes on.
func TestInterrupted(t *testing.T) {
	for page, want := range map[bool]error{false: context.Canceled, true: nil} {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		ctx, cancel := context.WithCancel(t.Context())
		out := &trigger{on: "regular service launched", do: cancel}
		_, err := Run(ctx, Config{Out: out, Page: page, Daemon: []string{daemonBinary(t)}})
		if errors.Is(err, ErrCannotRun) {
			t.Skip(err)
		}
		if !errors.Is(err, want) {
			t.Errorf("page %t: the demo ended with %v, want %v", page, err, want)
		}
		if got := strings.Contains(out.String(), "page  http://127.0.0.1:") && strings.Contains(out.String(), " top --config "+tmp); got != page {
			t.Errorf("page %t: it says where to look: %t\n%s", page, got, out)
		}
		if left, err := filepath.Glob(filepath.Join(tmp, "estimatord-demo-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		requireNoRoot(t, out.String())
	}
}

// trigger does something when a text is written.
type trigger struct {
	bytes.Buffer
	on string
	do func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.on)) {
		w.do()
	}
	return w.Buffer.Write(p)
}

// TestDaemonFails runs daemons that do not work.
func TestDaemonFails(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		want    string
	}{
		"ends at once": {[]string{"/proc/self/exe", "-no-such-flag"}, "ended by itself"},
		"not there":    {[]string{"/nonexistent/estimatord"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Run(t.Context(), Config{Out: &out, Daemon: c.command})
			if errors.Is(err, ErrCannotRun) {
				t.Skip(err)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the demo ended with %v, want %q in it", err, c.want)
			}
			if result.OK() {
				t.Error("and it says that the story came out")
			}
			requireNoRoot(t, out.String())
		})
	}
}

// TestPlan checks the numbers against what the story needs, for nodes of any size.
func TestPlan(t *testing.T) {
	overhead := resources.Milli(100)
	for _, cpus := range []int{1, 2, 3, 4, 8, 64, 192} {
		p := planFor(cpus)
		n := resources.Milli(cpus) * resources.Unit
		if p.allocated+overhead > p.total || p.total > n {
			t.Errorf("%d CPUs: %s allocated with overhead do not fit into %s", cpus, p.allocated, p.total)
		}
		// What there can be at most: allocated − peak − margin, a tenth of it.
		if most := (p.allocated + overhead) - resources.CeilMilli(p.low*1.1) - (p.allocated+overhead)/10; p.wanted > most {
			t.Errorf("%d CPUs: %s are wanted, %s can be offered", cpus, p.wanted, most)
		}
		for _, offered := range []resources.Milli{p.least, p.wanted, n} {
			h := p.hog(offered)
			if h <= 0 || h >= offered {
				t.Errorf("%d CPUs: the hog takes %s of %s", cpus, h, offered)
			}
			if calm := (p.low + h.Float()) / float64(cpus); calm > above-0.1 {
				t.Errorf("%d CPUs: service and hog make %.2f busy before the load rises", cpus, calm)
			}
		}
		if both := p.high + p.hog(p.wanted).Float(); both < float64(cpus) {
			t.Errorf("%d CPUs: service and hog want %.2f, there is no contention", cpus, both)
		}
	}
}
