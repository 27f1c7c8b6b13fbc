package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/recording"
)

func TestRecordKeepsWhatTheDaemonSaw(t *testing.T) {
	dir := t.TempDir()
	socket, recording := filepath.Join(dir, "agent.sock"), filepath.Join(dir, "recording")
	p := start(t, "record", recording, "--mode=fixed", "--resources=cpus:4", "--socket", socket, "--interval=100ms", "--record-flush-every=10ms")
	if line := p.await(t, "recording"); line["dir"] != recording {
		t.Errorf("the log says %v, want the directory", line)
	}
	p.await(t, "offer")
	if _, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin")); err != nil {
		t.Fatal(err)
	}
	// Until a tick with the agent's report is on the disk: a recording can be
	// read while it grows.
	for !hasReport(t, recording) {
		if t.Context().Err() != nil {
			t.Fatal("no report was recorded")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}

	out, err := command(t, "record", "show", "--json", recording).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var last line
	for i, text := range lines {
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if last.Seq != uint64(i+1) {
			t.Fatalf("line %d is tick %d", i+1, last.Seq)
		}
	}
	if last.Executors != 2 || last.Agent == "" || last.UsageAgeSeconds == nil || last.HostCPUs == nil {
		t.Errorf("the last line is %+v; want two executors, their agent and the host", last)
	}
	out, err = command(t, "record", "show", recording).Output()
	if err != nil || strings.Count(string(out), "\n") != len(lines)+1 || !strings.HasPrefix(string(out), "SEQ") {
		t.Errorf("as text: %v, %.200q; want a header and %d lines", err, out, len(lines))
	}
}

// hasReport reports whether a tick with an agent's report is in the recording.
func hasReport(t *testing.T, dir string) bool {
	t.Helper()
	r, err := recording.Open(dir)
	if errors.Is(err, recording.ErrNotRecording) || errors.Is(err, os.ErrNotExist) {
		return false // nothing is on the disk yet
	}
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range r.All() {
		if err == nil && s.Usage != nil {
			return true
		}
	}
	return false
}

func TestBadRecordingsAreOneClearLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("node,container\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "agent.sock")
	daemon := []string{"--socket", socket, "--listen=off", "--mode=noop", "--log-level=error"}
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no directory", append([]string{"record"}, daemon...), "name one recording directory"},
		{"into a file", append([]string{"record", file}, daemon...), "not a directory"},
		{"parent is missing", append([]string{"record", filepath.Join(dir, "a", "b")}, daemon...), "no such file or directory"},
		{"cannot be written to", append([]string{"record", "/proc/self"}, daemon...), "/proc/self"},
		{"too little room", append([]string{"record", dir, "--record-total-mib=8"}, daemon...), "must hold two files"},
		{"bad setting", []string{"record", dir, "--mode=fxed"}, `"fxed" is not one of`},
		{"show nothing", []string{"record", "show", filepath.Join(dir, "none")}, "no such file or directory"},
		{"show what is no recording", []string{"record", "show", file}, "not a recording"},
		{"show an empty directory", []string{"record", "show", dir}, "not a recording"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stderr := fails(t, tc.args...)
			if code != exitUsage || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, stderr %q; want %d and one line with %q", code, stderr, exitUsage, tc.want)
			}
		})
	}
}
