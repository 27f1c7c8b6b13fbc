package module_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// frame is a gRPC length-prefixed message.
func frame(t *testing.T, message proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	framed := make([]byte, 5, 5+len(body))
	binary.BigEndian.PutUint32(framed[1:], uint32(len(body)))
	return append(framed, body...)
}

// respond answers as a gRPC server does, with these bytes as the body.
func respond(pieces ...[]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		for _, piece := range pieces {
			if _, err := w.Write(piece); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	good := frame(t, &agentv1.EstimateResponse{Resources: "cpus:1.5"})
	oneByOne := make([][]byte, 0, len(good))
	for i := range good {
		oneByOne = append(oneByOne, good[i:i+1])
	}
	compressed := slices.Clone(good)
	compressed[0] = 1
	short := slices.Clone(good)
	short[4]++
	long := slices.Clone(good)
	long[4]--
	endless := slices.Clone(good)
	copy(endless[1:], "\xff\xff\xff\xff")
	// Field 2 as a varint, field 7 as 8 and field 9 as 4 bytes, field 3 as text.
	unknown := append([]byte{0, 0, 0, 0, 28}, "\x10\x96\x01\x39AAAAAAAA\x4dBBBB\x1a\x01z\x0a\x06cpus:2"...)
	twice := append([]byte{0, 0, 0, 0, 16}, "\x0a\x06cpus:1\x0a\x06cpus:2"...)

	headers := func(status int, pairs ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				w.Header().Set(pairs[i], pairs[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write(good)
			_ = http.NewResponseController(w).Flush()
		}
	}

	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		ending  string
		text    string
		error   string
	}{
		{"in one piece", respond(good), "answered", "cpus:1.5", ""},
		{"byte by byte", respond(oneByOne...), "answered", "cpus:1.5", ""},
		{"with unknown fields", respond(unknown), "answered", "cpus:2", ""},
		{"the last of a repeated field counts", respond(twice), "answered", "cpus:2", ""},
		{"an empty message", respond([]byte{0, 0, 0, 0, 0}), "answered", "", ""},
		{"a charset after the type", headers(200, "Content-Type", "application/grpc+proto; charset=x", http.TrailerPrefix+"Grpc-Status", "0"), "answered", "cpus:1.5", ""},
		{"status OK without a message", respond(), "malformed", "", "status OK without a message"},
		{"half a prefix", respond(good[:3]), "malformed", "", "a message cut short"},
		{"a length beyond the message", respond(short), "malformed", "", "a message cut short"},
		{"a length within the message", respond(long), "malformed", "", "bytes after the message"},
		{"two messages", respond(good, good), "malformed", "", "bytes after the message"},
		{"the compressed flag", respond(compressed), "malformed", "", "a compressed message"},
		{"a length of 4 GiB", respond(endless), "malformed", "", "a message of 4294967295 bytes"},
		{"a field that runs over the end", respond([]byte{0, 0, 0, 0, 2, 0x0a, 0x05}), "undecodable", "", "truncated field"},
		{"not protobuf", respond([]byte("\x00\x00\x00\x00\x04\xff\xff\xff\xff")), "undecodable", "", "bad field tag"},
		{"HTTP 404", headers(404, "Content-Type", "application/grpc"), "malformed", "", "HTTP status 404"},
		{"HTTP 503 page", headers(503, "Content-Type", "text/html"), "malformed", "", "HTTP status 503"},
		{"a web page", headers(200, "Content-Type", "text/html", http.TrailerPrefix+"Grpc-Status", "0"), "malformed", "", `content-type "text/html"`},
		{"another codec", headers(200, "Content-Type", "application/grpc+json", http.TrailerPrefix+"Grpc-Status", "0"), "malformed", "", "content-type"},
		{"grpc-web", headers(200, "Content-Type", "application/grpc-web", http.TrailerPrefix+"Grpc-Status", "0"), "malformed", "", "content-type"},
		{"no trailers", headers(200, "Content-Type", "application/grpc"), "malformed", "", "no grpc-status"},
		{"a status that is no number", headers(200, "Content-Type", "application/grpc", http.TrailerPrefix+"Grpc-Status", "-1"), "malformed", "", `grpc-status "-1"`},
		{"an empty status", headers(200, "Content-Type", "application/grpc", http.TrailerPrefix+"Grpc-Status", ""), "malformed", "", `grpc-status ""`},
		{"trailers only", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "7")
			w.Header().Set("Grpc-Message", "no%20%4g%2")
			w.WriteHeader(http.StatusOK)
		}, "refused", "", "refused with PERMISSION_DENIED: no %4g%2"},
		{"trailers only that say OK", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "0")
			w.WriteHeader(http.StatusOK)
		}, "malformed", "", "status OK without a message"},
		{"the stream is reset before headers", func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "unreachable", "", ""},
		{"the stream is reset in the message", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write(good[:8])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unreachable", "", ""},
		{"an early hint first", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Grpc-Status", "3")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Grpc-Status")
			respond(good)(w, r)
		}, "answered", "cpus:1.5", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, programs string) {
				socket := socketPath(t)
				serveHTTP2(t, socket, tc.handler)
				d := startDriver(t, programs, socket)
				got := d.do("estimate", patience, recordedUsage(t))
				if got.Ending != tc.ending || !strings.Contains(got.Error, tc.error) {
					t.Fatalf("%+v, want %s %q", got, tc.ending, tc.error)
				}
				if tc.ending == "answered" && !slices.Equal(got.Values, []string{tc.text}) {
					t.Errorf("text %q, want %q", got.Values, tc.text)
				}
			})
		})
	}
}

func TestHugeAnswer(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		socket := socketPath(t)
		text := strings.Repeat("x", 8<<20)
		serve(t, socket, &daemon{
			estimate: func(context.Context, *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
				return &agentv1.EstimateResponse{Resources: text}, nil
			},
		})
		d := startDriver(t, programs, socket)
		got := d.do("estimate", patience, recordedUsage(t))
		if got.Ending != "malformed" || !strings.Contains(got.Error, "more than 4194304") {
			t.Errorf("%s %s", got.Ending, got.Error)
		}
	})
}

// Peers that do not speak HTTP/2 at all.
func TestGarbage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		bytes string
		// ending is empty where libcurl may take it for a broken connection.
		ending string
	}{
		{"nothing, and closes", "", "unreachable"},
		{"HTTP/1.1", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ""},
		{"random bytes", strings.Repeat("\x9a\x01\xff\x00garbage", 64), ""},
		{"a frame of 16 MB", "\xff\xff\xff\x00\x00\x00\x00\x00\x01" + strings.Repeat("z", 100), ""},
		{"settings with a bad length", "\x00\x00\x05\x04\x00\x00\x00\x00\x00hello", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, programs string) {
				socket := socketPath(t)
				serveRaw(t, socket, func(conn net.Conn) {
					buffer := make([]byte, 512)
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					_, _ = conn.Write([]byte(tc.bytes))
				})
				d := startDriver(t, programs, socket)
				got := d.do("estimate", patience, recordedUsage(t))
				if got.Ending != "malformed" && got.Ending != "unreachable" || got.Error == "" {
					t.Errorf("%+v", got)
				}
				if tc.ending != "" && got.Ending != tc.ending {
					t.Errorf("%+v, want %s", got, tc.ending)
				}
			})
		})
	}
}
