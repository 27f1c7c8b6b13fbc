package module_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// The recorded usage: framework, executors and containers as the agent had them.
func executors(t *testing.T) (regular, revocable *wire.ResourceUsage_Executor) {
	t.Helper()
	for _, executor := range recordedUsage(t).GetExecutors() {
		held := false
		for _, resource := range executor.GetAllocated() {
			held = held || resource.GetRevocable() != nil
		}
		if held {
			revocable = executor
		} else {
			regular = executor
		}
	}
	if regular == nil || revocable == nil {
		t.Fatal("the recording lacks one of its executors")
	}
	return regular, revocable
}

func killOf(e *wire.ResourceUsage_Executor) *wire.QoSCorrection {
	return kill(e.GetExecutorInfo().GetFrameworkId().GetValue(), e.GetExecutorInfo().GetExecutorId().GetValue(), e.GetContainerId().GetValue())
}

func nameOf(c *wire.QoSCorrection) string {
	return c.GetKill().GetFrameworkId().GetValue() + "/" + c.GetKill().GetExecutorId().GetValue() + "/" + c.GetKill().GetContainerId().GetValue()
}

// glue is the built module inside a process that plays the agent
// (mesos/glue_driver.cpp).
type glue struct {
	*pipe
	next int
}

// requireGlue skips unless module/mesos has built the driver and the module.
func requireGlue(t *testing.T) (driver, library string) {
	t.Helper()
	driver, library = os.Getenv("GLUE_DRIVER"), os.Getenv("GLUE_MODULE")
	if driver == "" || library == "" {
		t.Skip("the glue needs Mesos's sources: run make -C module/mesos test MESOS_SRC=... OUT=...")
	}
	return driver, library
}

func modulesFile(t *testing.T, library string, parameters map[string]string) string {
	t.Helper()
	type pair struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	type module struct {
		Name       string `json:"name"`
		Parameters []pair `json:"parameters"`
	}
	var pairs []pair
	for key, value := range parameters {
		pairs = append(pairs, pair{key, value})
	}
	content, err := json.Marshal(map[string]any{"libraries": []any{map[string]any{
		"file": library,
		"modules": []module{
			{"org_estimatord_ResourceEstimator", pairs},
			{"org_estimatord_QoSController", pairs},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "modules.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// loadGlue loads the module with these parameters and creates nothing yet.
func loadGlue(t *testing.T, parameters map[string]string) *glue {
	t.Helper()
	driver, library := requireGlue(t)
	g := &glue{pipe: startPipe(t, driver)}
	g.send("load %s", modulesFile(t, library, parameters))
	g.expect("ok")
	return g
}

// startGlue runs both modules, with the recorded usage.
func startGlue(t *testing.T, parameters map[string]string) *glue {
	t.Helper()
	g := loadGlue(t, parameters)
	for _, what := range []string{"estimator", "controller"} {
		g.send("create %s", what)
		g.expect("ok")
	}
	g.usage(recordedUsage(t))
	return g
}

func (g *glue) usage(usage *wire.ResourceUsage) {
	g.t.Helper()
	body, err := proto.Marshal(usage)
	if err != nil {
		g.t.Fatal(err)
	}
	file := filepath.Join(g.t.TempDir(), fmt.Sprintf("usage%d", g.next))
	g.next++
	if err := os.WriteFile(file, body, 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.send("usage %s", file)
	g.expect("ok")
}

// start asks for an estimate or for corrections.
func (g *glue) start(command string) string {
	g.t.Helper()
	g.next++
	name := fmt.Sprintf("a%d", g.next)
	g.send("%s %s", command, name)
	return name
}

// wait returns what the agent got, and after how long.
func (g *glue) wait(name string) (answer string, took time.Duration) {
	g.t.Helper()
	ms, answer, _ := strings.Cut(g.done(name), " ")
	n, err := strconv.Atoi(ms)
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(answer), time.Duration(n) * time.Millisecond
}

func (g *glue) do(command string) (answer string, took time.Duration) {
	g.t.Helper()
	return g.wait(g.start(command))
}

func (g *glue) wantEstimate(when, want string) {
	g.t.Helper()
	if got, _ := g.do("estimate"); got != want {
		g.t.Errorf("%s: the agent got %q, want %q", when, got, want)
	}
}

// An empty estimate and an empty list: ready, never a failure.
const (
	nothingOffered   = "ready {}"
	nothingCorrected = "ready"
)

func correcting(kills ...*wire.QoSCorrection) func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
	return func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
		return &agentv1.CorrectionsResponse{Corrections: kills}, nil
	}
}

// A text that is wrong costs its entry, never the agent.
func TestGlueEstimates(t *testing.T) {
	requireGlue(t)
	socket := socketPath(t)
	text := ""
	var seen []*wire.ResourceUsage
	serve(t, socket, &daemon{
		estimate: func(_ context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
			seen = append(seen, req.GetUsage())
			return &agentv1.EstimateResponse{Resources: text}, nil
		},
	})
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
	for _, tc := range []struct{ text, want string }{
		{"cpus:1.5;mem:512", "ready cpus{REV}:1.5; mem{REV}:512"},
		{"", nothingOffered},
		{"cpus:0.0009", nothingOffered},
		{"cpus:0.001", "ready cpus{REV}:0.001"},
		{"cpus:-1;mem:64", "ready mem{REV}:64"},
		{"cpus(web):1;mem:64", "ready mem{REV}:64"},
		{"gpus:1;disk:5;ports:[1-2];cpus:2", "ready cpus{REV}:2"},
		{`[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"*"}]`, nothingOffered},
		{"cpus:1e300", nothingOffered},
		{"cpus:1000000000", "ready cpus{REV}:1000000000"},
		{strings.Repeat("cpus:x;", 1000), nothingOffered},
	} {
		text = tc.text
		g.wantEstimate(tc.text[:min(len(tc.text), 40)], tc.want)
	}
	for _, usage := range seen {
		if !proto.Equal(usage, recordedUsage(t)) {
			t.Errorf("the daemon saw another usage than the agent's: %v", usage)
		}
	}
}

func TestGlueAnswersEmptyWithoutADaemon(t *testing.T) {
	requireGlue(t)
	socket := socketPath(t)
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "3secs"})
	g.wantEstimate("absent", nothingOffered)

	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	behaviour := func(context.Context) (string, error) { return "cpus:1", nil }
	_, stop := serve(t, socket, &daemon{
		estimate: func(ctx context.Context, _ *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
			text, err := behaviour(ctx)
			return &agentv1.EstimateResponse{Resources: text}, err
		},
	})
	g.wantEstimate("there", "ready cpus{REV}:1")
	behaviour = func(context.Context) (string, error) {
		return "", status.Error(codes.FailedPrecondition, "another agent")
	}
	g.wantEstimate("refusing", nothingOffered)
	behaviour = func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "cpus:9", nil
	}
	g.wantEstimate("hanging", nothingOffered)
	behaviour = func(context.Context) (string, error) { return "cpus:2", nil }
	g.wantEstimate("there again", "ready cpus{REV}:2")
	stop()
	g.wantEstimate("gone", nothingOffered)
	serve(t, socket, offering("cpus:3"))
	g.wantEstimate("back", "ready cpus{REV}:3")

	for _, mode := range []string{"failing", "pending"} {
		g.send("usage %s", mode)
		g.expect("ok")
		g.wantEstimate("usage "+mode, nothingOffered)
	}
}

func TestGlueStaleGrace(t *testing.T) {
	requireGlue(t)
	socket := socketPath(t)
	_, stop := serve(t, socket, offering("cpus:2"))
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs", "stale_grace": "10mins"})
	g.wantEstimate("fresh", "ready cpus{REV}:2")
	stop()
	g.wantEstimate("gone", "ready cpus{REV}:2")

	// Half a cpu more is allocated as revocable: it comes off.
	usage := recordedUsage(t)
	for _, executor := range usage.GetExecutors() {
		for _, resource := range executor.GetAllocated() {
			if resource.GetRevocable() != nil && resource.GetName() == "cpus" {
				more := resource.GetScalar().GetValue() + 0.5
				resource.Scalar.Value = &more
			}
		}
	}
	g.usage(usage)
	g.wantEstimate("gone, and a task launched", "ready cpus{REV}:1.5")

	_, stop = serve(t, socket, &daemon{
		estimate: func(context.Context, *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
			return nil, status.Error(codes.FailedPrecondition, "another agent")
		},
	})
	g.wantEstimate("refused", nothingOffered)
	stop()
	g.wantEstimate("gone after a refusal", nothingOffered)
}

func TestGlueKillsOnlyRevocableExecutors(t *testing.T) {
	requireGlue(t)
	regular, revocable := executors(t)
	good := killOf(revocable)
	nested := proto.CloneOf(good)
	parent := good.GetKill().GetContainerId().GetValue()
	nested.Kill.ContainerId.Parent = &wire.ContainerID{Value: &parent}
	other := proto.CloneOf(good)
	container := "another"
	other.Kill.ContainerId.Value = &container
	anonymous := proto.CloneOf(good)
	anonymous.Kill.ContainerId = nil
	// On the wire without the required type.
	typeless := proto.CloneOf(good)
	typeless.Type = nil

	socket := socketPath(t)
	serve(t, socket, &daemon{corrections: correcting(killOf(regular), other, nested, anonymous, typeless, good)})
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
	if got, _ := g.do("correct"); got != "ready "+nameOf(good) {
		t.Errorf("the agent got %q, want only %q", got, nameOf(good))
	}
}

// What is revocable when the kill is handed on counts, not when the poll began.
func TestGlueAsksAgainBeforeAKill(t *testing.T) {
	requireGlue(t)
	_, revocable := executors(t)
	polling, answer := make(chan struct{}), make(chan struct{})
	socket := socketPath(t)
	serve(t, socket, &daemon{
		corrections: func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
			close(polling)
			<-answer
			return &agentv1.CorrectionsResponse{Corrections: []*wire.QoSCorrection{killOf(revocable)}}, nil
		},
	})
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
	poll := g.start("correct")
	await(t, polling, "the poll did not arrive")
	usage := recordedUsage(t)
	for _, executor := range usage.GetExecutors() {
		for _, resource := range executor.GetAllocated() {
			resource.Revocable = nil
		}
	}
	g.usage(usage)
	close(answer)
	if got, _ := g.wait(poll); got != nothingCorrected {
		t.Errorf("the agent got %q for an executor that is no longer revocable", got)
	}
}

// Nor does one whose executor got a regular task that is queued: the agent does
// not list it, but what is allocated holds it.
func TestGlueSparesQueuedRegularTasks(t *testing.T) {
	requireGlue(t)
	_, revocable := executors(t)
	socket := socketPath(t)
	serve(t, socket, &daemon{corrections: correcting(killOf(revocable))})
	g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
	usage := recordedUsage(t)
	name, amount := "cpus", 0.5
	for _, executor := range usage.GetExecutors() {
		executor.Allocated = append(executor.Allocated, &wire.Resource{
			Name: &name, Type: wire.Value_SCALAR.Enum(), Scalar: &wire.Value_Scalar{Value: &amount},
		})
	}
	g.usage(usage)
	if got, _ := g.do("correct"); got != nothingCorrected {
		t.Errorf("the agent got %q for an executor with a queued regular task", got)
	}
}

// Nor does anybody when the agent does not say what it has.
func TestGlueKillsNothingBlindly(t *testing.T) {
	requireGlue(t)
	_, revocable := executors(t)
	for _, mode := range []string{"failing", "pending"} {
		t.Run(mode, func(t *testing.T) {
			polling, answer := make(chan struct{}), make(chan struct{})
			socket := socketPath(t)
			serve(t, socket, &daemon{
				corrections: func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
					close(polling)
					<-answer
					return &agentv1.CorrectionsResponse{Corrections: []*wire.QoSCorrection{killOf(revocable)}}, nil
				},
			})
			g := startGlue(t, map[string]string{"socket": socket, "timeout": "3secs"})
			poll := g.start("correct")
			await(t, polling, "the poll did not arrive")
			g.send("usage %s", mode)
			g.expect("ok")
			close(answer)
			if got, _ := g.wait(poll); got != nothingCorrected {
				t.Errorf("the agent got %q", got)
			}
		})
	}
}

// Whatever the daemon does, the agent is not made to ask more than once a
// second.
func TestGluePacesCorrections(t *testing.T) {
	requireGlue(t)
	_, revocable := executors(t)
	for _, tc := range []struct {
		name   string
		daemon *daemon
		want   string
	}{
		{"nothing to correct, at once", &daemon{corrections: correcting()}, nothingCorrected},
		{"the same kill, at once", &daemon{corrections: correcting(killOf(revocable))}, "ready " + nameOf(killOf(revocable))},
		{"an error, at once", &daemon{corrections: func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
			return nil, status.Error(codes.Internal, "no")
		}}, nothingCorrected},
		{"no daemon", nil, nothingCorrected},
	} {
		t.Run(tc.name, func(t *testing.T) {
			socket := socketPath(t)
			if tc.daemon != nil {
				serve(t, socket, tc.daemon)
			}
			g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
			first := time.Now()
			for range 3 {
				if got, _ := g.do("correct"); got != tc.want {
					t.Errorf("the agent got %q, want %q", got, tc.want)
				}
			}
			if took := time.Since(first); took < 2*time.Second {
				t.Errorf("three lists within %v", took)
			}
		})
	}
}

// Neither order of dying, nor a call in flight, holds up the agent's shutdown:
// the driver must end by itself (startPipe).
func TestGlueShutdown(t *testing.T) {
	requireGlue(t)
	for _, order := range [][]string{{"controller", "estimator"}, {"estimator", "controller"}, {"controller"}, {}} {
		t.Run("destroy "+strings.Join(order, " then "), func(t *testing.T) {
			polling := make(chan struct{}, 1)
			cancelled := make(chan struct{}, 1)
			socket := socketPath(t)
			serve(t, socket, &daemon{
				estimate: offering("cpus:1").estimate,
				corrections: func(ctx context.Context, _ *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
					polling <- struct{}{}
					<-ctx.Done()
					cancelled <- struct{}{}
					return nil, ctx.Err()
				},
			})
			g := startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})
			g.start("correct")
			await(t, polling, "the poll did not arrive")
			for i, what := range order {
				g.send("destroy %s", what)
				g.expect("ok")
				if i == 0 && what == "controller" {
					await(t, cancelled, "the daemon still has a poll of a controller that is gone")
					g.wantEstimate("without the controller", "ready cpus{REV}:1")
				}
			}
		})
	}
}

func TestGlueParameters(t *testing.T) {
	requireGlue(t)
	for _, tc := range []struct {
		name       string
		parameters map[string]string
		ok         bool
	}{
		{"defaults, and no daemon there", nil, true},
		{"all", map[string]string{"socket": "/nowhere/agent.sock", "timeout": "1secs", "stale_grace": "30secs", "kinds": "cpus"}, true},
		{"a relative socket", map[string]string{"socket": "agent.sock"}, false},
		{"a timeout without unit", map[string]string{"timeout": "5"}, false},
		{"a misspelt key", map[string]string{"stale-grace": "5secs"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := loadGlue(t, tc.parameters)
			for _, what := range []string{"estimator", "controller"} {
				g.send("create %s", what)
				if got := g.reply(); (got == "ok") != tc.ok {
					t.Errorf("%s: %q", what, got)
				}
			}
		})
	}
}
