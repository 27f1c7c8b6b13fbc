package agentapi

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// hang makes a call that never sends its message, on a connection of its own.
func hang(t *testing.T, conn *grpc.ClientConn, id string) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithCancel(as(t, id))
	t.Cleanup(cancel)
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, agentv1.Oversubscription_Estimate_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) arriving(g group) int {
	s.arrivals.mu.Lock()
	defer s.arrivals.mu.Unlock()
	return s.arrivals.taken[g]
}

// Calls that do not send their message take the places of their group only, and
// not for long.
func TestFewCallsArriveAtATime(t *testing.T) {
	cfg := quick(t)
	cfg.ArriveTimeout = time.Hour
	r := start(t, cfg)
	agent := r.client(t)
	estimate := func(c agentv1.OversubscriptionClient, id string) error {
		_, err := c.Estimate(as(t, id), &agentv1.EstimateRequest{Usage: usageWith()})
		return err
	}
	if err := estimate(agent, "a"); err != nil {
		t.Fatal(err)
	}
	flood := r.dial(t)
	for range maxArriving {
		hang(t, flood, "b")
	}
	eventually(t, "they arrive", func() bool { return r.arriving(ofOthers) == maxArriving })
	wantCode(t, estimate(r.client(t), "b"), codes.ResourceExhausted, "arrive already")
	// Those of the agent are not among them, nor is its long poll once it waits.
	poll := make(chan error, 1)
	ctx, cancel := context.WithCancel(as(t, "a"))
	go func() {
		_, err := agent.Corrections(ctx, &agentv1.CorrectionsRequest{Usage: usageWith()})
		poll <- err
	}()
	eventually(t, "it polls", func() bool { return r.Status().Polls == 1 })
	for range 2 * maxArriving {
		if err := estimate(agent, "a"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-poll; status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	if n := r.Status().RefusedCalls; n != 1 {
		t.Errorf("counted %d refused calls", n)
	}
	eventually(t, "nothing of the agent's arrives", func() bool { return r.arriving(ofOwner) == 0 })
}

func TestCallsThatDoNotArriveEnd(t *testing.T) {
	cfg := quick(t)
	cfg.ArriveTimeout = 20 * time.Millisecond
	r := start(t, cfg)
	flood := r.dial(t)
	s := hang(t, flood, "b")
	if err := s.RecvMsg(&agentv1.EstimateResponse{}); err == nil {
		t.Error("it was answered")
	}
	eventually(t, "its place is free", func() bool { return r.arriving(ofOthers) == 0 })
	// A call that has arrived may take longer.
	ctx, cancel := context.WithTimeout(as(t, "a"), 10*cfg.ArriveTimeout)
	defer cancel()
	if _, err := r.client(t).Corrections(ctx, &agentv1.CorrectionsRequest{Usage: usageWith()}); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

// Many calls with the largest messages at a time are refused or answered, each
// by itself, and the agent keeps being served.
func TestFloodOfLargeMessages(t *testing.T) {
	r := start(t, quick(t))
	agent := r.client(t)
	if _, err := agent.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	messages := [][]byte{
		request(bytes.Repeat([]byte{0x0a, 0x00}, 500_000)),
		request(append([]byte{0x7a, 0x80, 0x80, 0x80, 0x03}, make([]byte, 6<<20)...)), // a field that nobody knows
	}
	ended := make(chan error)
	const calls = 16
	for i := range calls {
		conn := r.dial(t, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
		go func() {
			var answer []byte
			ended <- conn.Invoke(as(t, "b"), agentv1.Oversubscription_Estimate_FullMethodName, messages[i%2], &answer)
		}()
	}
	for range calls {
		if err := <-ended; err == nil {
			t.Error("one was answered")
		}
		if _, err := agent.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
			t.Fatal(err)
		}
	}
}

// One connection too many is closed at once, and the others live.
func TestConnectionsAreLimited(t *testing.T) {
	cfg := quick(t)
	cfg.MaxConnections = 3
	r := start(t, cfg)
	agent := r.client(t)
	if _, err := agent.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	dial := func() net.Conn {
		c, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
		return c
	}
	for range 2 {
		dial()
	}
	one := make([]byte, 1)
	if n, err := dial().Read(one); err == nil { // a server's settings come first
		t.Errorf("read %d bytes of a connection too many", n)
	}
	if _, err := agent.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "another one is let in", func() bool {
		_, err := r.client(t).Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()})
		return err == nil
	})
}
