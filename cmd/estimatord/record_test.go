package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/replay"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestRecordKeepsWhatTheDaemonSaw(t *testing.T) {
	dir := t.TempDir()
	socket, recording := filepath.Join(dir, "agent.sock"), filepath.Join(dir, "recording")
	settings := filepath.Join(dir, "estimatord.yaml")
	if err := os.WriteFile(settings, []byte("recording: {dir: "+recording+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config", settings, "--mode=fixed", "--resources=cpus:4", "--socket", socket, "--interval=100ms")
	if line := p.await(t, "recording"); line["dir"] != recording {
		t.Errorf("the log says %v, want the directory", line)
	}
	p.await(t, "offer")
	if _, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin")); err != nil {
		t.Fatal(err)
	}
	p.await(t, "offer") // another one, since what is allocated as revocable is no longer free
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}

	out, err := command(t, "record", "show", "--json", "--config", settings).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var last snapshot.Snapshot
	for i, text := range lines {
		last = snapshot.Snapshot{}
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if last.Seq != uint64(i+1) {
			t.Fatalf("line %d is tick %d", i+1, last.Seq)
		}
	}
	if last.Usage == nil || len(last.Usage.Executors) != 2 || last.Usage.Agent == "" || last.Usage.At.IsZero() || !last.Host.CPUs.OK() {
		t.Errorf("the last line is %s; want two executors, their agent and the host", lines[len(lines)-1])
	}
	out, err = command(t, "record", "show", recording).Output()
	if err != nil || strings.Count(string(out), "\n") != len(lines)+1 || !strings.HasPrefix(string(out), "SEQ") {
		t.Errorf("as text: %v, %.200q; want a header and %d lines", err, out, len(lines))
	}
	out, err = command(t, "record", "export", "--step=1s", recording).Output()
	if err != nil || !strings.HasPrefix(string(out), replay.Header+"\n") || strings.Count(string(out), "\n") < 2 {
		t.Errorf("as a trace: %v, %.200q; want a header and a row at least", err, out)
	}
}

func TestBadRecordingsAreOneClearLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("node,container\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, dir string
		args      []string
		want      string
	}{
		{name: "into a file", dir: file, want: "not a directory"},
		{name: "parent is missing", dir: filepath.Join(dir, "a", "b"), want: "no such file or directory"},
		{name: "cannot be written to", dir: "/proc/self", want: "/proc/self"},
		{name: "show without a recording", args: []string{"record", "show"}, want: "name a recording: recording.dir is not set"},
		{name: "export to another format", args: []string{"record", "export", "--format=json", dir}, want: "is not csv"},
		{name: "show nothing", args: []string{"record", "show", filepath.Join(dir, "none")}, want: "no such file or directory"},
		{name: "show what is no recording", args: []string{"record", "show", file}, want: "not a recording"},
		{name: "show an empty directory", args: []string{"record", "show", dir}, want: "not a recording"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.dir != "" {
				t.Setenv("ESTIMATORD_RECORDING_DIR", tc.dir)
				tc.args = []string{"--socket", filepath.Join(dir, "agent.sock"), "--listen=off", "--mode=noop", "--log-level=error"}
			}
			code, stderr := fails(t, tc.args...)
			if code != exitUsage || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, stderr %q; want %d and one line with %q", code, stderr, exitUsage, tc.want)
			}
		})
	}
}
