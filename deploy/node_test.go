// Package deploy_test runs what is delivered as an operator does: the image under
// a container runtime, the packages under systemd. The node is the embedded
// agent's, with real containers.
package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// patience bounds each wait; it only runs out on failure.
const patience = 90 * time.Second

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

// node is an agent with a regular and a revocable container.
type node struct {
	agent *fakeagent.Agent
	// pauseAgent ends its calls to the daemon, until runAgent begins them again.
	pauseAgent func()
	// before is what the control files of each task held at its launch.
	before map[string]map[string]string
}

// newNode is the agent of a daemon that will listen on socket. Its containers
// keep equal weights, so that what the daemon throttles is seen.
func newNode(t *testing.T, socket string) *node {
	t.Helper()
	agent, err := fakeagent.New(fakeagent.Config{
		Socket: socket, Purpose: "deploy", EqualWeights: true, EstimateInterval: time.Second, Log: slog.New(slog.DiscardHandler),
		Observe: func(e fakeagent.Event) {
			if e.Kind == fakeagent.KillReceived || e.Kind == fakeagent.KillRefused {
				t.Errorf("nothing may be killed here: %s", e)
			}
		},
	})
	if errors.Is(err, tree.ErrNoPlace) {
		t.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := &node{agent: agent, before: map[string]map[string]string{}}
	n.runAgent()
	t.Cleanup(func() {
		n.pauseAgent()
		if err := agent.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) runAgent() {
	ctx, stop := context.WithCancel(context.Background()) // pauseAgent ends it: it outlasts a subtest
	var running sync.WaitGroup
	running.Go(func() { n.agent.Run(ctx) })
	n.pauseAgent = func() {
		stop()
		running.Wait()
	}
}

// settings are those of a daemon that offers a CPU and throttles whatever is on it.
func (n *node) settings() string {
	return "mode: fixed\nresources: cpus:0.5\nmesos_cgroups_root: " + n.agent.Tree().Root() + "\npolicy: policy.yaml\n"
}

// throttling is a policy that any load activates.
const throttling = "rules:\n  - {name: any-load, signal: node_cpu, above: 0.0001, for: 0s, action: throttle, immediate: true}\n"

// configure writes the settings and the policy as an operator does.
func (n *node) configure(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{"estimatord.yaml": n.settings(), "policy.yaml": throttling} {
		write(t, filepath.Join(dir, name), text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // as a package installs it
		t.Fatal(err)
	}
}

// launch starts a task as soon as what it needs is offered.
func (n *node) launch(t *testing.T, id string, regular, revocable resources.Quantities) {
	t.Helper()
	task := fakeagent.Task{ID: id, Regular: regular, Revocable: revocable}
	eventually(t, "launch "+id, func() error {
		var err error
		if task.Command, err = workload.Hog(0.1, 1); err != nil {
			return err
		}
		return n.agent.Launch(task)
	})
	n.before[id] = n.controls(t, id)
}

// controls are the control files by which a container can be kept from a CPU, with
// what they hold.
func (n *node) controls(t *testing.T, id string) map[string]string {
	t.Helper()
	c, err := n.agent.Container(id)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for _, dir := range c.Dirs() {
		for _, name := range []string{"cpu.shares", "cpu.cfs_quota_us", "cpu.weight", "cpu.max", "freezer.state", "cgroup.freeze"} {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				held[filepath.Join(dir, name)] = strings.TrimSpace(string(text))
			}
		}
	}
	return held
}

// awaitThrottled waits until the hog is throttled, or is not.
func (n *node) awaitThrottled(t *testing.T, throttled bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("the hog is throttled: %t", throttled), func() error {
		if now := n.controls(t, "hog"); maps.Equal(now, n.before["hog"]) == throttled {
			return fmt.Errorf("its control files hold %v, at its launch %v", now, n.before["hog"])
		}
		return nil
	})
	if now := n.controls(t, "service"); !maps.Equal(now, n.before["service"]) {
		t.Fatalf("the regular container was touched: %v, at its launch %v", now, n.before["service"])
	}
}

// launchBoth starts the two tasks: the regular one at once, the revocable one on
// what the daemon offers.
func (n *node) launchBoth(t *testing.T) {
	t.Helper()
	n.launch(t, "service", cpus(0.2), nil)
	n.launch(t, "hog", nil, cpus(0.3))
}

func cpus(n float64) resources.Quantities {
	return resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(n)}}
}

// eventually tries until there is no error.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
