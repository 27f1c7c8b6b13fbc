package scheduler

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

const recordings = "../job/testdata/"

// recorded is the first event of a recorded stream, framed.
func recorded(t *testing.T, file string) string {
	t.Helper()
	stream, err := os.ReadFile(recordings + file)
	if err != nil {
		t.Fatal(err)
	}
	record, err := readRecord(bufio.NewReader(bytes.NewReader(stream)))
	if err != nil {
		t.Fatal(err)
	}
	return frame(string(record))
}

func serve(t *testing.T, handler http.HandlerFunc) (*Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	m, err := ParseMasters(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(m, 5*time.Second)
	t.Cleanup(c.Close)
	return c, server
}

func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// The answers of a real master to wrong calls: which are for good, which pass,
// and which ask for another subscription. Each keeps the master's words.
func TestWrongCalls(t *testing.T) {
	text, err := os.ReadFile(recordings + "wrong-calls/calls.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		var e struct {
			Response struct {
				Status  int
				Headers map[string]string
				Body    any
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		body, _ := e.Response.Body.(string)
		if e.Response.Status < 400 {
			continue
		}
		n++
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(e.Response.Status)
			_, _ = io.WriteString(w, body)
		})
		_, err := c.Subscribe(soon(t, 200*time.Millisecond), FrameworkInfo{})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(body)) {
			t.Errorf("SUBSCRIBE: %v, want %q", err, body)
		}
		if passes := e.Response.Status == 404 || e.Response.Status >= 500; errors.Is(err, ErrLeader) != passes {
			t.Errorf("SUBSCRIBE: %v: it passes: %t", err, !passes)
		}
		s := &Stream{client: c, url: c.Masters.scheme + "://" + c.Masters.hosts[0], id: "1"}
		err = s.Call(t.Context(), Call{Type: "DECLINE"})
		if again := strings.Contains(body, "stream ID") || body == "Framework cannot be found"; errors.Is(err, ErrStreamEnded) != (again || e.Response.Status == 404) {
			t.Errorf("DECLINE: %v: another subscription: %t", err, !again)
		}
	}
	if n < 20 {
		t.Errorf("only %d wrong calls", n)
	}
}

// A master that does not lead sends to the one that does, as //HOST:PORT/PATH.
func TestRedirectToTheLeader(t *testing.T) {
	leader, server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Mesos-Stream-Id", "42")
		_, _ = io.WriteString(w, recorded(t, "rescind/events.recordio"))
	})
	follower, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.TrimPrefix(server.URL, "http:")+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	s, err := follower.Subscribe(soon(t, 10*time.Second), FrameworkInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.url != server.URL+schedulerPath || s.id != "42" || s.FrameworkID.Value == "" {
		t.Errorf("%+v; leader %s", s, leader.Masters)
	}
}

func TestCircle(t *testing.T) {
	var other *httptest.Server
	c, one := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	_, other = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", one.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	_, err := c.Subscribe(soon(t, time.Second), FrameworkInfo{})
	if !errors.Is(err, ErrLeader) || !strings.Contains(err.Error(), "in a circle: "+one.URL) {
		t.Error(err)
	}
}

// One of several masters is enough.
func TestDeadMaster(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, recorded(t, "rescind/events.recordio"))
	})
	c.Masters.hosts = append([]string{strings.TrimPrefix(dead.URL, "http://")}, c.Masters.hosts...)
	s, err := c.Subscribe(soon(t, 10*time.Second), FrameworkInfo{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// What a stream may begin with instead of SUBSCRIBED.
func TestFirstEvent(t *testing.T) {
	for name, c := range map[string]struct {
		first string
		is    error
		says  string
	}{
		"removed":      {recorded(t, "failover-timeout/events-2.recordio"), nil, "Framework has been removed"},
		"nothing":      {"", ErrLeader, "EOF"},
		"no record":    {"<html>", ErrRecord, "length"},
		"no JSON":      {frame("{]"), ErrRecord, "invalid"},
		"no body":      {frame(`{"type":"SUBSCRIBED"}`), ErrRecord, "without its body"},
		"cut off":      {"100\n{", ErrRecord, "after 1 of 100 bytes"},
		"out of order": {frame(`{"type":"HEARTBEAT"}`), ErrLeader, "before SUBSCRIBED"},
		"other type":   {frame(`{"type":"SUBSCRIBED","subscribed":[]}`), ErrRecord, "cannot unmarshal"},
	} {
		client, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.first) })
		_, err := client.Subscribe(soon(t, 300*time.Millisecond), FrameworkInfo{})
		refused := (*RefusedError)(nil)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || c.is == nil && !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A master that falls silent is noticed after three heartbeats, and one that
// never speaks after the time for an answer.
func TestSilence(t *testing.T) {
	subscribed := `{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"f"},"heartbeat_interval_seconds":0.05}}`
	until := make(chan struct{})
	speak := true
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		if speak {
			_, _ = io.WriteString(w, frame(subscribed))
		}
		w.(http.Flusher).Flush()
		<-until
	})
	t.Cleanup(func() { close(until) })
	s, err := c.Subscribe(soon(t, 10*time.Second), FrameworkInfo{})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case _, more := <-s.Events:
		if more || !errors.Is(s.Err(), ErrStreamEnded) || !strings.Contains(s.Err().Error(), "nothing came for 150ms") {
			t.Error(more, s.Err())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a silent stream does not end")
	}
	speak, c.AnswerWithin = false, 100*time.Millisecond
	if _, err := c.Subscribe(soon(t, time.Second), FrameworkInfo{}); !errors.Is(err, ErrLeader) {
		t.Error(err)
	}
}

func TestParseMasters(t *testing.T) {
	for text, want := range map[string]string{
		"m1:5050":                        "m1:5050",
		"m1:5050,m2:5050":                "m1:5050,m2:5050",
		"[::1]:5050":                     "[::1]:5050",
		"https://m1:5050/":               "https://m1:5050/",
		"zk://z1:2181,z2:2181/mesos":     "zk://z1:2181,z2:2181/mesos",
		"zk://me:secret@z1:2181/mesos/a": "zk://z1:2181/mesos/a",
		"":                               "",
		"m1":                             "",
		"m1:0":                           "",
		"m1:5050,":                       "",
		":5050":                          "",
		"m1:5050/path":                   "",
		"ftp://m1:5050":                  "",
		"zk://z1:2181":                   "",
		"zk://z1:2181/":                  "",
		"zk://z1/mesos":                  "",
		"https://m1:5050/elsewhere":      "",
		"m1:70000":                       "",
	} {
		m, err := ParseMasters(text)
		if m.String() != want || (want == "") != errors.Is(err, ErrMaster) {
			t.Errorf("%q: %q, %v", text, m, err)
		}
	}
}
