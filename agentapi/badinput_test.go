package agentapi

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// What must not break the server, over real connections.

func TestEstimateAnswersOnlyWhatTheAgentCanRead(t *testing.T) {
	cfg := quick(t)
	cfg.Answer = unordered
	r := start(t, cfg)
	r.Publish(fixedOffer(0))
	resp, err := r.client(t).Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := resp.GetResources(), "cpus:1.5;mem:512"; got != want {
		t.Errorf("resources %q, want %q", got, want)
	}
	if !strings.Contains(r.log.String(), "left out of the offer") {
		t.Errorf("nothing was logged: %s", r.log)
	}
}

func TestUnusableReportsDoNotRefreshTheUsage(t *testing.T) {
	r := start(t, quick(t))
	c := r.client(t)
	raw := r.dial(t, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	if _, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith(bestEffort("be"))}); err != nil {
		t.Fatal(err)
	}
	good := r.Usage()

	nan := usageWith(executorOf("x", revocable(scalar("cpus", -1))))
	_, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: nan})
	wantCode(t, err, codes.InvalidArgument, "unusable usage report")
	_, err = c.Corrections(as(t, "a"), &agentv1.CorrectionsRequest{Usage: nan})
	wantCode(t, err, codes.InvalidArgument, "unusable usage report")
	_, err = c.Estimate(as(t, "a"), &agentv1.EstimateRequest{})
	wantCode(t, err, codes.InvalidArgument, "no usage (field 1)")
	_, err = c.Corrections(as(t, "a"), &agentv1.CorrectionsRequest{})
	wantCode(t, err, codes.InvalidArgument, "no usage (field 1)")
	var answer []byte
	err = raw.Invoke(as(t, "a"), agentv1.Oversubscription_Estimate_FullMethodName, []byte("garbage"), &answer)
	wantCode(t, err, codes.Internal, "7 bytes that are no estimatord.agent.v1.EstimateRequest")

	if r.Usage() != good {
		t.Errorf("the last good report was replaced by %+v", r.Usage())
	}
	st := r.Status()
	if st.BadReports != 5 || !strings.Contains(st.LastError.Text, "7 bytes") {
		t.Errorf("counted %d bad reports, last error %q", st.BadReports, st.LastError.Text)
	}
	if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1 and the rest kept back:\n%s", n, r.log)
	}
	// One answer before, one good one after: nothing is broken.
	if _, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
}

func TestDroppedExecutorsAreCounted(t *testing.T) {
	r := start(t, quick(t))
	if _, err := r.client(t).Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith(bestEffort("x"), bestEffort("x"), service1("s"))}); err != nil {
		t.Fatal(err)
	}
	st := r.Status()
	if st.DroppedExecutorsTotal != 2 || st.DroppedExecutors != 2 || st.Executors != 1 {
		t.Errorf("status %+v", st)
	}
	if log := r.log.String(); !strings.Contains(log, "executors left out") || !strings.Contains(log, "2 executors claim its container") {
		t.Errorf("log %s", log)
	}
}

func TestHugeMessageIsRefusedAndTheConnectionLives(t *testing.T) {
	r := start(t, quick(t))
	conn := r.dial(t, grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(200<<20)))
	c := agentv1.NewOversubscriptionClient(conn)
	if _, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	huge := usageWith(executorOf("x"))
	huge.Executors[0].ExecutorInfo.Source = new(strings.Repeat("x", 100<<20))
	_, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: huge})
	wantCode(t, err, codes.ResourceExhausted, "larger than max")
	if _, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Fatal(err)
	}
	if n := r.Status().Connections; n != 1 {
		t.Errorf("%d connections, want the same one", n)
	}
}

func TestBadAgentIDsAndHugeHeadersAreRefused(t *testing.T) {
	r := start(t, quick(t))
	c := r.client(t)
	_, err := c.Estimate(as(t, strings.Repeat("x", maxAgentID+1)), &agentv1.EstimateRequest{Usage: usageWith()})
	wantCode(t, err, codes.InvalidArgument, AgentIDHeader)
	_, err = c.Estimate(as(t, "two words"), &agentv1.EstimateRequest{Usage: usageWith()})
	wantCode(t, err, codes.InvalidArgument, AgentIDHeader)
	_, err = c.Estimate(metadata.AppendToOutgoingContext(as(t, "a"), AgentIDHeader, "b"), &agentv1.EstimateRequest{Usage: usageWith()})
	wantCode(t, err, codes.InvalidArgument, AgentIDHeader)
	_, err = c.Estimate(as(t, strings.Repeat("x", 1<<20)), &agentv1.EstimateRequest{Usage: usageWith()})
	if err == nil {
		t.Error("a header of 1 MB was taken")
	}
	if r.Usage() != nil {
		t.Error("a report was accepted")
	}
}

func TestWrongMethodsAreNamedAndCounted(t *testing.T) {
	r := start(t, quick(t))
	conn := r.dial(t)
	for _, method := range []string{
		"/estimatord.agent.v1.Oversubscription/Kill", "/estimatord.agent.v2.Oversubscription/Estimate", "/x/y", "/x",
	} {
		err := conn.Invoke(as(t, "a"), method, &agentv1.EstimateRequest{}, &agentv1.EstimateResponse{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: err = %v, want Unimplemented", method, err)
		}
	}
	eventually(t, "the calls are counted", func() bool {
		for _, c := range r.Status().Calls {
			if c.Method == otherMethod && c.Code == "Unimplemented" && c.N >= 3 {
				return true
			}
		}
		return false
	})
}

func TestClientsThatAreNoClients(t *testing.T) {
	for name, send := range map[string]string{
		"silent":   "",
		"HTTP/1.1": "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"garbage":  "\x00\x01\x02\x03garbage garbage garbage garbage garbage",
		"a preface and garbage": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
			"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			cfg := quick(t)
			cfg.HandshakeTimeout = 100 * time.Millisecond
			r := start(t, cfg)
			c, err := net.Dial("unix", r.path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := io.WriteString(c, send); err != nil {
				t.Fatal(err)
			}
			// Another client is served meanwhile, and the server hangs up.
			if _, err := r.client(t).Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
}

func TestPanicEndsTheCallOnly(t *testing.T) {
	cfg := quick(t)
	cfg.Answer = panics
	r := start(t, cfg)
	c := r.client(t)
	r.Publish(fixedOffer(0))
	for range 2 {
		_, err := c.Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()})
		wantCode(t, err, codes.Internal, "see its log")
	}
	if st := r.Status(); st.Panics != 2 || !strings.Contains(st.LastError.Text, "boom") {
		t.Errorf("status %+v", st)
	}
	if !strings.Contains(r.log.String(), "boom") || !strings.Contains(r.log.String(), "answers_test.go") {
		t.Errorf("the log has no stack: %s", r.log)
	}
}
