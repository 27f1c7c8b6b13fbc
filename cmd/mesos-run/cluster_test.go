package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// testCluster is a small master with agents that run real processes. It does
// what the recordings of a real master show, as far as mesos-run asks for it, and
// faults on request.
type testCluster struct {
	t      *testing.T
	server *httptest.Server
	// fault may answer a call by itself, and says whether it has.
	fault func(call scheduler.Call, w http.ResponseWriter, r *http.Request) bool

	mu         sync.Mutex
	n          int // of ids
	agents     []*testAgent
	frameworks map[string]*testFramework
	tasks      []*testTask
	calls      map[string]int
	ended      chan struct{}
}

type testAgent struct {
	id              string
	cpus, revocable resources.Milli
	mem             resources.Milli
}

type testFramework struct {
	info       scheduler.FrameworkInfo
	id, stream string
	events     chan scheduler.Event // nil: not connected
	suppressed bool
	filters    map[string]time.Time // by agent
	offers     map[string]scheduler.Offer
	// gone is when a framework that is away is removed.
	gone time.Time
}

type testTask struct {
	framework string
	info      scheduler.TaskInfo
	statuses  []scheduler.TaskStatus
	process   *exec.Cmd
	preempted bool
}

func (t *testTask) over() bool {
	switch t.statuses[len(t.statuses)-1].State {
	case "TASK_STARTING", "TASK_RUNNING":
		return false
	}
	return true
}

func newCluster(t *testing.T, agents ...*testAgent) *testCluster {
	c := &testCluster{t: t, agents: agents, frameworks: map[string]*testFramework{}, calls: map[string]int{}, ended: make(chan struct{})}
	c.server = httptest.NewServer(c)
	go c.allocate()
	t.Cleanup(func() {
		close(c.ended)
		c.mu.Lock()
		for _, f := range c.frameworks {
			c.remove(f)
		}
		c.mu.Unlock()
		c.server.CloseClientConnections()
		c.server.Close()
	})
	return c
}

func (c *testCluster) master() string { return strings.TrimPrefix(c.server.URL, "http://") }

func (c *testCluster) id(prefix string) string {
	c.n++
	return fmt.Sprintf("%s%d", prefix, c.n)
}

// allocate offers what is free, to one framework at a time, and removes
// frameworks that stay away.
func (c *testCluster) allocate() {
	for {
		select {
		case <-c.ended:
			return
		case <-time.After(30 * time.Millisecond):
		}
		c.mu.Lock()
		for _, f := range c.frameworks {
			if f.events == nil && time.Now().After(f.gone) {
				c.remove(f)
			}
			for _, a := range c.agents {
				o := scheduler.Offer{AgentID: scheduler.ID{Value: a.id}, Hostname: "host-" + a.id}
				free := c.free(a)
				for i, name := range []string{"cpus", "mem", "cpus"} {
					if free[i] > 0 {
						r := scheduler.Resource{Name: name, Type: "SCALAR", Role: "*", Scalar: &scheduler.Scalar{Value: free[i].Float()}, AllocationInfo: json.RawMessage(`{"role":"*"}`)}
						if i == 2 {
							r.Revocable = &struct{}{}
						}
						o.Resources = append(o.Resources, r)
					}
				}
				if f.events == nil || f.suppressed || time.Now().Before(f.filters[a.id]) || len(o.Resources) == 0 {
					continue
				}
				o.ID.Value = c.id("O")
				f.offers[o.ID.Value] = o
				c.send(f, scheduler.Event{Type: "OFFERS", Offers: &struct {
					Offers []scheduler.Offer `json:"offers"`
				}{[]scheduler.Offer{o}}})
			}
		}
		c.mu.Unlock()
	}
}

// free is what an agent has left: cpus, mem and revocable cpus.
func (c *testCluster) free(a *testAgent) [3]resources.Milli {
	free := [3]resources.Milli{a.cpus, a.mem, a.revocable}
	take := func(rs []scheduler.Resource) {
		for _, r := range rs {
			i := slices.Index([]string{"cpus", "mem"}, r.Name)
			if r.Revocable != nil {
				i = 2
			}
			free[i] -= resources.FloorMilli(r.Scalar.Value)
		}
	}
	for _, t := range c.tasks {
		if t.info.AgentID.Value == a.id && !t.over() {
			take(t.info.Resources)
		}
	}
	for _, f := range c.frameworks {
		for _, o := range f.offers {
			if o.AgentID.Value == a.id {
				take(o.Resources)
			}
		}
	}
	return free
}

func (c *testCluster) send(f *testFramework, e scheduler.Event) {
	if f.events != nil {
		select {
		case f.events <- e:
		default:
			c.t.Error("a framework does not read its events")
		}
	}
}

func (c *testCluster) remove(f *testFramework) {
	delete(c.frameworks, f.id)
	for _, t := range c.tasks {
		if t.framework == f.id && !t.over() {
			c.kill(t)
		}
	}
	if f.events != nil {
		close(f.events)
		f.events = nil
	}
}

func (c *testCluster) kill(t *testTask) { _ = syscall.Kill(-t.process.Process.Pid, syscall.SIGKILL) }

// preempt ends a task as a QoS correction does.
func (c *testCluster) preempt(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tasks {
		if t.info.TaskID.Value == id {
			t.preempted = true
			c.kill(t)
		}
	}
}

// status adds a status to a task and sends it.
func (c *testCluster) status(t *testTask, s scheduler.TaskStatus) {
	s.TaskID, s.AgentID, s.Timestamp = t.info.TaskID, t.info.AgentID, float64(time.Now().UnixMilli())/1000
	if s.Source != "SOURCE_MASTER" {
		s.ExecutorID, s.UUID = t.info.TaskID, "WB2aaZ3WRcamxRouCJH8rw=="
	}
	t.statuses = append(t.statuses, s)
	if f := c.frameworks[t.framework]; f != nil {
		c.send(f, scheduler.Event{Type: "UPDATE", Update: &struct {
			Status scheduler.TaskStatus `json:"status"`
		}{s}})
	}
}

func (c *testCluster) launch(f *testFramework, info scheduler.TaskInfo) {
	t := &testTask{framework: f.id, info: info}
	c.tasks = append(c.tasks, t)
	args := info.Command.Arguments
	if info.Command.Shell {
		args = []string{"/bin/sh", "-c", info.Command.Value}
	}
	t.process = exec.Command(args[0], args[1:]...)
	t.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var env struct {
		Variables []struct{ Name, Value string }
	}
	if text := info.Command.Environment; text != nil {
		if err := json.Unmarshal(text, &env); err != nil {
			c.t.Error(err)
		}
	}
	for _, v := range env.Variables {
		t.process.Env = append(t.process.Env, v.Name+"="+v.Value)
	}
	c.status(t, scheduler.TaskStatus{State: "TASK_STARTING", Source: "SOURCE_EXECUTOR"})
	if err := t.process.Start(); err != nil {
		c.status(t, scheduler.TaskStatus{State: "TASK_FAILED", Source: "SOURCE_EXECUTOR", Message: "Command exited with status 127"})
		return
	}
	c.status(t, scheduler.TaskStatus{State: "TASK_RUNNING", Source: "SOURCE_EXECUTOR"})
	go func() {
		_ = t.process.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		end := t.process.ProcessState.Sys().(syscall.WaitStatus)
		s := scheduler.TaskStatus{Source: "SOURCE_EXECUTOR", State: "TASK_FINISHED", Message: "Command exited with status 0"}
		switch {
		case t.preempted:
			s = scheduler.TaskStatus{Source: "SOURCE_AGENT", State: "TASK_GONE", Reason: "REASON_CONTAINER_PREEMPTED", Message: "Container preempted by QoS correction"}
		case end.Signaled():
			s.State, s.Message = "TASK_KILLED", "Command terminated with signal "+strings.ToUpper(end.Signal().String()[:1])+end.Signal().String()[1:]
		case end.ExitStatus() != 0:
			s.State, s.Message = "TASK_FAILED", fmt.Sprintf("Command exited with status %d", end.ExitStatus())
		}
		c.status(t, s)
	}()
}

// running are the processes of tasks that are not over.
func (c *testCluster) running() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tasks {
		if !t.over() {
			ids = append(ids, t.info.TaskID.Value)
		}
	}
	return ids
}

// empty waits until no task runs and no framework is registered.
func (c *testCluster) empty() {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		running := c.running()
		c.mu.Lock()
		registered := len(c.frameworks)
		c.mu.Unlock()
		if len(running) == 0 && registered == 0 {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%v run on, %d frameworks are registered", running, registered)
		}
	}
}

func (c *testCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var call scheduler.Call
	if err := json.Unmarshal(body, &call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.calls[call.Type]++
	fault := c.fault
	c.mu.Unlock()
	if fault != nil && fault(call, w, r) {
		return
	}
	switch {
	case r.URL.Path == "/api/v1":
		c.operator(call.Type, body, w)
	case call.Type == "SUBSCRIBE":
		c.subscribe(&call, w, r)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		f := c.frameworks[call.FrameworkID.Value]
		if f == nil {
			http.Error(w, "Framework cannot be found", http.StatusBadRequest)
			return
		}
		if f.stream != r.Header.Get("Mesos-Stream-Id") || f.events == nil {
			http.Error(w, "The stream ID included in this request didn't match", http.StatusBadRequest)
			return
		}
		if call.Type != "UPDATE_FRAMEWORK" {
			w.WriteHeader(http.StatusAccepted)
		}
		c.do(f, &call)
	}
}

func (c *testCluster) subscribe(call *scheduler.Call, w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	f := &testFramework{info: call.Subscribe.FrameworkInfo, offers: map[string]scheduler.Offer{}, filters: map[string]time.Time{}}
	events := make(chan scheduler.Event, 1000)
	if call.FrameworkID == nil {
		f.id = c.id("F")
	} else {
		f.id = call.FrameworkID.Value
		before := c.frameworks[f.id]
		if before == nil {
			c.mu.Unlock()
			_, _ = io.WriteString(w, framed(scheduler.Event{Type: "ERROR", Error: &struct {
				Message string `json:"message"`
			}{"Framework has been removed"}}))
			return
		}
		if before.events != nil {
			close(before.events)
		}
	}
	f.events, f.stream = events, c.id("stream-")
	c.frameworks[f.id] = f
	w.Header().Set("Mesos-Stream-Id", f.stream)
	w.Header().Set("Content-Type", "application/json")
	c.mu.Unlock()
	first := fmt.Sprintf(`{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":%q},"heartbeat_interval_seconds":5}}`, f.id)
	_, _ = fmt.Fprintf(w, "%d\n%s", len(first), first)
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.events == events {
			f.events, f.offers = nil, map[string]scheduler.Offer{}
			f.gone = time.Now().Add(time.Duration(f.info.FailoverTimeout * float64(time.Second)))
		}
	}()
	for {
		w.(http.Flusher).Flush()
		select {
		case e, more := <-events:
			if !more {
				return
			}
			_, _ = io.WriteString(w, framed(e))
		case <-time.After(100 * time.Millisecond):
			_, _ = io.WriteString(w, framed(scheduler.Event{Type: "HEARTBEAT"}))
		case <-r.Context().Done():
			return
		case <-c.ended:
			return
		}
	}
}

func framed(e scheduler.Event) string {
	text, _ := json.Marshal(e)
	return fmt.Sprintf("%d\n%s", len(text), text)
}

func (c *testCluster) do(f *testFramework, call *scheduler.Call) {
	filter := func(ids []scheduler.ID, seconds float64) {
		for _, id := range ids {
			if o, ok := f.offers[id.Value]; ok {
				f.filters[o.AgentID.Value] = time.Now().Add(time.Duration(seconds * float64(time.Second)))
				delete(f.offers, id.Value)
			}
		}
	}
	switch call.Type {
	case "DECLINE":
		filter(call.Decline.OfferIDs, call.Decline.Filters.RefuseSeconds)
	case "SUPPRESS":
		f.suppressed = true
	case "REVIVE":
		f.suppressed, f.filters = false, map[string]time.Time{}
	case "ACCEPT":
		tasks := call.Accept.Operations[0].Launch.TaskInfos
		for _, id := range call.Accept.OfferIDs {
			if _, ok := f.offers[id.Value]; !ok {
				for _, info := range tasks {
					t := &testTask{framework: f.id, info: info}
					c.tasks = append(c.tasks, t)
					c.status(t, scheduler.TaskStatus{State: "TASK_DROPPED", Source: "SOURCE_MASTER", Reason: "REASON_INVALID_OFFERS", Message: "Task launched with invalid offers: Offer " + id.Value + " is no longer valid"})
				}
				tasks = nil
			}
		}
		filter(call.Accept.OfferIDs, call.Accept.Filters.RefuseSeconds)
		for _, info := range tasks {
			c.launch(f, info)
		}
	case "KILL":
		for _, t := range c.tasks {
			if t.framework == f.id && t.info.TaskID == call.Kill.TaskID && !t.over() {
				_ = syscall.Kill(-t.process.Process.Pid, syscall.SIGTERM)
			}
		}
	case "RECONCILE":
		for _, asked := range call.Reconcile.Tasks {
			s := scheduler.TaskStatus{State: "TASK_GONE", Source: "SOURCE_MASTER", Reason: "REASON_RECONCILIATION", Message: "Reconciliation: Task is unknown to the agent"}
			known := &testTask{framework: f.id, info: scheduler.TaskInfo{TaskID: asked.TaskID, AgentID: asked.AgentID}}
			for _, t := range c.tasks {
				if t.framework == f.id && t.info.TaskID == asked.TaskID {
					known, s.State, s.Message = t, t.statuses[len(t.statuses)-1].State, "Reconciliation: Latest task state"
				}
			}
			c.status(known, s)
		}
	case "UPDATE_FRAMEWORK":
		f.info = call.UpdateFramework.FrameworkInfo
	case "TEARDOWN":
		c.remove(f)
	case "ACKNOWLEDGE":
	default:
		c.t.Errorf("call %s", call.Type)
	}
}

// operator answers as the master of the recording operator does.
func (c *testCluster) operator(call string, body []byte, w http.ResponseWriter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	type object = map[string]any
	answer := object{}
	switch call {
	case "TEARDOWN":
		var ended struct {
			Teardown struct {
				FrameworkID scheduler.ID `json:"framework_id"`
			}
		}
		f := c.frameworks[""]
		if err := json.Unmarshal(body, &ended); err == nil {
			f = c.frameworks[ended.Teardown.FrameworkID.Value]
		}
		if f == nil {
			http.Error(w, "No framework found with specified ID", http.StatusBadRequest)
			return
		}
		c.remove(f)
		return
	case "GET_TASKS":
		var tasks, completed []object
		for _, t := range c.tasks {
			o := object{"name": t.info.Name, "task_id": t.info.TaskID, "framework_id": scheduler.ID{Value: t.framework}, "agent_id": t.info.AgentID, "state": t.statuses[len(t.statuses)-1].State, "resources": t.info.Resources, "statuses": t.statuses}
			if t.over() {
				completed = append(completed, o)
			} else {
				tasks = append(tasks, o)
			}
		}
		answer["get_tasks"] = object{"tasks": tasks, "completed_tasks": completed}
	case "GET_FRAMEWORKS":
		var all []object
		for _, f := range c.frameworks {
			info := f.info
			info.ID = &scheduler.ID{Value: f.id}
			all = append(all, object{"framework_info": info})
		}
		answer["get_frameworks"] = object{"frameworks": all}
	case "GET_AGENTS":
		var all []object
		for _, a := range c.agents {
			all = append(all, object{"agent_info": object{"id": scheduler.ID{Value: a.id}, "hostname": "host-" + a.id}})
		}
		answer["get_agents"] = object{"agents": all}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// call runs mesos-run with a line as a shell would, against the cluster.
func (c *testCluster) call(line ...string) (code int, out, errors string) {
	var stdout, stderr bytes.Buffer
	args := line
	if i := slices.Index(line, "lint"); i != 0 {
		args = append([]string{line[0], "--master=" + c.master()}, line[1:]...)
		if strings.HasPrefix(line[0], "-") {
			args = append([]string{"--master=" + c.master(), "--timeout=2m", "--connect-timeout=1m"}, line...)
		}
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code = run(root, &stderr)
	return code, stdout.String(), stderr.String()
}
