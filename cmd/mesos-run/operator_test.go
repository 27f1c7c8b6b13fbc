package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// The answers of a real master while a revocable and a regular task run, behind
// one that does not lead.
func TestTasksOfRealMaster(t *testing.T) {
	leader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call scheduler.Call
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || r.URL.Path != "/api/v1" {
			t.Errorf("%s: %v", r.URL, err)
		}
		answer, err := os.ReadFile("testdata/master_" + call.Type + ".json")
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	defer leader.Close()
	follower := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.TrimPrefix(leader.URL, "http:")+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer follower.Close()
	call := func(args ...string) string {
		var out, says bytes.Buffer
		root := newRoot()
		root.SetArgs(append(args, "--master="+strings.TrimPrefix(follower.URL, "http://")))
		root.SetOut(&out)
		root.SetErr(&says)
		if code := run(root, &says); code != 0 {
			t.Errorf("%v: exit code %d: %s", args, code, says.String())
		}
		return out.String()
	}
	var rows []string
	for line := range strings.Lines(call("ps", "--framework=recorder")) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	const framework = " ef71c9f6-53fa-4331-8687-318e93d198c2-0000"
	want := []string{
		"TASK KIND STATE ATTEMPTS PREEMPTIONS HOST FRAMEWORK",
		"be-1 revocable TASK_RUNNING 1 0 127.0.0.1" + framework,
		"regular-1 regular TASK_RUNNING 1 0 127.0.0.1" + framework,
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("ps:\n%s", strings.Join(rows, "\n"))
	}
	if out := call("ps"); strings.Contains(out, "be-1") {
		t.Errorf("ps lists another framework's task:\n%s", out)
	}
	var all []task
	if err := json.Unmarshal([]byte(call("inspect", "be-1")), &all); err != nil || len(all) != 1 || all[0].Framework != "recorder" ||
		all[0].Kind != "revocable" || len(all[0].Statuses) != 2 || all[0].Statuses[1].State != "TASK_RUNNING" {
		t.Errorf("inspect: %+v, %v", all, err)
	}
}
