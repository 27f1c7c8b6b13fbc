package agentapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/unixsocket"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// The long poll in the fake time of a synctest bubble: handlers are called as
// gRPC calls them, without a socket.

type polled struct {
	resp *agentv1.CorrectionsResponse
	err  error
	took time.Duration
}

// bubble is a Server inside a synctest bubble.
type bubble struct {
	t   *testing.T
	srv *Server
	c   *conn
}

func inBubble(t *testing.T, test func(*testing.T, *bubble)) {
	t.Helper()
	inBubbleWith(t, DefaultConfig(), test)
}

func inBubbleWith(t *testing.T, cfg Config, test func(*testing.T, *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv, err := New(cfg, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		test(t, &bubble{t: t, srv: srv, c: &conn{caller: &unixsocket.Peer{Process: "pid:1@1"}}})
	})
}

func (b *bubble) ctx(parent context.Context, agent string) context.Context {
	return metadata.NewIncomingContext(context.WithValue(parent, connKey{}, b.c), metadata.Pairs(AgentIDHeader, agent))
}

// poll starts a Corrections call.
func (b *bubble) poll(ctx context.Context, executors ...*wire.ResourceUsage_Executor) <-chan polled {
	out := make(chan polled, 1)
	began := time.Now()
	go func() {
		resp, err := (&service{s: b.srv}).Corrections(b.ctx(ctx, "a"), &agentv1.CorrectionsRequest{Usage: usageWith(executors...)})
		out <- polled{resp, err, time.Since(began)}
	}()
	synctest.Wait()
	return out
}

func (b *bubble) estimate(executors ...*wire.ResourceUsage_Executor) {
	b.t.Helper()
	if _, err := (&service{s: b.srv}).Estimate(b.ctx(b.t.Context(), "a"), &agentv1.EstimateRequest{Usage: usageWith(executors...)}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bubble) kill(container string) {
	b.t.Helper()
	if err := b.srv.Kill(victimOf(b.t, container, 1)); err != nil {
		b.t.Fatal(err)
	}
}

// want checks an answer: when it came and whom it kills.
func (b *bubble) want(p <-chan polled, after time.Duration, containers ...string) {
	b.t.Helper()
	got := <-p
	if got.err != nil {
		b.t.Fatal(got.err)
	}
	if got.took != after {
		b.t.Errorf("answered after %s, want %s", got.took, after)
	}
	var ids []string
	for _, c := range got.resp.GetCorrections() {
		k := c.GetKill()
		if c.GetType() != wire.QoSCorrection_KILL || k.GetFrameworkId().GetValue() != "f" || k.GetExecutorId().GetValue() != "e-"+k.GetContainerId().GetValue() {
			b.t.Errorf("correction %v", c)
		}
		ids = append(ids, k.GetContainerId().GetValue())
	}
	if !slices.Equal(ids, containers) {
		b.t.Errorf("kills %q, want %q", ids, containers)
	}
}

func TestPollIsAnsweredAtTheCap(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.want(b.poll(t.Context()), 10*time.Second)
	})
}

func TestPollIsAnsweredWhenAKillComes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context(), bestEffort("x"))
		time.Sleep(4 * time.Second)
		b.kill("x")
		b.want(p, 4*time.Second, "x")
	})
}

func TestPollIsNotAnsweredInTheFirstSecond(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.estimate(bestEffort("x"))
		b.kill("x")
		b.want(b.poll(t.Context(), bestEffort("x")), time.Second, "x")
	})
}

func TestKillIsHandedOverAgainWhileTheContainerStays(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		x := snapshot.Key{ID: "x", Inode: 1}
		p := b.poll(t.Context(), bestEffort("x"))
		time.Sleep(2 * time.Second)
		b.kill("x")
		b.kill("x") // asking again is fine
		b.want(p, 2*time.Second, "x")
		b.want(b.poll(t.Context(), bestEffort("x")), 10*time.Second)
		b.want(b.poll(t.Context(), bestEffort("x")), 10*time.Second)
		b.srv.Observe(onDisk(time.Now(), b.srv.Usage(), x))
		if n := len(b.srv.InFlight()); n != 1 {
			t.Errorf("%d in flight, want 1", n)
		}
		// 30 s after the handover, in the middle of the third call.
		b.want(b.poll(t.Context(), bestEffort("x")), 10*time.Second, "x")
		b.srv.Observe(onDisk(time.Now(), b.srv.Usage()))
		if st := b.srv.Status(); st.InFlight != 0 || st.Kills != (KillCounts{Queued: 1, HandedOver: 1, Retried: 1, Ignored: 1, Confirmed: 1}) {
			t.Errorf("status %+v", st)
		}
	})
}

// A call that came before a launch could not hand over a kill of what was
// launched, so it ends when the launch is reported, not when the kill comes.
func TestPollEndsWhenANewerReportListsANewVictim(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context())
		time.Sleep(2 * time.Second)
		b.estimate(bestEffort("x")) // launched since the poll began
		b.want(p, 2*time.Second)
		p = b.poll(t.Context(), bestEffort("x"))
		b.estimate(bestEffort("x"))
		time.Sleep(3 * time.Second)
		b.kill("x")
		b.want(p, 3*time.Second, "x")
	})
}

// In the first second of a call the kill itself has to ask for a fresh report.
func TestPollAsksForAFreshReportWhenOnlyANewerOneListsTheVictim(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context())
		time.Sleep(time.Second / 2)
		b.estimate(bestEffort("x"))
		b.kill("x")
		b.want(p, time.Second)
		b.want(b.poll(t.Context(), bestEffort("x")), time.Second, "x")
	})
}

func TestKillOfAChangedExecutorIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context(), bestEffort("x"))
		time.Sleep(2 * time.Second)
		shared := bestEffort("x")
		shared.Tasks = append(shared.Tasks, service1("x").Tasks...)
		b.estimate(shared)
		b.kill("x")
		b.want(p, 10*time.Second)
		if st := b.srv.Status(); st.Kills.Dropped != 1 || st.InFlight != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestPollIsAnsweredWhenAContainerAppears(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context())
		time.Sleep(3 * time.Second)
		y := snapshot.Key{ID: "y", Inode: 2}
		b.srv.Observe(onDisk(time.Now(), b.srv.Usage(), y))
		b.want(p, 3*time.Second)
		// The next call brings a report that does not list it either.
		p = b.poll(t.Context())
		time.Sleep(9 * time.Second)
		b.srv.Observe(onDisk(time.Now(), b.srv.Usage(), y))
		b.want(p, 10*time.Second)
	})
}

func TestNewerPollSupersedesTheOlder(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		older := b.poll(t.Context(), bestEffort("x"))
		time.Sleep(200 * time.Millisecond)
		newer := b.poll(t.Context(), bestEffort("x"))
		b.kill("x")
		b.want(older, time.Second) // not before: two loops must not make each other spin
		b.want(newer, time.Second, "x")
		if n := b.srv.Status().Superseded; n != 1 {
			t.Errorf("superseded %d, want 1", n)
		}
	})
}

func TestPollsAnswerAtMostOnceASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context(), bestEffort("x"), bestEffort("y"))
		time.Sleep(5 * time.Second)
		b.kill("x")
		b.want(p, 5*time.Second, "x")
		p = b.poll(t.Context(), bestEffort("x"), bestEffort("y"))
		b.kill("y")
		b.want(p, time.Second, "y")
	})
}

func TestPollsAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		var all []<-chan polled
		for range maxPolls {
			all = append(all, b.poll(t.Context()))
		}
		got := <-b.poll(t.Context())
		wantCode(t, got.err, codes.ResourceExhausted, "8 Corrections calls")
		for _, p := range all {
			<-p
		}
		if n := b.srv.Status().Polls; n != 0 {
			t.Errorf("%d polls left", n)
		}
	})
}

func TestPollEndsWithItsCaller(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx, cancel := context.WithCancel(t.Context())
		p := b.poll(ctx, bestEffort("x"))
		time.Sleep(2 * time.Second)
		cancel()
		got := <-p
		wantCode(t, got.err, codes.Canceled, "")
		if got.took != 2*time.Second {
			t.Errorf("it took %s", got.took)
		}
		// Nothing was lost with it.
		b.kill("x")
		b.want(b.poll(t.Context(), bestEffort("x")), time.Second, "x")
	})
}

func TestKillOfALostAnswerStaysQueued(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.estimate(bestEffort("x"))
		b.kill("x")
		// As the stats handler does for a call whose answer is not written.
		c := &call{}
		ctx := context.WithValue(b.ctx(t.Context(), "a"), callKey{}, c)
		resp, err := (&service{s: b.srv}).Corrections(ctx, &agentv1.CorrectionsRequest{Usage: usageWith(bestEffort("x"))})
		if err != nil || len(resp.GetCorrections()) != 1 || c.end == nil {
			t.Fatal(resp, err, c.end == nil)
		}
		c.end(io.ErrClosedPipe)
		if st := b.srv.Status(); st.InFlight != 1 || st.Kills.Unsent != 1 || st.Kills.HandedOver != 0 {
			t.Errorf("status %+v", st)
		}
		b.want(b.poll(t.Context(), bestEffort("x")), time.Second, "x")
	})
}

func TestLogsAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		c := &counters{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: noTime}))}
		err := errors.New("e")
		for range 5 {
			c.problem(time.Now(), refusedAgent, 1, err)
		}
		c.problem(time.Now(), refusedPeer, 1, err)
		time.Sleep(time.Minute)
		c.problem(time.Now(), refusedAgent, 1, err)
		line := func(kind problem, kept int) string {
			return fmt.Sprintf("level=WARN msg=%q err=e kept_back=%d\n", messages[kind], kept)
		}
		want := line(refusedAgent, 0) + line(refusedPeer, 0) + line(refusedAgent, 4)
		if got := log.String(); got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func noTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
