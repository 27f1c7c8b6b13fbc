package module_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
	"github.com/estimatord/estimatord/qos"
)

// startDaemon runs the daemon's own server, as --mode=fixed with that many cpus
// in thousandths.
func startDaemon(t *testing.T, socket string, cpus resources.Milli) *agentapi.Server {
	t.Helper()
	cfg := agentapi.DefaultConfig()
	cfg.Socket = socket
	cfg.PollMin = 0
	cfg.PollCap = time.Hour
	server, err := agentapi.New(cfg, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	fixed := estimator.NewFixed(resources.Quantities{{Name: "cpus", Amount: cpus}})
	server.Publish(fixed.Estimate(&snapshot.Snapshot{Seq: 1, At: time.Now()}, nil))
	return server
}

// withoutRevocable is the recorded usage before the revocable task is launched.
func withoutRevocable(t *testing.T) *wire.ResourceUsage {
	t.Helper()
	regular, _ := executors(t)
	usage := recordedUsage(t)
	usage.Executors = []*wire.ResourceUsage_Executor{regular}
	return usage
}

// victim is the revocable container of the report that the daemon has.
func victim(t *testing.T, server *agentapi.Server) qos.Victim {
	t.Helper()
	for _, executor := range server.Usage().Executors {
		if executor.Class != snapshot.ClassRevocable {
			continue
		}
		v, err := qos.NewVictim(&snapshot.Container{
			Key: snapshot.Key{ID: executor.ContainerID, Inode: 1}, OnDisk: true, Executor: &executor,
		}, qos.Cause{Rule: "test", Text: "the test says so"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Fatal("the daemon knows no revocable container")
	return qos.Victim{}
}

// agentSide is what an agent's module does with the daemon's answers: the C++
// transport alone, or the built module on libprocess.
type agentSide interface {
	estimate(usage *wire.ResourceUsage) (text string)
	poll(usage *wire.ResourceUsage) (wait func() (kills []string))
}

// The whole bargain with the daemon's own server: an offer, a launch, a kill,
// and the capacity back.
func offerLaunchKill(t *testing.T, socket string, agent agentSide) {
	t.Helper()
	server := startDaemon(t, socket, 4000)
	_, revocable := executors(t)
	before, after := withoutRevocable(t), recordedUsage(t)

	if got := agent.estimate(before); got != "cpus:4" {
		t.Errorf("before the launch %q is offered, want cpus:4", got)
	}
	if got := agent.estimate(after); got != "cpus:3" {
		t.Errorf("with one cpu launched %q is offered, want cpus:3", got)
	}

	wait := agent.poll(after)
	if err := server.Kill(victim(t, server)); err != nil {
		t.Fatal(err)
	}
	if got, want := wait(), []string{nameOf(killOf(revocable))}; !slices.Equal(got, want) {
		t.Errorf("killed %q, want %q", got, want)
	}
	if n := len(server.InFlight()); n != 1 {
		t.Errorf("%d kills in flight, want 1 until the container is gone", n)
	}

	if got := agent.estimate(before); got != "cpus:4" {
		t.Errorf("after the kill %q is offered, want cpus:4", got)
	}
	server.Observe(&snapshot.Snapshot{Seq: 2, At: time.Now(), Usage: server.Usage(), TreeWhy: snapshot.Present})
	if n := len(server.InFlight()); n != 0 {
		t.Errorf("%d kills in flight, want 0 with the container gone", n)
	}
}

// transportAgent is the C++ transport as an agent.
type transportAgent struct{ *driver }

func (a transportAgent) estimate(usage *wire.ResourceUsage) string {
	a.t.Helper()
	got := a.do("estimate", patience, usage)
	if got.Ending != "answered" {
		a.t.Fatalf("%+v", got)
	}
	return strings.Join(got.Values, " ")
}

func (a transportAgent) poll(usage *wire.ResourceUsage) func() []string {
	a.t.Helper()
	name := a.call("corrections", patience, usage)
	return func() (kills []string) {
		got := a.wait(name)
		if got.Ending != "answered" {
			a.t.Fatalf("%+v", got)
		}
		for _, value := range got.Values {
			var correction wire.QoSCorrection
			if err := proto.Unmarshal([]byte(value), &correction); err != nil {
				a.t.Fatal(err)
			}
			kills = append(kills, nameOf(&correction))
		}
		return kills
	}
}

func TestOfferLaunchKill(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		offerLaunchKill(t, socket, transportAgent{startDriver(t, programs, socket)})
	})
}

// glueAgent is the built module as an agent.
type glueAgent struct{ *glue }

func (a glueAgent) estimate(usage *wire.ResourceUsage) string {
	a.t.Helper()
	a.usage(usage)
	got, _ := a.do("estimate")
	return strings.ReplaceAll(strings.TrimPrefix(got, "ready "), "{REV}", "")
}

func (a glueAgent) poll(usage *wire.ResourceUsage) func() []string {
	a.t.Helper()
	a.usage(usage)
	name := a.start("correct")
	return func() []string {
		got, _ := a.wait(name)
		return strings.Fields(strings.TrimPrefix(got, "ready"))
	}
}

func TestGlueOfferLaunchKill(t *testing.T) {
	requireGlue(t)
	socket := socketPath(t)
	offerLaunchKill(t, socket, glueAgent{startGlue(t, map[string]string{"socket": socket, "timeout": "20secs"})})
}

// Another agent on the same socket is refused by its id, and says so.
func TestSecondAgentIsRefused(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		startDaemon(t, socket, 4000)
		first, second := startDriver(t, programs, socket), startDriver(t, programs, socket)
		if got := first.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Fatalf("%+v", got)
		}
		got := second.do("estimate", patience, recordedUsage(t))
		if got.Ending != "refused" || !strings.Contains(got.Error, "one estimatord, with its own socket, per agent") {
			t.Errorf("%+v", got)
		}
		// The kept connection holds the socket for the first between its calls.
		if got := first.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Errorf("%+v", got)
		}
	})
}
