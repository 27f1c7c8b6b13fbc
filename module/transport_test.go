package module_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func kill(framework, executor, container string) *wire.QoSCorrection {
	return &wire.QoSCorrection{
		Type: wire.QoSCorrection_KILL.Enum(),
		Kill: &wire.QoSCorrection_Kill{
			FrameworkId: &wire.FrameworkID{Value: &framework},
			ExecutorId:  &wire.ExecutorID{Value: &executor},
			ContainerId: &wire.ContainerID{Value: &container},
		},
	}
}

func TestBothCalls(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		usage := recordedUsage(t)
		kills := []*wire.QoSCorrection{kill("f1", "e1", "c1"), kill("f1", "e2", "c2")}
		var seen []metadata.MD
		var left []time.Duration
		look := func(ctx context.Context, got *wire.ResourceUsage) error {
			if !proto.Equal(got, usage) {
				return status.Error(codes.InvalidArgument, "another usage than was sent")
			}
			md, _ := metadata.FromIncomingContext(ctx)
			seen = append(seen, md)
			deadline, ok := ctx.Deadline()
			if !ok {
				return status.Error(codes.InvalidArgument, "no deadline")
			}
			left = append(left, time.Until(deadline))
			return nil
		}
		socket := socketPath(t)
		serve(t, socket, &daemon{
			estimate: func(ctx context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
				return &agentv1.EstimateResponse{Resources: "cpus:1.5;mem:512"}, look(ctx, req.GetUsage())
			},
			corrections: func(ctx context.Context, req *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
				return &agentv1.CorrectionsResponse{Corrections: kills}, look(ctx, req.GetUsage())
			},
		})
		d := startDriver(t, programs, socket)

		got := d.do("estimate", patience, usage)
		if got.Ending != "answered" || !slices.Equal(got.Values, []string{"cpus:1.5;mem:512"}) {
			t.Fatalf("estimate: %+v", got)
		}
		got = d.do("corrections", patience, usage)
		if got.Ending != "answered" || len(got.Values) != len(kills) {
			t.Fatalf("corrections: %+v", got)
		}
		for i, want := range kills {
			var correction wire.QoSCorrection
			if err := proto.Unmarshal([]byte(got.Values[i]), &correction); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(&correction, want) {
				t.Errorf("correction %d: %v, want %v", i, &correction, want)
			}
		}

		for i, md := range seen {
			id := md.Get("estimatord-agent-id")
			if len(id) != 1 || !uuid4.MatchString(id[0]) {
				t.Errorf("call %d: agent id %q is not one random UUID", i, id)
			}
			if i > 0 && !slices.Equal(id, seen[0].Get("estimatord-agent-id")) {
				t.Errorf("call %d: agent id %q, before %q", i, id, seen[0].Get("estimatord-agent-id"))
			}
			if agent := md.Get("user-agent"); !slices.Equal(agent, []string{"estimatord-module/test"}) {
				t.Errorf("call %d: user-agent %q", i, agent)
			}
			if left[i] <= 0 || left[i] > patience {
				t.Errorf("call %d: the daemon was given %v of %v", i, left[i], patience)
			}
		}
	})
}

func TestEmptyAnswers(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		serve(t, socket, &daemon{
			estimate: offering("").estimate,
			corrections: func(context.Context, *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
				return &agentv1.CorrectionsResponse{}, nil
			},
		})
		d := startDriver(t, programs, socket)
		if got := d.do("estimate", patience, &wire.ResourceUsage{}); got.Ending != "answered" || !slices.Equal(got.Values, []string{""}) {
			t.Errorf("estimate: %+v", got)
		}
		if got := d.do("corrections", patience, &wire.ResourceUsage{}); got.Ending != "answered" || len(got.Values) != 0 {
			t.Errorf("corrections: %+v", got)
		}
	})
}

// The daemon takes an agent without a connection for gone.
func TestOneConnectionServesManyCalls(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		listener, _ := serve(t, socket, offering("cpus:1"))
		d := startDriver(t, programs, socket)
		for range 20 {
			if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
				t.Fatalf("%+v", got)
			}
		}
		if n := listener.accepted.Load(); n != 1 {
			t.Errorf("20 calls took %d connections", n)
		}
	})
}

// A call that is not answered takes its connection with it, so that a hung
// daemon is not called again on the same one.
func TestAnUnansweredCallClosesItsConnection(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		good := respond(frame(t, &agentv1.EstimateResponse{Resources: "cpus:1"}))
		socket := socketPath(t)
		// Not a gRPC server: it would end the call itself when time is up.
		listener := serveHTTP2(t, socket, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/Corrections") {
				<-r.Context().Done()
				return
			}
			good(w, r)
		})
		d := startDriver(t, programs, socket)
		if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Fatalf("%+v", got)
		}
		if got := d.do("corrections", 200*time.Millisecond, recordedUsage(t)); got.Ending != "late" {
			t.Fatalf("%+v", got)
		}
		await(t, listener.closed, "the connection of a call that was not answered is still open")
		if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Fatalf("%+v", got)
		}
		if n := listener.accepted.Load(); n != 2 {
			t.Errorf("%d connections, want a second one after the first was closed", n)
		}
	})
}

// A long poll must not hold up an estimate, and a cancelled one ends at the
// daemon at once.
func TestLongPollBesideEstimates(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		polling := make(chan struct{})
		cancelled := make(chan error, 1)
		socket := socketPath(t)
		serve(t, socket, &daemon{
			estimate: offering("cpus:1").estimate,
			corrections: func(ctx context.Context, _ *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
				close(polling)
				<-ctx.Done()
				cancelled <- ctx.Err()
				return nil, ctx.Err()
			},
		})
		d := startDriver(t, programs, socket)
		poll := d.call("corrections", 10*patience, recordedUsage(t))
		await(t, polling, "the poll did not arrive")
		for range 3 {
			if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
				t.Fatalf("%+v", got)
			}
		}
		d.cancel(poll)
		if got := d.wait(poll); got.Ending != "cancelled" {
			t.Errorf("%+v", got)
		}
		if err := await(t, cancelled, "the daemon did not notice"); err != context.Canceled { //nolint:errorlint // The context's own error, unwrapped.
			t.Errorf("the daemon saw %v", err)
		}
	})
}

func await[T any](t *testing.T, events <-chan T, otherwise string) T {
	t.Helper()
	select {
	case event := <-events:
		return event
	case <-time.After(patience):
		t.Fatal(otherwise)
	}
	panic("unreachable")
}

func TestCloseWithCallsInFlight(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		polling := make(chan struct{}, 4)
		socket := socketPath(t)
		serve(t, socket, &daemon{
			estimate: offering("cpus:1").estimate,
			corrections: func(ctx context.Context, _ *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
				polling <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		d := startDriver(t, programs, socket)
		calls := []string{
			d.call("corrections", 10*patience, recordedUsage(t)),
			d.call("corrections", 10*patience, recordedUsage(t)),
		}
		await(t, polling, "no poll arrived")
		d.send("close")
		d.expect("ok")
		for _, call := range calls {
			if got := d.wait(call); got.Ending != "cancelled" {
				t.Errorf("%+v", got)
			}
		}
		d.send("open")
		d.expect("ok")
		if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Errorf("after opening again: %+v", got)
		}
	})
}

func TestAbsentDaemon(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		for _, tc := range []struct {
			name  string
			error string
			make  func(t *testing.T, socket string)
		}{
			{"no file", "No such file or directory", func(*testing.T, string) {}},
			{"stale socket file", "Connection refused", func(t *testing.T, socket string) {
				listener := listen(t, socket)
				listener.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
				if err := listener.Close(); err != nil {
					t.Fatal(err)
				}
			}},
			{"not a socket", "Connection refused", func(t *testing.T, socket string) {
				if err := os.WriteFile(socket, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				socket := socketPath(t)
				tc.make(t, socket)
				d := startDriver(t, programs, socket)
				got := d.do("estimate", patience, recordedUsage(t))
				if want := "cannot connect to " + socket + ": " + tc.error; got.Ending != "unreachable" || got.Error != want {
					t.Errorf("%+v, want %q", got, want)
				}
			})
		}
	})
}

// A daemon that comes back is found again, without a failed call between when
// nothing was in flight.
func TestDaemonRestartsBetweenCalls(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		_, stop := serve(t, socket, offering("cpus:1"))
		d := startDriver(t, programs, socket)
		if got := d.do("estimate", patience, recordedUsage(t)); !slices.Equal(got.Values, []string{"cpus:1"}) {
			t.Fatalf("before: %+v", got)
		}
		stop()
		if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "unreachable" {
			t.Fatalf("between: %+v", got)
		}
		_, stop = serve(t, socket, offering("cpus:2"))
		if got := d.do("estimate", patience, recordedUsage(t)); !slices.Equal(got.Values, []string{"cpus:2"}) {
			t.Fatalf("after: %+v", got)
		}
		stop()
		serve(t, socket, offering("cpus:3"))
		if got := d.do("estimate", patience, recordedUsage(t)); !slices.Equal(got.Values, []string{"cpus:3"}) {
			t.Fatalf("after a restart that no call saw: %+v", got)
		}
	})
}

func TestDaemonDiesDuringACall(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		polling := make(chan struct{})
		socket := socketPath(t)
		_, stop := serve(t, socket, &daemon{
			corrections: func(ctx context.Context, _ *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
				close(polling)
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		d := startDriver(t, programs, socket)
		poll := d.call("corrections", 10*patience, recordedUsage(t))
		await(t, polling, "the poll did not arrive")
		stop()
		if got := d.wait(poll); got.Ending != "unreachable" {
			t.Errorf("%+v", got)
		}
	})
}

func TestHangingDaemon(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		const deadline = 300 * time.Millisecond

		t.Run("accepts and never reads", func(t *testing.T) {
			socket := socketPath(t)
			release := make(chan struct{})
			serveRaw(t, socket, func(net.Conn) { <-release })
			// Before the listener is closed, which waits for the handler.
			t.Cleanup(func() { close(release) })
			d := startDriver(t, programs, socket)
			// The second is larger than any socket buffer.
			for _, usage := range []*wire.ResourceUsage{recordedUsage(t), largeUsage(3 << 20)} {
				if got := d.do("estimate", deadline, usage); got.Ending != "late" {
					t.Errorf("%+v", got)
				}
			}
		})

		t.Run("never answers", func(t *testing.T) {
			socket := socketPath(t)
			released := make(chan struct{}, 1)
			d := startDriver(t, programs, socket)
			serve(t, socket, &daemon{
				estimate: func(ctx context.Context, _ *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
					<-ctx.Done()
					released <- struct{}{}
					return nil, ctx.Err()
				},
			})
			// Whose deadline strikes first, ours or the daemon's own, is open,
			// and the daemon then answers or resets the stream.
			got := d.do("estimate", deadline, recordedUsage(t))
			if got.Ending != "late" && got.Ending != "unreachable" && (got.Ending != "refused" || got.Status != "4") {
				t.Errorf("%+v", got)
			}
			await(t, released, "the daemon was not told the deadline")
		})
	})
}

func largeUsage(size int) *wire.ResourceUsage {
	name := strings.Repeat("x", size)
	return &wire.ResourceUsage{Total: []*wire.Resource{{Name: &name, Type: wire.Value_SCALAR.Enum()}}}
}

func TestLargeRequest(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		usage := largeUsage(3 << 20)
		socket := socketPath(t)
		serve(t, socket, &daemon{
			estimate: func(_ context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
				if !proto.Equal(req.GetUsage(), usage) {
					return nil, status.Error(codes.InvalidArgument, "another usage than was sent")
				}
				return &agentv1.EstimateResponse{Resources: "cpus:1"}, nil
			},
		})
		d := startDriver(t, programs, socket)
		if got := d.do("estimate", patience, usage); got.Ending != "answered" {
			t.Errorf("%+v", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		for _, tc := range []struct {
			name   string
			err    error
			status string
			error  string
		}{
			{"with a message", status.Error(codes.FailedPrecondition, "another agent is served"), "9", "refused with FAILED_PRECONDITION: another agent is served"},
			{"without a message", status.Error(codes.Unavailable, ""), "14", "refused with UNAVAILABLE"},
			{"a message beyond ASCII", status.Error(codes.Internal, "100 % – überlastet"), "13", "refused with INTERNAL: 100 % – überlastet"},
			{"a message that forges log lines", status.Error(codes.Internal, "a\nb\x1b[2J"), "13", "refused with INTERNAL: a b [2J"},
			{"a message without end", status.Error(codes.Internal, strings.Repeat("é", 4000)), "13", "refused with INTERNAL: " + strings.Repeat("é", 256) + "..."},
			{"an unknown code", status.Error(codes.Code(99), "new"), "99", "refused with code 99: new"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				socket := socketPath(t)
				serve(t, socket, &daemon{
					estimate: func(context.Context, *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
						return nil, tc.err
					},
				})
				d := startDriver(t, programs, socket)
				got := d.do("estimate", patience, recordedUsage(t))
				if got.Ending != "refused" || got.Status != tc.status || got.Error != tc.error {
					t.Errorf("got %+v, want status %s, %q", got, tc.status, tc.error)
				}
			})
		}

		// These are refused before the request is read, and the stream is
		// reset. When that happens under the upload, libcurl 7.88 does not hand
		// on the answer that came before.
		early := func(t *testing.T, got result, status string) {
			t.Helper()
			if (got.Ending != "refused" || got.Status != status) && got.Ending != "unreachable" {
				t.Errorf("%+v", got)
			}
		}
		t.Run("of a request that is too large", func(t *testing.T) {
			socket := socketPath(t)
			serve(t, socket, offering("cpus:1"), grpc.MaxRecvMsgSize(1024))
			d := startDriver(t, programs, socket)
			early(t, d.do("estimate", patience, largeUsage(3<<20)), "8")
		})
		t.Run("of a method", func(t *testing.T) {
			socket := socketPath(t)
			serve(t, socket, nil)
			d := startDriver(t, programs, socket)
			early(t, d.do("corrections", patience, recordedUsage(t)), "12")
		})
	})
}

// What an executor inherits from the agent must not include a socket of ours.
func TestChildrenInheritNoSocket(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		serve(t, socket, offering("cpus:1"))
		d := startDriver(t, programs, socket)
		if got := d.do("estimate", patience, recordedUsage(t)); got.Ending != "answered" {
			t.Fatalf("%+v", got)
		}
		list := filepath.Join(t.TempDir(), "descriptors")
		d.send("exec ls -l /proc/self/fd > %s", list)
		d.expect("ok")
		out, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "/proc/") {
			t.Fatalf("no list of descriptors: %s", out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "socket:") || strings.Contains(line, "eventfd") {
				t.Errorf("inherited: %s", line)
			}
		}
	})
}
