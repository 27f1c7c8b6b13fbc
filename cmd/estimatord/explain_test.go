package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// explained runs the command line and returns what it prints and its exit code.
func explained(t *testing.T, args ...string) (out, stderr string, code int) {
	t.Helper()
	root := newRoot()
	var o, e bytes.Buffer
	root.SetArgs(append([]string{"explain"}, args...))
	root.SetOut(&o)
	root.SetErr(&e)
	code = exitCode(root.ExecuteContext(t.Context()), &e)
	return o.String(), e.String(), code
}

// decisions is a log of those lines, and half a line.
func decisions(t *testing.T, lines ...*decision.Record) string {
	t.Helper()
	dir := t.TempDir()
	var b []byte
	for i := range lines {
		r := lines[i]
		r.Version, r.Seq, r.At = decision.Version, uint64(i+1), time.Date(2026, 3, 1, 12, 0, i, 0, time.UTC)
		var err error
		if b, err = r.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	b = append(b, `{"v":1,"se`...)
	if err := os.WriteFile(filepath.Join(dir, "00000001-x.jsonl"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExplain(t *testing.T) {
	victims := func(text string) (all []qos.Victim) { // as they are in a log
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	candidate := qos.Candidate{Key: snapshot.Key{ID: "hog-1"}, ExecutorID: "e", Why: reason.Chosen}
	eligible := []decision.Eligible{{Candidate: candidate}}
	eligible[0].Why = reason.Eligible
	offer := func(o estimator.ResourceOffer) estimator.Offer {
		o.Resource = "cpus"
		return estimator.Offer{Resources: []estimator.ResourceOffer{o}}
	}
	dir := decisions(
		t, &decision.Record{PolicyHash: "p", Offer: offer(estimator.ResourceOffer{Why: reason.NoAgent}), Weighed: true, Eligible: eligible},
		&decision.Record{PolicyHash: "p", Offer: offer(estimator.ResourceOffer{Why: reason.Slack, Offered: 1500, RevocableTotal: 1500}), QoS: qos.Decision{
			Why: reason.Preempt, Candidates: []qos.Candidate{candidate},
			Kills: victims(`[{"id":"hog-1","executor_id":"e","rule":"busy","text":"busy: too much\u001b[2J\u202e"},{"id":"hog-2"}]`),
		}},
	)
	for name, c := range map[string]struct {
		args []string
		code int
		want string // in what is printed, or in the error
	}{
		"offer":            {[]string{"offer"}, 0, "1.5"},
		"offer before":     {[]string{"offer", "--at", "2026-03-01T12:00:00Z"}, 0, "(no_agent)"},
		"offer as printed": {[]string{"offer", "--at", "2026-03-01 12:00:00.000 UTC"}, 0, "(no_agent)"},
		"kill":             {[]string{"kill", "hog-1"}, 0, "busy: too much"},
		"why-not":          {[]string{"why-not", "hog"}, 0, "(eligible)"},
		"unknown":          {[]string{"kill", "nobody"}, 1, `nothing in the decision log of a kill of "nobody"`},
		"ambiguous":        {[]string{"kill", "hog"}, 1, "hog-1\n  hog-2"},
		"before all":       {[]string{"offer", "--at", "2026-02-28T12:00:00Z"}, 1, "nothing in the decision log before that time"},
		"no log":           {[]string{"offer", "--dir", filepath.Join(dir, "none")}, 1, "no decision log: there is no directory"},
		"no such question": {[]string{"frobnicate"}, 2, `unknown command "frobnicate" for "estimatord explain"`},
		"no container":     {[]string{"kill"}, 2, "name one container"},
		"an empty name":    {[]string{"why-not", ""}, 2, "name one container"},
		"a time of words":  {[]string{"offer", "--at", "noon"}, 2, "--at"},
	} {
		args := append([]string{"--dir", dir}, c.args...)
		out, stderr, code := explained(t, args...)
		if code != c.code || !strings.Contains(out+stderr, c.want) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", name, code, c.code, c.want, out, stderr)
		}
		if code == 0 && !strings.Contains(stderr, "1 lines of the log could not be read") {
			t.Errorf("%s: the line that was cut off is not mentioned: %s", name, stderr)
		}
	}
	if out, _, _ := explained(t, "kill", "hog-1", "--dir", dir); strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("characters that move the cursor or turn the text reach a terminal: %q", out)
	}
	for _, args := range [][]string{{"offer"}, {"kill", "hog-1"}, {"why-not", "hog-1"}} {
		out, _, _ := explained(t, append([]string{"--json", "--dir", dir}, args...)...)
		var fields map[string]any
		if err := json.Unmarshal([]byte(out), &fields); err != nil || fields["at"] == nil {
			t.Errorf("%v --json: %v\n%s", args, err, out)
		}
	}
}
