package throttle

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
)

// patience is how long a test waits for what must come; it only runs out on
// failure.
const patience = 60 * time.Second

// realNode is a root of our own in the cgroups of this machine.
type realNode struct {
	tb   testing.TB
	tree *tree.Tree
	cfg  Config
	// journal is where that of the last Actor is, file that file.
	journal string
	file    *statefile.File
}

// actor is a daemon's; that of an earlier call is as good as killed.
func (n *realNode) actor() *Actor {
	n.tb.Helper()
	n.file = openJournal(n.tb, n.file, n.journal)
	cfg := n.cfg
	cfg.Journal = n.file
	return New(cfg)
}

func newRealNode(tb testing.TB, purpose string) *realNode {
	tb.Helper()
	tr, err := tree.Create(purpose)
	if errors.Is(err, tree.ErrNoPlace) {
		tb.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := tr.Close(); err != nil {
			tb.Error(err)
		}
	})
	layout, err := cgroup.Detect(tr.Mount(), "/proc")
	if err != nil {
		tb.Fatal(err)
	}
	return &realNode{
		tb: tb, tree: tr, journal: filepath.Join(tb.TempDir(), "journal"),
		cfg: Config{Layout: layout, MesosRoot: tr.Root(), ProcRoot: "/proc"},
	}
}

// realContainer is a container with its files, as the kernel has them.
type realContainer struct {
	*tree.Container
	tb     testing.TB
	victim qos.Victim
	key    snapshot.Key
	// files are those that are set, "" for a kind that the kernel has not.
	files [numKinds]string
}

// add makes a container of two revocable cpus.
func (n *realNode) add(id string) *realContainer {
	n.tb.Helper()
	c, err := n.tree.NewContainer(id, tree.Limits{CPUs: 2 * resources.Unit, Mem: 256 * resources.Unit, Revocable: true})
	if err != nil {
		n.tb.Fatal(err)
	}
	specs, root := specsOf(n.cfg.Layout, n.cfg.MesosRoot)
	info, err := os.Stat(filepath.Join(root, id))
	if err != nil {
		n.tb.Fatal(err)
	}
	r := &realContainer{Container: c, tb: n.tb, key: snapshot.Key{ID: id, Inode: info.Sys().(*syscall.Stat_t).Ino}}
	r.victim = victim(n.tb, r.key)
	for k, s := range specs {
		if s.file == "" || s.root == "" {
			continue
		}
		dir := filepath.Join(s.root, id)
		if s.leaf {
			dir = filepath.Join(dir, leafName)
		}
		if _, err := os.Stat(filepath.Join(dir, s.file)); err == nil {
			r.files[k] = filepath.Join(dir, s.file)
		}
	}
	if r.files[weight] == "" || r.files[quota] == "" {
		n.tb.Skip("the kernel has no CPU weight or quota of cgroups (CONFIG_CFS_BANDWIDTH)")
	}
	return r
}

// run starts a command of the shell in the container.
func (c *realContainer) run(script string) {
	c.tb.Helper()
	cmd := exec.Command("sh", "-c", script)
	if err := c.Start(cmd); err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() {
		_ = c.Destroy()
		_ = cmd.Wait()
	})
}

// values are what the files hold.
func (c *realContainer) values() [numKinds]string {
	c.tb.Helper()
	var out [numKinds]string
	for k, path := range c.files {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			c.tb.Fatal(err)
		}
		out[k] = strings.TrimSpace(string(b))
	}
	return out
}

// write writes as the agent does.
func (c *realContainer) write(k kind, text string) {
	c.tb.Helper()
	if err := os.WriteFile(c.files[k], []byte(text), 0); err != nil {
		c.tb.Fatal(err)
	}
}

// wanted is what a container with everything on has in its files.
func (c *realContainer) wanted(v2 bool) [numKinds]string {
	if !v2 {
		return [numKinds]string{weight: "2", quota: "49999", freeze: "FROZEN"}
	}
	w := [numKinds]string{weight: "1", quota: "49999 100000", memoryHigh: "67108864", freeze: "1"}
	for k, path := range c.files {
		if path == "" {
			w[k] = ""
		}
	}
	return w
}

// everything is every throttle of the container.
func (c *realContainer) everything() qos.Actions {
	return qos.Actions{
		Throttles: []qos.Throttle{{Victim: c.victim, Cores: 0.5, LowWeight: true, MemoryHighBytes: 64 << 20}},
		Freezes:   []qos.Victim{c.victim},
	}
}

// until applies until the freeze is in force.
func until(t *testing.T, a *Actor, c *realContainer, actions qos.Actions) Report {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r := a.Apply(time.Now(), actions, nil)
		if setting(r, c.key, freeze).Why != Freezing {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not freeze")
		}
	}
}

func TestRealApplyAndGiveBack(t *testing.T) {
	n := newRealNode(t, "throttleapply")
	c, other := n.add(one), n.add(two)
	c.run("while :; do :; done")
	was, wasOther := c.values(), other.values()
	a := n.actor()
	r := until(t, a, c, c.everything())
	if got, want := c.values(), c.wanted(n.tree.V2()); got != want {
		t.Errorf("in force: %q, want %q", got, want)
	}
	for k, path := range c.files {
		if s := setting(r, c.key, kind(k)); path != "" && s.Why != Applied {
			t.Errorf("%+v", s)
		}
	}
	if r.Counters.Overwritten != 0 || r.Counters.Failed != 0 {
		t.Errorf("counted %+v", r.Counters)
	}
	// Frozen, it uses nothing; its time would come as soon as it is thawed.
	before, err := c.CPUTime()
	if err != nil {
		t.Fatal(err)
	}
	if after, err := c.CPUTime(); err != nil || after != before {
		t.Errorf("%v: used %s while frozen", err, after-before)
	}
	a.Apply(time.Now(), qos.Actions{}, nil)
	if got := c.values(); got != was {
		t.Errorf("given back: %q, want %q", got, was)
	}
	if got := other.values(); got != wasOther {
		t.Errorf("the other container: %q, want %q", got, wasOther)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// TestRealAgentWritesOften has an agent rewrite the weight each 20 ms.
func TestRealAgentWritesOften(t *testing.T) {
	n := newRealNode(t, "throttleoften")
	c := n.add(one)
	was := c.values()
	a := n.actor()
	var writing sync.WaitGroup
	stop := make(chan struct{})
	writing.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := os.WriteFile(c.files[weight], []byte(strconv.Itoa(30+i%50)), 0); err != nil {
					t.Error(err)
				}
			}
		}
	})
	low := qos.Actions{Throttles: []qos.Throttle{{Victim: c.victim, LowWeight: true, Cores: 0.5}}}
	for deadline := time.Now().Add(patience); a.Apply(time.Now(), low, nil).Counters.Overwritten < 10; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the agent writes is not noticed")
		}
	}
	close(stop)
	writing.Wait()
	c.write(weight, "123")
	a.Apply(time.Now(), low, nil)
	if got, want := c.values()[weight], c.wanted(n.tree.V2())[weight]; got != want {
		t.Errorf("in force: %s, want %s", got, want)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	want := was
	want[weight] = "123"
	if got := c.values(); got != want {
		t.Errorf("given back: %q, want %q", got, want)
	}
}

// TestRealDestroyWhileFrozen kills what is frozen and throttled, with the help
// of a Boost, and finds it gone.
func TestRealDestroyWhileFrozen(t *testing.T) {
	n := newRealNode(t, "throttledestroy")
	c := n.add(one)
	c.run("while :; do :; done")
	a := n.actor()
	until(t, a, c, c.everything())
	a.Boost(time.Now(), c.victim)
	got := c.values()
	if got[freeze] != "THAWED" && got[freeze] != "0" && c.files[freeze] != "" {
		t.Errorf("frozen: %q", got[freeze])
	}
	if got[weight] != "10240" && got[weight] != "10000" || strings.HasPrefix(got[quota], "49999") {
		t.Errorf("boosted: %q", got)
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	r := a.Apply(time.Now(), c.everything(), []qos.Victim{c.victim})
	if s := setting(r, c.key, weight); s.Why != Vanished {
		t.Errorf("%+v", r.Containers)
	}
	if err := a.Close(); err != nil || exists(n.journal) {
		t.Errorf("%v, journal: %v", err, exists(n.journal))
	}
}

// TestRealRecreated makes a container of the same id anew.
func TestRealRecreated(t *testing.T) {
	n := newRealNode(t, "throttleagain")
	c := n.add(one)
	a := n.actor()
	a.Apply(time.Now(), c.everything(), nil)
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	again := n.add(one)
	if again.key == c.key {
		t.Skip("this kernel gave the inode again")
	}
	was := again.values()
	r := a.Apply(time.Now(), c.everything(), []qos.Victim{c.victim})
	if s := setting(r, c.key, weight); s.Why != Recreated {
		t.Errorf("%+v", r.Containers)
	}
	a.Boost(time.Now(), c.victim)
	if got := again.values(); got != was {
		t.Errorf("the new one has %q, want %q", got, was)
	}
}

// TestRealKernelRefuses: a v1 quota above the parent's.
func TestRealKernelRefuses(t *testing.T) {
	n := newRealNode(t, "throttlerefuse")
	if n.tree.V2() {
		t.Skip("cgroup v2 takes any quota; the tightest holds")
	}
	c := n.add(one)
	root := filepath.Join(n.cfg.Layout.Mount("cpu"), n.cfg.MesosRoot, "cpu.cfs_quota_us")
	if err := os.WriteFile(root, []byte("20000"), 0); err != nil {
		t.Fatal(err)
	}
	was := c.values()
	a := n.actor()
	r := a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{{Victim: c.victim, Cores: 0.5}}}, nil)
	if s := setting(r, c.key, quota); s.Why != Refused || s.Value != "" || r.Counters.Failed != 1 {
		t.Errorf("%+v, %+v", s, r.Counters)
	}
	if err := a.Close(); err != nil || c.values() != was {
		t.Errorf("%v, %q", err, c.values())
	}
}
