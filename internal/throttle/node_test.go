package throttle

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
)

// start is the time of the first call in tests on copied trees.
var start = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

const (
	one = "49d86de8-ed27-4a62-9faf-789cb75fb3e1"
	two = "7501e3a6-b96f-4897-92d0-64d34b5fa3e8"
)

// victim is a revocable container of that key.
func victim(t fataler, key snapshot.Key) qos.Victim {
	t.Helper()
	revocable := resources.Quantities{}
	revocable.Set(resources.CPUs, resources.Unit)
	e := &snapshot.Executor{
		ContainerID: key.ID, FrameworkID: "f", ExecutorID: "e", Revocable: revocable,
		Tasks: []snapshot.Task{{ID: "t", Revocable: revocable}},
	}
	e.Class = e.Classify()
	v, err := qos.NewVictim(&snapshot.Container{Key: key, Executor: e}, qos.Cause{Rule: "r"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// node is a copied tree.
type node struct {
	t      fataler
	root   string
	v2     bool
	layout cgroup.Layout
	// procRoot has the boot id.
	procRoot, journal string
	// file is the journal of the last Actor.
	file *statefile.File
}

// newNode makes an empty one below dir.
func newNode(t fataler, dir string, v2 bool) *node {
	t.Helper()
	n := &node{t: t, root: filepath.Join(dir, "cgroup"), v2: v2, procRoot: filepath.Join(dir, "proc"), journal: filepath.Join(dir, "state", "journal")}
	n.mkdir("../state")
	if v2 {
		n.put("cgroup.controllers", "cpu memory pids")
		n.mkdir("mesos")
	} else {
		for _, c := range []string{"cpu", "cpuacct", "memory", "freezer"} {
			n.mkdir(c + "/mesos")
		}
	}
	n.boot("4f0f6a3e-0000-4000-8000-000000000001")
	var err error
	if n.layout, err = cgroup.Detect(n.root, filepath.Join(dir, "none")); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) boot(id string) {
	n.t.Helper()
	n.mkdir("../proc/sys/kernel/random")
	n.put("../proc/sys/kernel/random/boot_id", id+"\n")
}

func (n *node) mkdir(rel string) (path string) {
	n.t.Helper()
	path = filepath.Join(n.root, rel)
	if err := os.MkdirAll(path, 0o755); err != nil {
		n.t.Fatal(err)
	}
	return path
}

// lose has the directory of path gone until found is called.
func (n *node) lose(path string) (found func()) {
	n.t.Helper()
	dir := filepath.Dir(path)
	if err := os.Rename(dir, dir+".lost"); err != nil {
		n.t.Fatal(err)
	}
	return func() {
		n.t.Helper()
		if err := os.Rename(dir+".lost", dir); err != nil {
			n.t.Fatal(err)
		}
	}
}

// put writes a file, as an agent does.
func (n *node) put(rel, text string) {
	n.t.Helper()
	n.mkdir(filepath.Dir(rel))
	if err := os.WriteFile(filepath.Join(n.root, rel), []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) get(rel string) string {
	n.t.Helper()
	b, err := os.ReadFile(filepath.Join(n.root, rel))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// v1Files and v2Files are a container's, by their path with the id left out.
var v1Files = map[string]string{
	"cpu/mesos/ID/cpu.shares":         "20",
	"cpu/mesos/ID/cpu.cfs_quota_us":   "-1",
	"cpu/mesos/ID/cpu.cfs_period_us":  "100000",
	"cpuacct/mesos/ID/cpuacct.usage":  "1",
	"freezer/mesos/ID/freezer.state":  "THAWED",
	"memory/mesos/ID/memory.usage":    "4096",
	"cpu/mesos/ID/mesos/C/cpu.shares": "1024",
}

var v2Files = map[string]string{
	"mesos/ID/cpu.weight":          "20",
	"mesos/ID/cpu.max":             "max 100000",
	"mesos/ID/memory.high":         "max",
	"mesos/ID/memory.max":          "1073741824",
	"mesos/ID/cpu.idle":            "0",
	"mesos/ID/cgroup.freeze":       "0",
	"mesos/ID/cgroup.events":       "populated 1\nfrozen 1",
	"mesos/ID/leaf/cpu.weight":     "100",
	"mesos/ID/leaf/cpu.max":        "max 100000",
	"mesos/ID/leaf/memory.high":    "max",
	"mesos/ID/leaf/memory.current": "1048576",
}

// add makes a container.
func (n *node) add(id string) snapshot.Key {
	n.t.Helper()
	files, dir := v1Files, "cpuacct/mesos/"
	if n.v2 {
		files, dir = v2Files, "mesos/"
	}
	for rel, text := range files {
		n.put(strings.ReplaceAll(rel, "ID", id), text+"\n")
	}
	return snapshot.Key{ID: id, Inode: n.inode(dir + id)}
}

func (n *node) inode(rel string) uint64 {
	n.t.Helper()
	info, err := os.Stat(filepath.Join(n.root, rel))
	if err != nil {
		n.t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// names are the paths of what one container's kinds are set in.
func (n *node) names(id string) [numKinds]string {
	if n.v2 {
		at := "mesos/" + id
		return [numKinds]string{at + "/cpu.weight", at + "/leaf/cpu.max", at + "/leaf/memory.high", at + "/cgroup.freeze"}
	}
	return [numKinds]string{"cpu/mesos/" + id + "/cpu.shares", "cpu/mesos/" + id + "/cpu.cfs_quota_us", "", "freezer/mesos/" + id + "/freezer.state"}
}

// all is every file of the tree.
func (n *node) all() map[string]string {
	n.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(n.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, syscall.EISDIR) {
			return nil // a link to a directory
		}
		rel, relErr := filepath.Rel(n.root, path)
		files[rel] = strings.TrimSpace(string(b))
		return errors.Join(err, relErr)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return files
}

// expect compares the whole tree with what it was, but for changes.
func (n *node) expect(was, changes map[string]string) {
	n.t.Helper()
	want := maps.Clone(was)
	maps.Copy(want, changes)
	got := n.all()
	for path, text := range want {
		if got[path] != text {
			n.t.Fatalf("%s holds %q, want %q", path, got[path], text)
		}
	}
	if len(got) != len(want) {
		n.t.Fatalf("%d files, want %d", len(got), len(want))
	}
}

func (n *node) config() Config {
	return Config{Layout: n.layout, MesosRoot: "mesos", ProcRoot: n.procRoot}
}

// actor is a daemon's; that of an earlier call is as good as killed.
func (n *node) actor() *Actor { return n.start(n.config()) }

func (n *node) start(cfg Config) *Actor {
	n.t.Helper()
	n.file = openJournal(n.t, n.file, n.journal)
	cfg.Journal = n.file
	return New(cfg)
}

// openJournal opens a journal that the process of before has had open.
func openJournal(t fataler, before *statefile.File, path string) *statefile.File {
	t.Helper()
	if before != nil {
		_ = before.Close()
	}
	f, err := statefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// setting is that of a report, zero if it has none.
func setting(r Report, key snapshot.Key, k kind) Setting {
	for _, c := range r.Containers {
		for _, s := range c.Settings {
			if c.Key == key && s.Name == kindNames[k] {
				return s
			}
		}
	}
	return Setting{}
}

// bothLayouts runs a test on a copied tree of each sort.
func bothLayouts(t *testing.T, test func(t *testing.T, n *node)) {
	for name, v2 := range map[string]bool{"v1": false, "v2": true} {
		t.Run(name, func(t *testing.T) { test(t, newNode(t, t.TempDir(), v2)) })
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// whole is every throttle at once.
func whole(v qos.Victim) qos.Actions {
	return qos.Actions{
		Throttles: []qos.Throttle{{Victim: v, Cores: 0.5, LowWeight: true, MemoryHighBytes: 3 << 20}},
		Freezes:   []qos.Victim{v},
	}
}
