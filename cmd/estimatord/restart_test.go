package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// hogs are revocable containers of this machine that use what they get, and the
// agent that reports them.
type hogs struct {
	tree       *tree.Tree
	containers map[string]*tree.Container
}

func newHogs(t *testing.T, ids ...string) *hogs {
	t.Helper()
	tr, err := tree.Create("restart")
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
	h := &hogs{tree: tr, containers: map[string]*tree.Container{}}
	for _, id := range ids {
		c, err := tr.NewContainer(id, tree.Limits{CPUs: resources.Unit, Mem: 64 * resources.Unit, Revocable: true})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		if err := c.Start(cmd); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Destroy()
			_ = cmd.Wait()
		})
		h.containers[id] = c
	}
	return h
}

// usage is the agent's report.
func (h *hogs) usage() *wire.ResourceUsage {
	u := &wire.ResourceUsage{Total: []*wire.Resource{cpus(8, false)}}
	for id := range h.containers {
		u.Executors = append(u.Executors, &wire.ResourceUsage_Executor{
			ExecutorInfo: &wire.ExecutorInfo{
				ExecutorId: &wire.ExecutorID{Value: proto.String(id)}, FrameworkId: &wire.FrameworkID{Value: proto.String("f")},
			},
			ContainerId: &wire.ContainerID{Value: proto.String(id)},
			Allocated:   []*wire.Resource{cpus(1, true)},
			Tasks: []*wire.ResourceUsage_Executor_Task{{
				Name: proto.String(id), Id: &wire.TaskID{Value: proto.String(id)}, Resources: []*wire.Resource{cpus(1, true)},
			}},
		})
	}
	return u
}

func cpus(n float64, revocable bool) *wire.Resource {
	r := &wire.Resource{
		Name: proto.String("cpus"), Type: wire.Value_SCALAR.Enum(), Scalar: &wire.Value_Scalar{Value: proto.Float64(n)},
		AllocationInfo: &wire.Resource_AllocationInfo{Role: proto.String("*")},
	}
	if revocable {
		r.Revocable = &wire.Resource_RevocableInfo{}
	}
	return r
}

// killed polls as the agent does, for so long, and returns whose end is asked
// for.
func (h *hogs) killed(t *testing.T, client agentv1.OversubscriptionClient, within time.Duration) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for ctx.Err() == nil {
		answer, err := client.Corrections(ctx, &agentv1.CorrectionsRequest{Usage: h.usage()})
		if err != nil {
			continue
		}
		var ids []string
		for _, c := range answer.GetCorrections() {
			ids = append(ids, c.GetKill().GetContainerId().GetValue())
		}
		if len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// A daemon that is killed right after it had a container killed does not have
// another one killed for the same pressure when it comes back.
func TestAKillUnderWaySurvivesAKillOfTheDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	h := newHogs(t, "hog-1", "hog-2")
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	write(t, policy, "rules:\n  - {name: load, signal: load15, above: 0.0001, for: 0s, immediate: true}\n")
	t.Setenv("ESTIMATORD_STATE_FILE", filepath.Join(dir, "state.json"))
	socket := filepath.Join(dir, "agent.sock")
	args := []string{
		"--mode=noop", "--policy", policy, "--socket", socket, "--interval=100ms", "--mesos-cgroups-root", h.tree.Root(),
	}
	first := start(t, args...)
	first.await(t, "offer")
	victims := h.killed(t, dial(t, socket), 20*time.Second)
	if len(victims) != 1 {
		t.Fatalf("killed %v, want one", victims)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait()

	second := start(t, args...)
	second.await(t, "offer")
	if again := h.killed(t, dial(t, socket), 5*time.Second); len(again) > 0 {
		t.Errorf("%v is killed as well, while %v has not ended", again, victims)
	}
	text := operate(t, "status", "--operator-socket", filepath.Join(dir, "operator.sock"))
	if !strings.Contains(text, "DYING") || !strings.Contains(text, victims[0]) || !strings.Contains(text, "9 kills left, 1 used") {
		t.Fatalf("the kill under way and the spent budget are not shown:\n%s", text)
	}
	// Once it has ended, the other one is next.
	if err := h.containers[victims[0]].Destroy(); err != nil {
		t.Fatal(err)
	}
	delete(h.containers, victims[0])
	second.await(t, "kill of an earlier run ended")
}
