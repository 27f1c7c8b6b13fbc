package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

// patience bounds everything that is waited for; it only runs out on failure.
const patience = 3 * time.Minute

// live is the real daemon with the embedded agent: estimatord demo --page.
type live struct {
	binary, address, config string
}

// start builds and runs it until the test ends.
func start(t *testing.T) *live {
	t.Helper()
	l := &live{binary: filepath.Join(t.TempDir(), "estimatord")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", l.binary, "./cmd/estimatord")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out := &output{}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, l.binary, "demo", "--page", "--plain")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it removes its cgroups
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { end(); <-ended; end = func() {} })
	where := regexp.MustCompile(`page +http://([\d.:]+)/\s[^\0]*--config (\S+)`)
	until(t, "the demo runs", func() error {
		if m := where.FindStringSubmatch(out.String()); m != nil {
			l.address, l.config = m[1], m[2]
			return nil
		}
		select {
		case err := <-ended:
			ended <- err
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
				t.Skipf("the embedded agent cannot run here:\n%s", out)
			}
			t.Fatalf("the demo has ended: %v\n%s", err, out)
		default:
		}
		return fmt.Errorf("it has said:\n%s", out)
	})
	return l
}

// run runs a command on the daemon.
func (l *live) run(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), l.binary, command, "--config", l.config).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// output collects what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// until tries again until there is no error.
func until(t *testing.T, what string, try func() error) {
	t.Helper()
	err := try()
	for deadline := time.Now().Add(patience); err != nil; err = try() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func get(t *testing.T, address string) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s: %s: %s", address, resp.Status, body)
	}
	return body, err
}

// scrape is what the daemon shows now.
func (l *live) scrape(t *testing.T) (metrics, error) {
	t.Helper()
	found := metrics{"up": nil}
	for _, path := range []string{"/metrics", "/metrics/containers"} {
		body, err := get(t, "http://"+l.address+path)
		if err != nil {
			return nil, err
		}
		parser := expfmt.TextParser{}
		families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, f := range families {
			for _, m := range f.GetMetric() {
				if m.GetHistogram() != nil {
					found[name+"_bucket"] = []string{"le"}
				}
				found[name] = append(found[name], nil...)
				for _, l := range m.GetLabel() {
					found[name] = append(found[name], l.GetName())
				}
			}
		}
	}
	return found, nil
}

// mayLack reports whether the daemon of the demo need not show a metric: because
// nothing of the kind has happened, or it has no such part, or a rule records it.
// TestExpressionsAskForWhatThereIs compares these with the reference.
func mayLack(name string) bool {
	ofMemory := strings.Contains(name, "_bytes") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "estimatord_container_")
	return ofMemory || strings.Contains(name, ":") || slices.Contains([]string{
		"estimatord_qos_kills_total",                                                       // a kill, which a busy machine may put off
		"estimatord_would_have_killed_total", "estimatord_would_have_throttled_containers", // rules in shadow mode
		"estimatord_recording_working", "estimatord_cap_cores", // a recording, a cap
		"estimatord_not_offering", "estimatord_rule_blind", "estimatord_rule_signal", // come and go
	}, name)
}

// All of the kit on the real daemon: what dashboards and rules ask for is in its
// scrape, Debian's Prometheus evaluates each expression, and an alert fires and is
// resolved.
func TestKitOnALiveDaemon(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skipf("needs Debian's package prometheus: %v", err)
	}
	daemon := start(t)
	known := documented(t)
	until(t, "a scrape has what the kit asks for", func() error {
		found, err := daemon.scrape(t)
		if err != nil {
			return err
		}
		var lacks []string
		for _, e := range expressions(t, daemon.address) {
			for _, s := range selectors(t, e) {
				labels, there := found[s.Name]
				switch {
				case !there && !mayLack(s.Name):
					lacks = append(lacks, s.Name)
				case there:
					for _, l := range known[s.Name] {
						if !slices.Contains(labels, l) && l != "parent" && s.Name != "up" { // the demo nests no container
							lacks = append(lacks, s.Name+"{"+l+"}")
						}
					}
				}
			}
		}
		if len(lacks) > 0 {
			return fmt.Errorf("it lacks %q", lacks)
		}
		return nil
	})

	server := serve(t, prometheus, daemon.address)
	until(t, "each rule is evaluated", func() error { return server.healthy(t) })
	until(t, "the daemon is scraped", func() error { return server.finds(t, `up{job="estimatord"} == 1`, 1) })
	for _, e := range expressions(t, daemon.address) {
		if err := server.finds(t, e.text, -1); err != nil {
			t.Errorf("%s: %v", e.where, err)
		}
	}
	for _, e := range []string{
		"instance:estimatord_cpu_cores:rate5m", "job:estimatord_offered_cores:sum", "instance_resource:estimatord_revocable_total:resets30m",
	} {
		until(t, "recorded: "+e, func() error { return server.finds(t, e, 1) })
	}

	const firing = `ALERTS{alertname="EstimatordPaused", alertstate="firing", job="estimatord"}`
	if err := server.finds(t, firing, 0); err != nil {
		t.Fatal(err)
	}
	daemon.run(t, "pause")
	until(t, "the alert fires", func() error { return server.finds(t, firing, 1) })
	daemon.run(t, "resume")
	until(t, "the alert is resolved", func() error { return server.finds(t, firing, 0) })
}

// server is a running Prometheus.
type server struct{ address string }

// duration is how long an alert waits; the test's copy of the rules does not.
var duration = regexp.MustCompile(`(?m)^( +for:) .*$`)

// serve runs Prometheus on the kit's configuration with a target and short
// intervals until the test ends.
func serve(t *testing.T, prometheus, target string) *server {
	t.Helper()
	dir := t.TempDir()
	for name, change := range map[string]func(string) string{
		"rules.yaml": func(text string) string { return duration.ReplaceAllString(text, "$1 1s") },
		"prometheus.yaml": func(text string) string {
			text = regexp.MustCompile(`scrape_interval: \w+`).ReplaceAllString(text, "scrape_interval: 1s")
			return "global: {evaluation_interval: 1s}\n" + strings.ReplaceAll(text, "127.0.0.1:9742", target)
		},
	} {
		text, err := os.ReadFile(filepath.Join(kit, name))
		if err != nil {
			t.Fatal(err)
		}
		changed := change(string(text))
		if changed == string(text) {
			t.Fatalf("nothing in %s was there to be changed", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: free.Addr().String()}
	_ = free.Close()
	out := &output{}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, prometheus, "--config.file="+filepath.Join(dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus has said:\n%s", out)
		}
	})
	until(t, "Prometheus is ready", func() error {
		_, err := get(t, "http://"+s.address+"/-/ready")
		return err
	})
	return s
}

// finds evaluates an expression, which has to find so many; -1: however many.
func (s *server) finds(t *testing.T, expr string, want int) error {
	t.Helper()
	body, err := get(t, "http://"+s.address+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", expr, answer.Error)
	}
	if n := len(answer.Data.Result); want >= 0 && n != want {
		return fmt.Errorf("%s finds %d, want %d", expr, n, want)
	}
	return nil
}

// healthy fails while a rule was not evaluated without fault.
func (s *server) healthy(t *testing.T) error {
	t.Helper()
	body, err := get(t, "http://"+s.address+"/api/v1/rules")
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	n := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if want := len(rules(t)); n != want {
		return fmt.Errorf("%d rules are loaded, want %d", n, want)
	}
	return nil
}
