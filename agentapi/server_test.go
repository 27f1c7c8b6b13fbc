package agentapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/estimatord/estimatord/estimator"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
	"github.com/estimatord/estimatord/resources"
)

// patience bounds how long a test waits for what must happen; it is never how
// long something takes.
const patience = 30 * time.Second

// logBuffer is a log that tests may read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a Server that serves on a real socket.
type running struct {
	*Server
	log  *logBuffer
	path string
	// stop ends Serve and returns its error.
	stop func() error
}

// quick is a configuration that does not make a test wait.
func quick(t testing.TB) Config {
	cfg := DefaultConfig()
	cfg.Socket = socketPath(t)
	cfg.PollMin = 0
	cfg.PollCap = time.Hour
	return cfg
}

func start(t testing.TB, cfg Config) *running {
	t.Helper()
	r := &running{log: &logBuffer{}, path: cfg.Socket}
	srv, err := New(cfg, slog.New(slog.NewTextHandler(r.log, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	r.Server = srv
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// dial is a new connection, without retries behind the test's back.
func (r *running) dial(t testing.TB, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("unix://"+r.path, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *running) client(t testing.TB) agentv1.OversubscriptionClient {
	return agentv1.NewOversubscriptionClient(r.dial(t))
}

// as names the agent.
func as(t testing.TB, id string) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	if id != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, AgentIDHeader, id)
	}
	return ctx
}

func wantCode(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), text) {
		t.Fatalf("err = %v, want %s with %q", err, code, text)
	}
}

// eventually waits for cond, which some event of another goroutine makes true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// fixedOffer promises that many cpus in all, for ever.
func fixedOffer(milli resources.Milli) estimator.Offer {
	return estimator.Offer{At: time.Now(), Resources: []estimator.ResourceOffer{{Name: "cpus", Target: milli, Gross: milli}}}
}

func TestEstimateAnswersTheRecordedRequest(t *testing.T) {
	r := start(t, quick(t))
	conn := r.dial(t, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	ask := func() string {
		t.Helper()
		var answer []byte
		if err := conn.Invoke(as(t, ""), agentv1.Oversubscription_Estimate_FullMethodName, recording(t, "one-regular-one-revocable.bin"), &answer); err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	if got := ask(); got != "" {
		t.Errorf("before anything was published: %q, want an empty message", got)
	}
	r.Publish(fixedOffer(4000))
	// Field 1, length 6: four cpus in all, one of them held.
	if got, want := ask(), "\x0a\x06cpus:3"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	u := r.Usage()
	if u == nil || len(u.Executors) != 2 || !strings.HasPrefix(u.Agent, "pid:") {
		t.Fatalf("usage %+v", u)
	}
	st := r.Status()
	if !st.Connected || st.Agent != u.Agent || st.Executors != 2 || !st.UsageAt.Equal(u.At) {
		t.Errorf("status %+v", st)
	}
}

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

func TestHealthFollowsTheTicks(t *testing.T) {
	r := start(t, quick(t))
	c := healthv1.NewHealthClient(r.dial(t))
	for _, service := range []string{"", "estimatord.agent.v1.Oversubscription"} {
		for _, serving := range []bool{false, true, false} {
			r.SetServing(serving)
			resp, err := c.Check(as(t, ""), &healthv1.HealthCheckRequest{Service: service})
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.GetStatus() == healthv1.HealthCheckResponse_SERVING; got != serving {
				t.Errorf("%q: %s, want serving %t", service, resp.GetStatus(), serving)
			}
		}
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	r := start(t, quick(t))
	stream, err := reflectionv1.NewServerReflectionClient(r.dial(t)).ServerReflectionInfo(as(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var names []string
	for _, s := range ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}).GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "estimatord.agent.v1.Oversubscription") || !strings.Contains(got, "grpc.health.v1.Health") {
		t.Errorf("services %q", got)
	}
	files := ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "estimatord.mesoswire.v1.ResourceUsage",
	}}).GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(files) == 0 {
		t.Error("the Mesos messages are not described")
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("err = %v, want EOF", err)
	}
}

func TestServeRemovesTheSocketAndCutsLongPolls(t *testing.T) {
	r := start(t, quick(t))
	polled := make(chan error, 1)
	c := r.client(t)
	go func() {
		_, err := c.Corrections(as(t, "a"), &agentv1.CorrectionsRequest{Usage: usageWith()})
		polled <- err
	}()
	eventually(t, "the call waits", func() bool { return r.Status().Polls == 1 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-polled, codes.Unavailable, "shutting down")
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if err := r.Serve(t.Context()); !errors.Is(err, ErrNotListening) {
		t.Errorf("second Serve: %v, want ErrNotListening", err)
	}
}

func TestServeOfAnEndedContext(t *testing.T) {
	cfg := quick(t)
	srv, err := New(cfg, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := srv.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(cfg.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestServeDoesNotWaitForEverForAClient(t *testing.T) {
	cfg := quick(t)
	cfg.DrainFor = 50 * time.Millisecond
	r := start(t, cfg)
	// A health watch does not end by itself.
	w, err := healthv1.NewHealthClient(r.dial(t)).Watch(as(t, ""), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Recv(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.stop() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Serve did not return")
	}
}

func TestSecondServerOnTheSameSocketIsRefused(t *testing.T) {
	cfg := quick(t)
	r := start(t, cfg)
	second, err := New(cfg, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Listen(); !errors.Is(err, ErrInUse) {
		t.Errorf("err = %v, want ErrInUse", err)
	}
	if _, err := r.client(t).Estimate(as(t, "a"), &agentv1.EstimateRequest{Usage: usageWith()}); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no message size":     func(c *Config) { c.MaxMessageBytes = 0 },
		"no streams":          func(c *Config) { c.MaxStreams = 0 },
		"no polls":            func(c *Config) { c.MaxPolls = 0 },
		"cap below minimum":   func(c *Config) { c.PollMin, c.PollCap = 2, 1 },
		"no retry":            func(c *Config) { c.RetryAfter = 0 },
		"retry cap too low":   func(c *Config) { c.RetryCap = c.RetryAfter - 1 },
		"no owner timeout":    func(c *Config) { c.OwnerTimeout = 0 },
		"no handshake limit":  func(c *Config) { c.HandshakeTimeout = 0 },
		"kills never valid":   func(c *Config) { c.KillValidFor = 0 },
		"no answer":           func(c *Config) { c.Answer = nil },
		"no proc":             func(c *Config) { c.ProcRoot = "" },
		"no socket":           func(c *Config) { c.Socket = "" },
		"no keepalive period": func(c *Config) { c.KeepaliveAfter = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			change(&cfg)
			if _, err := New(cfg, slog.New(slog.DiscardHandler), time.Now); !errors.Is(err, ErrConfig) && !errors.Is(err, ErrSocketPath) {
				t.Errorf("err = %v, want ErrConfig or ErrSocketPath", err)
			}
		})
	}
	if cfg := DefaultConfig(); cfg.validate() != nil {
		t.Errorf("the default is refused: %v", cfg.validate())
	}
}

// BenchmarkEstimate is one round trip over the socket, client included.
func BenchmarkEstimate(b *testing.B) {
	r := start(b, quick(b))
	r.Publish(fixedOffer(4000))
	c := r.client(b)
	var m wire.ResourceUsage
	for range 50 {
		m.Executors = append(m.Executors, service1("s"+string(rune('A'+len(m.Executors)))), bestEffort("b"+string(rune('A'+len(m.Executors)))))
	}
	req := &agentv1.EstimateRequest{Usage: &m}
	ctx := as(b, "a")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Estimate(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}
