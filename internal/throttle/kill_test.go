package throttle

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// mortalEnv makes this binary a daemon that is killed with SIGKILL; it holds a
// mortalPlan.
const mortalEnv = "ESTIMATORD_TEST_THROTTLE_MORTAL"

// mortalPlan is what such a daemon does.
type mortalPlan struct {
	Config  Config
	Journal string
	Keys    []snapshot.Key
	// DieAt is the step at which it ends itself, counted from 1; 0: never.
	DieAt int
	// Leave: it ends after having applied, without giving back. Forever: it
	// goes on until it is killed.
	Leave, Forever bool
}

// fatal stands in for a test in a process that is none.
type fatal struct{}

func (fatal) Helper()               {}
func (fatal) Fatal(...any)          { panic("fatal") }
func (fatal) Fatalf(string, ...any) { panic("fatal") }

func mortal() error {
	var p mortalPlan
	if err := json.Unmarshal([]byte(os.Getenv(mortalEnv)), &p); err != nil {
		return err
	}
	steps := 0
	p.Config.Journal = openJournal(fatal{}, nil, p.Journal)
	a := newActor(p.Config)
	a.step = func() {
		if steps++; steps == p.DieAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	a.recover()
	first, second := victim(fatal{}, p.Keys[0]), victim(fatal{}, p.Keys[1])
	throttle := func(v qos.Victim, cores float64) qos.Throttle {
		return qos.Throttle{Victim: v, Cores: cores, LowWeight: true, MemoryHighBytes: 64 << 20}
	}
	for {
		a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{throttle(first, 0.5)}, Freezes: []qos.Victim{first}}, nil)
		a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{throttle(first, 0.25), throttle(second, 1)}}, nil)
		if p.Leave {
			return nil
		}
		a.Boost(time.Now(), second)
		a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{throttle(first, 0.75)}}, nil)
		a.Apply(time.Now(), qos.Actions{}, nil)
		if !p.Forever {
			return a.Close()
		}
	}
}

// start makes the daemon.
func (p mortalPlan) command(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), mortalEnv+"="+string(plan))
	cmd.Stderr = os.Stderr
	return cmd
}

// run reports whether the daemon was killed.
func (p mortalPlan) run(t *testing.T) bool {
	t.Helper()
	err := p.command(t).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err == nil {
		return false
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatal(err)
	}
	return true
}

// mortalNode is two containers, and a check that nothing is left of a daemon.
func mortalNode(t *testing.T, purpose string) (mortalPlan, func(what string, at int)) {
	n := newRealNode(t, purpose)
	containers := []*realContainer{n.add(one), n.add(two)}
	plan := mortalPlan{Config: n.cfg, Journal: n.journal}
	var was [][numKinds]string
	for _, c := range containers {
		plan.Keys = append(plan.Keys, c.key)
		was = append(was, c.values())
	}
	return plan, func(what string, at int) {
		t.Helper()
		var log bytes.Buffer
		a := n.actor()
		for i, c := range containers {
			if got := c.values(); got != was[i] {
				t.Fatalf("%s %d: container %d has %q, want %q\n%s", what, at, i, got, was[i], log.Bytes())
			}
		}
		if err := a.Close(); err != nil || exists(n.journal) {
			t.Fatalf("%s %d: %v, journal: %v", what, at, err, exists(n.journal))
		}
		if err := n.file.Close(); err != nil { // for the next daemon
			t.Fatal(err)
		}
		n.file = nil
	}
}

func TestRealKilledAtEachStep(t *testing.T) {
	plan, check := mortalNode(t, "throttlekilled")
	for plan.DieAt = 1; plan.run(t); plan.DieAt++ {
		check("killed at step", plan.DieAt)
	}
	check("not killed, steps", plan.DieAt)
	if plan.DieAt < 20 {
		t.Errorf("only %d steps", plan.DieAt)
	}
}

// TestRealKilledWhileGivingBack kills the daemon that gives back what one
// before it had left.
func TestRealKilledWhileGivingBack(t *testing.T) {
	plan, check := mortalNode(t, "throttlerestart")
	left := plan
	left.Leave = true
	for plan.DieAt = 1; ; plan.DieAt++ {
		if left.run(t) || !exists(plan.Journal) {
			t.Fatal("nothing was left")
		}
		if !plan.run(t) || plan.DieAt > 12 {
			return // by then it was past giving back
		}
		check("killed at step", plan.DieAt)
	}
}

func TestRealKilledAnytime(t *testing.T) {
	plan, check := mortalNode(t, "throttleanytime")
	plan.Forever = true
	for i := range 10 {
		cmd := plan.command(t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); !exists(plan.Journal) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		check("killed in round", i)
	}
}
