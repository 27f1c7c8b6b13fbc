package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
)

// throttled is a container of this machine, throttled by a daemon that was
// killed.
type throttled struct {
	tree    *tree.Tree
	journal string
	// files are its control files, before what they held.
	files, before []string
}

func newThrottled(t *testing.T) *throttled {
	t.Helper()
	tr, err := tree.Create("recover")
	if errors.Is(err, tree.ErrNoPlace) {
		t.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	layout, err := cgroup.Detect(tr.Mount(), "/proc")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tr.NewContainer("hog", tree.Limits{CPUs: 2 * resources.Unit, Mem: 64 * resources.Unit, Revocable: true})
	if err != nil {
		t.Fatal(err)
	}
	th := &throttled{tree: tr}
	for _, dir := range c.Dirs() {
		for _, name := range []string{"cpu.shares", "cpu.cfs_quota_us", "cpu.weight", "cpu.max"} {
			if path := filepath.Join(dir, name); read(path) != "" {
				th.files, th.before = append(th.files, path), append(th.before, read(path))
			}
		}
	}
	identity := layout.Root
	if layout.Mode != cgroup.V2 {
		identity = layout.Mounts[cgroup.CPUAcct]
	}
	info, err := os.Stat(filepath.Join(identity, tr.Root(), "hog"))
	if err != nil {
		t.Fatal(err)
	}
	e := &snapshot.Executor{ContainerID: "hog", FrameworkID: "f", ExecutorID: "e", Class: snapshot.ClassRevocable}
	e.Revocable.Set(resources.CPUs, 2000)
	v, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: "hog", Inode: info.Sys().(*syscall.Stat_t).Ino}, Executor: e}, qos.Cause{Rule: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	th.journal = filepath.Join(t.TempDir(), "agent.sock.throttles")
	journal, err := statefile.Open(th.journal)
	if err != nil {
		t.Fatal(err)
	}
	a := throttle.New(throttle.Config{Layout: layout, MesosRoot: tr.Root(), ProcRoot: "/proc", Journal: journal})
	a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{{Victim: v, Cores: 0.5, LowWeight: true}}}, nil)
	if err := journal.Close(); err != nil { // and nothing else is, as after kill -9
		t.Fatal(err)
	}
	if !th.applied() {
		t.Skip("the kernel has no CPU weight or quota of cgroups")
	}
	return th
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// applied reports whether a throttle is in force.
func (th *throttled) applied() bool {
	for i, path := range th.files {
		if read(path) != th.before[i] {
			return true
		}
	}
	return false
}

// Whatever else is wrong with a start, what an earlier run throttled is undone.
func TestThrottlesAreUndoneByARefusedStart(t *testing.T) {
	for name, fault := range map[string]struct {
		args []string
		code int
	}{
		"policy":             {[]string{"--policy=policy.yaml"}, exitUsage},
		"no policy":          {[]string{"--policy=/nonexistent"}, exitUsage},
		"setting":            {[]string{"--mode=fxed"}, exitUsage},
		"flag":               {[]string{"--moode=fixed"}, exitUsage},
		"settings file":      {[]string{"--config=settings.yaml"}, exitUsage},
		"no settings file":   {[]string{"--config=/nonexistent"}, exitUsage},
		"cgroup root":        {[]string{"--cgroup-root=/nonexistent"}, exitUsage},
		"user":               {[]string{"--agent-user=no-such-user"}, exitUsage},
		"read-only log":      {[]string{"--config=log.yaml"}, exitUsage},
		"port":               {[]string{"--listen=256.0.0.1:1", "--config=port.yaml"}, exitFailed},
		"no operator socket": {[]string{"--operator-socket=/proc/x/operator.sock"}, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			th := newThrottled(t)
			dir := filepath.Dir(th.journal)
			write(t, filepath.Join(dir, "policy.yaml"), "rules: [\n")
			write(t, filepath.Join(dir, "settings.yaml"), "intervall: 1s\n")
			write(t, filepath.Join(dir, "port.yaml"), "listen_insecure: true\n")
			write(t, filepath.Join(dir, "log.yaml"), "decisions: {dir: /proc/self/decisions}\n")
			args := append([]string{"--listen=off", "--mesos-cgroups-root=" + th.tree.Root(), "--socket=" + filepath.Join(dir, "agent.sock")}, fault.args...)
			cmd := command(t, args...)
			cmd.Dir = dir
			text, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != fault.code {
				t.Errorf("exit code %d, want %d: %s", cmd.ProcessState.ExitCode(), fault.code, text)
			}
			if th.applied() {
				t.Errorf("the container stays throttled: %s", text)
			}
		})
	}
}

// Another daemon's throttles are not undone by a second one that is refused.
func TestThrottlesOfARunningDaemonStay(t *testing.T) {
	th := newThrottled(t)
	socket := "--socket=" + filepath.Join(filepath.Dir(th.journal), "agent.sock")
	first := start(t, "--mode=noop", socket, "--mesos-cgroups-root="+th.tree.Root())
	first.await(t, "waiting for the agent")
	if th.applied() {
		t.Fatal("the first start has undone nothing")
	}
	if err := os.WriteFile(th.journal, []byte("not its own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--mode=fxed"}, {"--mode=noop"}} {
		fails(t, append(args, "--listen=off", socket)...)
	}
	if read(th.journal) != "not its own" {
		t.Error("a second start has touched the journal of the first")
	}
}

// Without a journal nothing is throttled, and the metrics say so.
func TestAnImpossibleJournalIsShown(t *testing.T) {
	t.Setenv("ESTIMATORD_JOURNAL_FILE", "/proc/self/none/journal")
	p := start(t, "--mode=noop", "--socket", filepath.Join(t.TempDir(), "agent.sock"))
	address, _ := p.await(t, "metrics")["listen"].(string)
	p.await(t, "offer")
	if text := metricsAt(t, address); !strings.Contains(text, "\nestimatord_throttle_journal_ok 0\n") {
		t.Error("the metrics say that the journal is well")
	}
}
