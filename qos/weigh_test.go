package qos

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

func TestWhoMayBeKilled(t *testing.T) {
	edit := func(f func(c *snapshot.Container)) snapshot.Container {
		c := revocable("c", 0.5)
		c.At = t0
		f(&c)
		return c
	}
	for _, tc := range []struct {
		name string
		c    snapshot.Container
		want reason.Code
	}{
		{"a revocable one", edit(func(*snapshot.Container) {}), reason.Chosen},
		{"the agent does not list it", edit(func(c *snapshot.Container) { c.Executor = nil }), reason.UnknownToAgent},
		{"it also runs a regular task", container("c", snapshot.ClassShared, 0.5, 1), reason.RunsRegularTask},
		{"it holds nothing revocable after all", edit(func(c *snapshot.Container) { c.Executor.Revocable = nil }), reason.NotRevocable},
		{"its executor is of another container", edit(func(c *snapshot.Container) { c.Executor.ContainerID = "d" }), reason.NotRevocable},
		{"it lacks a framework", edit(func(c *snapshot.Container) { c.Executor.FrameworkID = "" }), reason.NotRevocable},
		{"no cgroup", edit(func(c *snapshot.Container) { c.OnDisk = false }), reason.NotOnDisk},
		{"no reading", edit(func(c *snapshot.Container) { c.CPU.Cores.Why = snapshot.FirstSample }), reason.UnknownUsage},
		{"a reading of minutes ago", edit(func(c *snapshot.Container) { c.At = t0.Add(-11 * time.Second) }), reason.UnknownUsage},
		{"a reading that is no number", edit(func(c *snapshot.Container) { c.CPU.Cores.V = math.NaN() }), reason.UnknownUsage},
		{"a reading below zero", edit(func(c *snapshot.Container) { c.CPU.Cores.V = -1 }), reason.UnknownUsage},
		{"too young", edit(func(c *snapshot.Container) { c.FirstSeen = t0.Add(-59 * time.Second) }), reason.TooYoung},
		{"old enough", edit(func(c *snapshot.Container) { c.FirstSeen = t0.Add(-time.Minute) }), reason.Chosen},
		{"seen in the future", edit(func(c *snapshot.Container) { c.FirstSeen = t0.Add(time.Minute) }), reason.TooYoung},
		{"too small", edit(func(c *snapshot.Container) { c.CPU.Cores.V = 0.099 }), reason.TooSmall},
		{"large enough", edit(func(c *snapshot.Container) { c.CPU.Cores.V = 0.1 }), reason.Chosen},
		{"a protected framework", edit(func(c *snapshot.Container) { c.Executor.FrameworkID = "kept" }), reason.Protected},
		{"a protected role", edit(func(c *snapshot.Container) { c.Executor.Role = "prod" }), reason.Protected},
		{"below a protected role", edit(func(c *snapshot.Container) { c.Executor.Role = "prod/web" }), reason.Protected},
		{"a role that only begins alike", edit(func(c *snapshot.Container) { c.Executor.Role = "production" }), reason.Chosen},
		{"a protected label", edit(func(c *snapshot.Container) { c.Executor.Labels = []snapshot.Label{{Key: "keep", Value: "x"}} }), reason.Protected},
		{"a protected label of a task", edit(func(c *snapshot.Container) {
			c.Executor.Tasks[0].Labels = []snapshot.Label{{Key: "tier", Value: "gold"}}
		}), reason.Protected},
		{"another value of the label", edit(func(c *snapshot.Container) { c.Executor.Labels = []snapshot.Label{{Key: "tier", Value: "tin"}} }), reason.Chosen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := cpuPolicy()
			p.Rules[0].For = 0
			p.Victims = policy.Victims{MinAge: time.Minute, MinUsage: 0.1, Protect: policy.Protect{
				Frameworks: []string{"kept"}, Roles: []string{"prod"}, Labels: []string{"keep", "tier=gold"},
			}}
			// A second one, always last, so that there is a decision to make.
			last := revocable("z", 0.1)
			s := node(t0, 2, regular("web", 1), last)
			last.At = t0
			s.Containers = append(s.Containers, tc.c)
			d, _ := decide(p, State{}, s, nil)
			got := map[string]reason.Code{}
			for _, c := range d.Candidates {
				got[c.ID] = c.Why
			}
			other := reason.Chosen
			if tc.want == reason.Chosen {
				other = reason.NotFirst
			}
			if diff := cmp.Diff(map[string]reason.Code{"c": tc.want, "z": other}, got); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCandidateTerms(t *testing.T) {
	p := cpuPolicy()
	p.Rules[0].For = 0
	d, _ := decide(p, State{}, node(t0, 2, regular("web", 1), container("c", snapshot.ClassRevocable, 0.75, 0.5)), nil)
	want := []Candidate{{
		Key: snapshot.Key{ID: "c", Inode: 7}, FrameworkID: "framework", ExecutorID: "executor-of-c",
		Usage: 0.75, Over: 0.25, AgeSeconds: 3600, Why: reason.Chosen,
	}}
	if diff := cmp.Diff(want, d.Candidates); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

func TestCandidatesShareTheReasonWhileNothingMayBeKilled(t *testing.T) {
	p := cpuPolicy()
	p.Rules[0].For = 0
	s := scene(t0)
	busy(2)(s)
	d, st := decide(p, State{}, s, []InFlight{{Key: snapshot.Key{ID: "hog-b", Inode: 7}}})
	want := []reason.Code{reason.KillInFlight, reason.AlreadyDying}
	if got := whys(d); !cmp.Equal(want, got) || d.Candidates[1].ID != "hog-b" {
		t.Errorf("during a kill: %v, want %v", got, want)
	}
	d, _ = decide(p, st, s, nil)
	want = []reason.Code{reason.Settling, reason.Settling}
	if got := whys(d); !cmp.Equal(want, got) {
		t.Errorf("after a kill: %v, want %v", got, want)
	}
}

func whys(d Decision) (codes []reason.Code) {
	for _, c := range d.Candidates {
		codes = append(codes, c.Why)
	}
	return codes
}
