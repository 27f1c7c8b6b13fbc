package agentapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
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
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
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

// fixedOffer is what --mode=fixed promises with that many cpus in all.
func fixedOffer(milli resources.Milli) estimator.Offer {
	e := estimator.NewFixed(resources.Quantities{{Name: "cpus", Amount: milli}})
	return e.Estimate(&snapshot.Snapshot{Seq: 1, At: time.Now()}, nil)
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
		"cap below minimum":  func(c *Config) { c.PollMin, c.PollCap = 2, 1 },
		"no owner timeout":   func(c *Config) { c.OwnerTimeout = 0 },
		"no handshake limit": func(c *Config) { c.HandshakeTimeout = 0 },
		"no arrive timeout":  func(c *Config) { c.ArriveTimeout = 0 },
		"no connections":     func(c *Config) { c.MaxConnections = 0 },
		"no answer":          func(c *Config) { c.Answer = nil },
		"no proc":            func(c *Config) { c.ProcRoot = "" },
		"no socket":          func(c *Config) { c.Socket = "" },
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

// socketPath is a short path in a directory of its own: t.TempDir() holds the
// test's name and may be longer than the kernel takes.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "es")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "agent.sock")
}
