package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/scheduler"
)

func node() *testAgent { return &testAgent{id: "S0", cpus: 4000, revocable: 4000, mem: 4096000} }

// eventually waits for a state of the cluster.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in a minute: ", what)
		}
	}
}

func TestExitCodes(t *testing.T) {
	c := newCluster(t, node())
	for _, try := range []struct {
		line string
		code int
		says string
	}{
		{"--res-type=regular -- true", 0, "task-1: finished"},
		{"--res-type=revocable --shell -- exit 3", 3, "failed: Command exited with status 3"},
		{"--res-type=* --instances=3 --env=A=5 --shell -- exit $A", 5, "task-3: failed"},
		{"--res-type=regular -- /no/such/program", 127, "status 127"},
		{"--res-type=~regular --shell -- kill -9 $$", 137, "signal Killed"},
		{"--res-type=regular --cpus=5 --timeout=1500ms -- true", 124, "host-S0 offered regular cpus:4 mem:4096 and revocable cpus:4 mem:0"},
		{"--res-type=regular --cpus=1 --mem=5000 --timeout=1500ms -- true", 124, "timed out: task-1 had no regular cpus:1 mem:5000 within 1.5s"},
		{"--res-type=regular --role=nobody --cpus=NaN -- true", 2, "--cpus: NaN"},
		{"--res-type=spot -- true", 2, "use regular, ~regular (prefer regular), revocable, ~revocable (prefer revocable) or * (any)"},
		{"--res-type=regular --res-type=revocable -- true", 2, "it is \"regular\" already, and a task has one"},
		{"-- true", 2, "wrong res-type \"\": use regular"},
		{"--res-type=regular true", 2, "unknown command \"true\"; what is to be run stands behind --"},
		{"--res-type=regular sleep -- true", 2, "unknown command \"sleep\""},
		{"--res-type=regular", 2, "there is no command behind --"},
		{"--res-type=regular --cpus=0 -- true", 2, "--cpus: 0"},
		{"--res-type=regular --mem=-1 -- true", 2, "--mem: -1"},
		{"--res-type=regular --instances=0 -- true", 2, "--instances: 0"},
		{"--res-type=regular --timeout=-1s -- true", 2, "--timeout"},
		{"--res-type=regular --detach --retries-on-preemption=1 -- true", 2, "--detach: nobody is left"},
		{"--res-type=regular --revocable-mem -- true", 2, "has no revocable memory"},
		{"--res-type=regular --name=a/b -- true", 2, "--name: \"a/b\""},
		{"--res-type=regular --master=here -- true", 2, "--master: wrong master \"here\""},
		{"--res-type=regular --connect-timeout=0s -- true", 2, "--connect-timeout"},
		{"--res-type=regular --no-such-flag -- true", 2, "unknown flag"},
		{"inspect", 2, "name one task"},
		{"inspect nothing", 125, "knows no task \"nothing\""},
		{"stop F99", 125, "No framework found"},
	} {
		code, _, says := c.call(strings.Fields(try.line)...)
		if code != try.code || !strings.Contains(says, try.says) {
			t.Errorf("mesos-run %s: exit code %d, want %d, and %q of\n%s", try.line, code, try.code, try.says, says)
		}
		c.empty()
	}
}

// The five cases of docs/frameworks.md, on a node of 4 cpus that offers 4 more as
// revocable.
func TestWalkThrough(t *testing.T) {
	c := newCluster(t, node())
	page, err := os.ReadFile("../../docs/frameworks.md")
	if err != nil {
		t.Fatal(err)
	}
	var framework []string
	for _, step := range []struct {
		line string
		code int
		kind string
	}{
		{"--res-type=regular --cpus=2 --name=web --instances=2 --detach -- sleep 600", 0, "regular"},
		{"--res-type=regular --cpus=2 --timeout=10s -- sleep 600", 124, ""},
		{"--res-type='~regular' --cpus=2 --name=batch --detach -- sleep 600", 0, "revocable"},
		{"--res-type=revocable --cpus=2 --name=index --detach -- sleep 600", 0, "revocable"},
		{"--res-type='~revocable' --cpus=2 --timeout=10s -- sleep 600", 124, ""},
	} {
		documented := "mesos-run --master=$MASTER " + step.line
		if !strings.Contains(string(page), documented) {
			t.Errorf("docs/frameworks.md does not have %q", documented)
		}
		args := strings.Fields(strings.NewReplacer("'", "", "=10s", "=1500ms").Replace(step.line))
		code, out, says := c.call(append([]string{"--json"}, args...)...)
		var result job.Result
		if err := json.Unmarshal([]byte(out), &result); err != nil || code != step.code {
			t.Fatalf("%s: exit code %d, %v\n%s", step.line, code, err, says)
		}
		if i := result.Instances[0]; string(i.Kind) != step.kind {
			t.Errorf("%s: %+v", step.line, i)
		}
		if code == 0 {
			framework = append(framework, result.FrameworkID)
		}
	}
	if running := c.running(); strings.Join(running, " ") != "web-1 web-2 batch-1 index-1" {
		t.Errorf("%v run", running)
	}
	code, out, says := c.call("ps")
	for _, want := range []string{"web-1    regular    TASK_RUNNING  1         0            host-S0", "index-1  revocable  TASK_RUNNING"} {
		if !strings.Contains(out, want) {
			t.Errorf("ps: exit code %d, no %q in\n%s%s", code, want, out, says)
		}
	}
	var inspected []task
	_, out, _ = c.call("inspect", "batch-1")
	if err := json.Unmarshal([]byte(out), &inspected); err != nil || len(inspected) != 1 || inspected[0].Kind != "revocable" || inspected[0].Says != "running" ||
		inspected[0].Hostname != "host-S0" || inspected[0].Resources[0].Revocable == nil || inspected[0].Resources[1].Revocable != nil || len(inspected[0].Statuses) != 2 {
		t.Errorf("inspect: %v\n%s", err, out)
	}
	if _, out, _ := c.call("offers", "--wait=500ms"); !strings.Contains(out, "host-S0  mem:3840  -          regular") {
		t.Errorf("offers:\n%s", out)
	}
	for _, f := range framework {
		if code, _, says := c.call("stop", f); code != 0 {
			t.Errorf("stop %s: exit code %d: %s", f, code, says)
		}
	}
	c.empty()
	if _, out, _ := c.call("offers", "--wait=500ms", "--json"); !strings.Contains(out, `"res_type": "any"`) || !strings.Contains(out, `"cpus": 4`) {
		t.Errorf("offers:\n%s", out)
	}
}

// A preempted task is run again, and the number of its attempts is shown.
func TestPreemptedAndRunAgain(t *testing.T) {
	c := newCluster(t, node())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := c.call("--res-type=revocable", "--name=b", "--retries-on-preemption=1", "--timeout=0", "--", "sleep", "600")
		ended <- code
	}()
	eventually(t, "b-1 runs", func() bool { return len(c.running()) == 1 })
	c.preempt("b-1")
	eventually(t, "b-1.2 runs", func() bool { return strings.Join(c.running(), "") == "b-1.2" })
	_, out, _ := c.call("ps", "--json")
	var all []task
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].TaskID.Value != "b-1.2" || all[0].Attempts != 2 || all[0].Preemptions != 1 {
		t.Errorf("%v: %s", err, out)
	}
	c.preempt("b-1.2")
	if code := <-ended; code != 137 {
		t.Errorf("exit code %d", code)
	}
	c.empty()
}

// An interrupt kills the tasks and removes the framework.
func TestInterrupted(t *testing.T) {
	c := newCluster(t, node())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := c.call("--res-type=regular", "--instances=2", "--", "sleep", "600")
		ended <- code
	}()
	eventually(t, "both run", func() bool { return len(c.running()) == 2 })
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != job.ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if c.calls["KILL"] != 2 || c.calls["TEARDOWN"] != 1 {
		t.Errorf("calls %v", c.calls)
	}
	c.empty()
}

// Whatever the master does, mesos-run ends within its timeouts, and nothing of
// it stays behind: at the latest the failover timeout ends it.
func TestFaults(t *testing.T) {
	garble := func(w http.ResponseWriter, text string) bool {
		_, err := w.Write([]byte(text))
		return err == nil
	}
	drop := func(w http.ResponseWriter) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	stall := func(r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	for name, fault := range map[string]struct {
		do func(call string, n int32, w http.ResponseWriter, r *http.Request) bool
		// codes are what it may end with.
		codes []int
	}{
		"drops SUBSCRIBE": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool {
			return c == "SUBSCRIBE" && drop(w)
		}, []int{125}},
		"stalls SUBSCRIBE": {func(c string, _ int32, _ http.ResponseWriter, r *http.Request) bool {
			return c == "SUBSCRIBE" && stall(r)
		}, []int{125}},
		"garbles SUBSCRIBE": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool {
			return c == "SUBSCRIBE" && garble(w, "<html>")
		}, []int{125}},
		"drops every third call": {func(_ string, n int32, w http.ResponseWriter, _ *http.Request) bool { return n%3 == 2 && drop(w) }, []int{0, 124, 125}},
		"drops the first ACCEPT": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool { return c == "ACCEPT" && drop(w) }, []int{124, 125}},
		"stalls ACCEPT":          {func(c string, _ int32, _ http.ResponseWriter, r *http.Request) bool { return c == "ACCEPT" && stall(r) }, []int{124, 125}},
		"stalls ACKNOWLEDGE": {func(c string, _ int32, _ http.ResponseWriter, r *http.Request) bool {
			return c == "ACKNOWLEDGE" && stall(r)
		}, []int{0, 124, 125}},
		"stalls TEARDOWN": {func(c string, _ int32, _ http.ResponseWriter, r *http.Request) bool {
			return c == "TEARDOWN" && stall(r)
		}, []int{125}},
		"drops TEARDOWN": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool {
			return c == "TEARDOWN" && drop(w)
		}, []int{125}},
		"redirects in a circle": {func(_ string, _ int32, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Location", "//"+r.Host+r.URL.Path)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}, []int{125}},
		"answers 503 to all but SUBSCRIBE": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool {
			if c == "SUBSCRIBE" {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, []int{124, 125}},
		"forbids ACCEPT": {func(c string, _ int32, w http.ResponseWriter, _ *http.Request) bool {
			if c == "ACCEPT" {
				w.WriteHeader(http.StatusForbidden)
			}
			return c == "ACCEPT"
		}, []int{125}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, node())
			var n atomic.Int32
			c.fault = func(call scheduler.Call, w http.ResponseWriter, r *http.Request) bool {
				return fault.do(call.Type, n.Add(1), w, r)
			}
			ended := make(chan struct{})
			var code int
			var says string
			go func() {
				defer close(ended)
				code, _, says = c.call("--res-type=~revocable", "--timeout=4s", "--connect-timeout=1s", "--failover-timeout=2s", "--", "sleep", "0.2")
			}()
			select {
			case <-ended:
			case <-time.After(2 * time.Minute):
				t.Fatal("it hangs")
			}
			ok := false
			for _, want := range fault.codes {
				ok = ok || code == want
			}
			if !ok {
				t.Errorf("exit code %d, want one of %v:\n%s", code, fault.codes, says)
			}
			c.empty()
		})
	}
}
