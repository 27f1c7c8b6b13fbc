package agentapi

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/estimatord/estimatord/internal/snapshot"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// Agents that come, go and stand in each other's way, over real connections.

func TestSecondAgentIsRefusedUntilTheFirstHangsUp(t *testing.T) {
	r := start(t, quick(t))
	first := r.dial(t)
	if _, err := agentv1.NewOversubscriptionClient(first).Estimate(as(t, "one"), &agentv1.EstimateRequest{Usage: usageWith(bestEffort("x"))}); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill(victimOf(t, "x", 1)); err != nil {
		t.Fatal(err)
	}
	second := r.client(t)
	_, err := second.Estimate(as(t, "two"), &agentv1.EstimateRequest{Usage: usageWith()})
	wantCode(t, err, codes.FailedPrecondition, `agent "two"`)
	wantCode(t, err, codes.FailedPrecondition, `serves agent "one"`)
	if u := r.Usage(); u.Agent != "one" || len(u.Executors) != 1 {
		t.Errorf("usage %+v", u)
	}
	if st := r.Status(); st.RefusedAgents != 1 || st.Agent != "one" || !st.Connected || !strings.Contains(st.LastError.Text, `"two"`) {
		t.Errorf("status %+v", st)
	}

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first agent is seen to be gone", func() bool { return !r.Status().Connected })
	if r.Usage() == nil {
		t.Error("a closed connection made the last report vanish: it must grow stale instead")
	}
	if _, err := second.Estimate(as(t, "two"), &agentv1.EstimateRequest{Usage: usageWith(bestEffort("x"))}); err != nil {
		t.Fatal(err)
	}
	if u := r.Usage(); u.Agent != "two" {
		t.Errorf("usage of %q", u.Agent)
	}
	if st := r.Status(); st.Agent != "two" || st.Takeovers != 2 || st.InFlight != 1 {
		t.Errorf("status %+v", st)
	}
	if log := r.log.String(); !strings.Contains(log, "agent disconnected") || !strings.Contains(log, "instead_of=one") {
		t.Errorf("log %s", log)
	}
	// The kill is still in flight: its container lives on under the new agent.
	resp, err := second.Corrections(as(t, "two"), &agentv1.CorrectionsRequest{Usage: usageWith(bestEffort("x"))})
	if err != nil || len(resp.GetCorrections()) != 1 {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestConnectedButSilentAgentLosesTheSocket(t *testing.T) {
	cfg := quick(t)
	cfg.OwnerTimeout = time.Nanosecond
	r := start(t, cfg)
	for _, agent := range []string{"one", "two"} {
		if _, err := r.client(t).Estimate(as(t, agent), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.Status(); st.Agent != "two" || st.Connections != 2 {
		t.Errorf("status %+v", st)
	}
	// While a call of it waits, an agent is not silent.
	waiting := r.client(t)
	go func() {
		_, _ = waiting.Corrections(as(t, "two"), &agentv1.CorrectionsRequest{Usage: usageWith()})
	}()
	eventually(t, "the call waits", func() bool { return r.Status().Polls == 1 })
	_, err := r.client(t).Estimate(as(t, "one"), &agentv1.EstimateRequest{Usage: usageWith()})
	wantCode(t, err, codes.FailedPrecondition, `serves agent "two"`)
}

func TestSameAgentOnANewConnection(t *testing.T) {
	r := start(t, quick(t))
	for range 2 {
		c := r.dial(t)
		if _, err := agentv1.NewOversubscriptionClient(c).Estimate(as(t, "one"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.Status(); st.Takeovers != 1 || st.RefusedAgents != 0 || st.Connections != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestUnusableReportDoesNotTakeTheSocketOver(t *testing.T) {
	r := start(t, quick(t))
	first := r.dial(t)
	if _, err := agentv1.NewOversubscriptionClient(first).Estimate(as(t, "one"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	eventually(t, "the first agent is seen to be gone", func() bool { return !r.Status().Connected })
	_, err := r.client(t).Estimate(as(t, "two"), &agentv1.EstimateRequest{Usage: usageWith(executorOf("x", revocable(scalar("cpus", -1))))})
	wantCode(t, err, codes.InvalidArgument, "unusable")
	if st := r.Status(); st.Agent != "one" {
		t.Errorf("status %+v", st)
	}
}

func TestKillGoesToTheWaitingAgent(t *testing.T) {
	r := start(t, quick(t))
	c := r.client(t)
	type answer struct {
		resp *agentv1.CorrectionsResponse
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := c.Corrections(as(t, "a"), &agentv1.CorrectionsRequest{Usage: usageWith(bestEffort("x"), service1("s"))})
		got <- answer{resp, err}
	}()
	eventually(t, "the call waits", func() bool { return r.Status().Polls == 1 })
	if err := r.Kill(victimOf(t, "x", 1)); err != nil {
		t.Fatal(err)
	}
	a := <-got
	if a.err != nil || len(a.resp.GetCorrections()) != 1 || a.resp.GetCorrections()[0].GetKill().GetContainerId().GetValue() != "x" {
		t.Fatalf("%v, %v", a.resp, a.err)
	}
	eventually(t, "the handover is settled", func() bool { return r.Status().Kills.HandedOver == 1 })
	if f := r.InFlight(); len(f) != 1 || f[0].Key != (snapshot.Key{ID: "x", Inode: 1}) {
		t.Errorf("in flight %+v", f)
	}
	r.Observe(onDisk(noon, r.Usage()))
	if st := r.Status(); st.Kills.Confirmed != 1 || len(r.InFlight()) != 0 {
		t.Errorf("status %+v", st)
	}
}

// untilThereIsRoom repeats a call for which too many others arrive.
func untilThereIsRoom(t *testing.T, call func() error) {
	err := call()
	for status.Code(err) == codes.ResourceExhausted {
		err = call()
	}
	if err != nil {
		t.Error(err)
	}
}

// Everything at once, for the race detector; what is counted must add up.
func TestManyCallsAtOnce(t *testing.T) {
	cfg := quick(t)
	cfg.PollCap = 5 * time.Millisecond
	r := start(t, cfg)
	var work sync.WaitGroup
	const clients, rounds = 4, 25
	for range clients {
		c := r.client(t)
		work.Go(func() {
			for range rounds {
				untilThereIsRoom(t, func() error {
					_, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith(bestEffort("x"))})
					return err
				})
				untilThereIsRoom(t, func() error {
					_, err := c.Corrections(as(t, "a"), &agentv1.CorrectionsRequest{Usage: usageWith(bestEffort("x"))})
					return err
				})
			}
		})
	}
	work.Go(func() {
		for inode := range uint64(rounds) {
			if err := r.Kill(victimOf(t, "x", inode+1)); err != nil {
				t.Error(err)
			}
			r.Publish(fixedOffer(4000))
			// The container of the kill before is gone, that of this one is not.
			r.Observe(onDisk(time.Now(), r.Usage(), snapshot.Key{ID: "x", Inode: inode + 1}, snapshot.Key{ID: "new", Inode: inode}))
			r.InFlight()
			r.SetServing(inode%2 == 0)
		}
	})
	work.Wait()
	eventually(t, "all calls are counted", func() bool {
		st := r.Status()
		var ok uint64
		for _, c := range st.Calls {
			if c.Code == "OK" {
				ok += c.N
			}
		}
		return ok == 2*clients*rounds
	})
	r.Observe(onDisk(time.Now(), r.Usage()))
	st := r.Status()
	if k := st.Kills; k.Queued != rounds || k.Confirmed+k.EndedItself+k.Dropped+k.Expired != rounds || st.InFlight != 0 {
		t.Errorf("kills %+v, %d in flight", k, st.InFlight)
	}
	if st.Polls != 0 || st.Panics != 0 || st.Takeovers != 1 {
		t.Errorf("status %+v", st)
	}
}

func TestPollOfAVanishedClientEnds(t *testing.T) {
	r := start(t, quick(t))
	conn := r.dial(t)
	ctx, cancel := context.WithCancel(as(t, "a"))
	ended := make(chan error, 1)
	go func() {
		_, err := agentv1.NewOversubscriptionClient(conn).Corrections(ctx, &agentv1.CorrectionsRequest{Usage: usageWith()})
		ended <- err
	}()
	eventually(t, "the call waits", func() bool { return r.Status().Polls == 1 })
	cancel()
	wantCode(t, <-ended, codes.Canceled, "")
	eventually(t, "the call is gone", func() bool { return r.Status().Polls == 0 })

	go func() {
		_, err := agentv1.NewOversubscriptionClient(conn).Corrections(as(t, "a"), &agentv1.CorrectionsRequest{Usage: usageWith()})
		ended <- err
	}()
	eventually(t, "the second call waits", func() bool { return r.Status().Polls == 1 })
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a call on a closed connection succeeded")
	}
	eventually(t, "the second call is gone", func() bool { return r.Status().Polls == 0 })
}
