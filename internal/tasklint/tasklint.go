// Package tasklint says of a task, before it is launched, whether Mesos would
// take it on revocable resources and what estimatord would do to it there.
package tasklint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// ErrForm is that the text is none of the forms that are read.
var ErrForm = errors.New("neither a TaskInfo, a task group, a Marathon app nor an Aurora task")

// Report is what there is to say of a task, or of a group of tasks.
type Report struct {
	// Form is what the text was taken for.
	Form      string               `json:"form"`
	Class     snapshot.Class       `json:"class"`
	Regular   resources.Quantities `json:"regular"`
	Revocable resources.Quantities `json:"revocable"`
	// Refused is why the master would not launch it, in its own words.
	Refused []string `json:"refused"`
	// Warnings are what is legal and does not do what it looks like.
	Warnings []string `json:"warnings"`
	// QoS is what the QoS controller would do to it.
	QoS []string `json:"qos"`
}

// workload is what all forms come down to.
type workload struct {
	Tasks     []scheduler.TaskInfo    `json:"tasks"`
	TaskGroup *workload               `json:"task_group"`
	Executor  *scheduler.ExecutorInfo `json:"executor"`
}

// marathonApp and auroraTask are what matters here of their forms.
type marathonApp struct {
	ID        string            `json:"id"`
	CPUs, Mem float64           // case does not matter to JSON
	Labels    map[string]string `json:"labels"`
}

type auroraTask struct {
	TaskConfig *auroraTask `json:"taskConfig"`
	Tier       string      `json:"tier"`
	Resources  []struct {
		NumCPUs       float64 `json:"numCpus"`
		RAMMB, DiskMB float64
	} `json:"resources"`
	Metadata []scheduler.Label `json:"metadata"`
}

func scalar(name string, amount float64, revocable bool) scheduler.Resource {
	r := scheduler.Resource{Name: name, Type: "SCALAR", Scalar: &scheduler.Scalar{Value: amount}}
	if revocable {
		r.Revocable = &struct{}{}
	}
	return r
}

// parse reads any of the forms.
func (r *Report) parse(text []byte) (w workload, err error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return w, fmt.Errorf("%w: %w", ErrForm, err)
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return keys[n] != nil })
	}
	switch {
	case has("tasks", "task_group"):
		r.Form = "task group"
		if err = json.Unmarshal(text, &w); w.TaskGroup != nil {
			w.Tasks = w.TaskGroup.Tasks
		}
	case has("taskConfig", "tier"):
		r.Form = "Aurora task"
		var a auroraTask
		if err = json.Unmarshal(text, &a); a.TaskConfig != nil {
			a = *a.TaskConfig
		}
		task := scheduler.TaskInfo{TaskID: scheduler.ID{Value: "task"}, Command: &scheduler.CommandInfo{}, Labels: scheduler.Labels{Labels: a.Metadata}}
		for _, x := range a.Resources { // the tier makes cpus revocable; memory only with Aurora's -enable_revocable_ram
			for _, amount := range []scheduler.Resource{
				scalar("cpus", x.NumCPUs, a.Tier == "revocable"), scalar("mem", x.RAMMB, false), scalar("disk", x.DiskMB, false),
			} {
				if amount.Scalar.Value != 0 {
					task.Resources = append(task.Resources, amount)
				}
			}
		}
		if a.Tier != "revocable" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("tier %q is not revocable: it runs on regular resources", a.Tier))
		}
		w.Tasks = []scheduler.TaskInfo{task}
	case has("task_id", "resources"):
		r.Form = "TaskInfo"
		w.Tasks = make([]scheduler.TaskInfo, 1)
		err = json.Unmarshal(text, &w.Tasks[0])
		w.Executor = w.Tasks[0].Executor
	case has("id") && has("cpus", "mem", "cmd", "instances"):
		r.Form = "Marathon app"
		var a marathonApp
		err = json.Unmarshal(text, &a)
		task := scheduler.TaskInfo{
			TaskID: scheduler.ID{Value: strings.ReplaceAll(strings.Trim(a.ID, "/"), "/", "_")}, Command: &scheduler.CommandInfo{},
			Resources: []scheduler.Resource{scalar("cpus", cmp.Or(a.CPUs, 1), false), scalar("mem", cmp.Or(a.Mem, 128), false)},
		}
		for k, v := range a.Labels {
			task.Labels.Labels = append(task.Labels.Labels, scheduler.Label{Key: k, Value: v})
		}
		w.Tasks = []scheduler.TaskInfo{task}
		r.Warnings = append(r.Warnings, "Marathon cannot ask for revocable resources: it runs on regular ones")
	default:
		return w, ErrForm
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", r.Form, err)
	} else if len(w.Tasks) == 0 {
		err = fmt.Errorf("%w: there is no task in it", ErrForm)
	}
	return w, err
}

// Lint reads a task or a group. f is the policy of the node, nil for none.
func Lint(text []byte, f *config.PolicyFile) (*Report, error) {
	r := &Report{Refused: []string{}, Warnings: []string{}, QoS: []string{}}
	w, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	r.master(&w)
	e := executor(&w)
	r.Class, r.Regular, r.Revocable = e.Class, e.Regular, e.Revocable
	if r.Class == snapshot.ClassShared {
		r.Warnings = append(r.Warnings, "a task without revocable resources shares the executor: what the others got is never taken back")
	}
	if r.Class == snapshot.ClassRevocable {
		for _, t := range w.Tasks {
			if t.Container != nil && t.Container.Type == "DOCKER" {
				r.Warnings = append(r.Warnings, "the Docker containerizer runs it outside of the agent's cgroups, at full CPU weight, and estimatord cannot act on it: use a container of type MESOS with an image")
			}
		}
	}
	r.qos(&e, f)
	return r, nil
}

// master adds why the master would refuse w, as src/master/validation.cpp does.
func (r *Report) master(w *workload) {
	refuse := func(format string, args ...any) { r.Refused = append(r.Refused, fmt.Sprintf(format, args...)) }
	group, what := r.Form == "task group", "Task and its executor mix"
	var all []scheduler.Resource
	if w.Executor != nil {
		all = append(all, w.Executor.Resources...)
	}
	for _, t := range w.Tasks {
		if id := t.TaskID.Value; id == "" || id == "." || id == ".." || strings.ContainsFunc(id, func(c rune) bool { return c == '/' || c < ' ' || c == 0x7f }) {
			refuse("'%s' contains invalid characters", id)
		}
		if len(t.Resources) == 0 {
			refuse("Task uses no resources")
		}
		if name := mixed(t.Resources); name != "" {
			refuse("Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable '%s' at the same time", name)
		}
		if !group && (t.Command == nil) == (t.Executor == nil) {
			refuse("Task should have at least one (but not both) of CommandInfo or ExecutorInfo present")
		}
		all = append(all, t.Resources...)
	}
	for i := range all {
		x := &all[i]
		if x.Scalar != nil && x.Scalar.Value < 0 {
			refuse("Invalid scalar resource: %s is negative", x.Name)
		}
		if x.Revocable == nil {
			continue
		}
		if x.Reservation != nil || strings.Contains(string(x.Reservations), "DYNAMIC") {
			refuse("Dynamically reserved resource %s cannot be created from revocable resources", x.Name)
		}
		if strings.Contains(string(x.Disk), "persistence") {
			refuse("Persistent volumes cannot be created from revocable resources")
		}
	}
	if group {
		what = "Task group and executor mix"
		if w.Executor != nil {
			r.executor(w.Executor, refuse)
		}
	}
	if name := mixed(all); name != "" && len(r.Refused) == 0 {
		refuse("%s revocable and non-revocable resources: Cannot use both revocable and non-revocable '%s' at the same time", what, name)
	}
}

// executor refuses what a group's executor does without.
func (r *Report) executor(e *scheduler.ExecutorInfo, refuse func(format string, args ...any)) {
	sum := resources.Quantities{}
	for _, x := range e.Resources {
		add(&sum, &x)
	}
	if sum.Get("cpus") < 10 {
		amount := map[bool]string{true: "None", false: sum.Get("cpus").String()}[sum.Get("cpus") == 0]
		refuse("Executor '%s' uses less CPUs (%s) than the minimum required (0.01)", e.ExecutorID.Value, amount)
	}
	if sum.Get("mem") < 32000 {
		refuse("Executor '%s' uses less memory (%sMB) than the minimum required (32MB)", e.ExecutorID.Value, sum.Get("mem"))
	}
	if sum.Get("disk") == 0 {
		refuse("Executor '%s' uses no disk", e.ExecutorID.Value)
	}
}

// mixed is a resource that is there in both kinds, "" for none.
func mixed(rs []scheduler.Resource) string {
	first := map[string]placement.Kind{}
	for i := range rs {
		if k := placement.KindOf(&rs[i]); cmp.Or(first[rs[i].Name], k) != k {
			return rs[i].Name
		}
		first[rs[i].Name] = placement.KindOf(&rs[i])
	}
	return ""
}

func add(to *resources.Quantities, r *scheduler.Resource) {
	if r.Scalar != nil {
		to.Add(r.Name, resources.FloorMilli(r.Scalar.Value))
	}
}

// executor is w as the agent would report it.
func executor(w *workload) (e snapshot.Executor) {
	labels := func(from scheduler.Labels) (all []snapshot.Label) {
		for _, l := range from.Labels {
			all = append(all, snapshot.Label(l))
		}
		return all
	}
	split := func(rs []scheduler.Resource) (regular, revocable resources.Quantities) {
		for i := range rs {
			x := &rs[i]
			var in struct{ Role string }
			_ = json.Unmarshal(x.AllocationInfo, &in) // a task of which no role is known has none
			e.Role = cmp.Or(e.Role, in.Role, x.Role)
			if x.Revocable != nil {
				add(&revocable, x)
			} else {
				add(&regular, x)
			}
		}
		return regular, revocable
	}
	if w.Executor != nil {
		e.Own, e.Revocable = split(w.Executor.Resources)
		e.Regular, e.Labels = e.Own.Clone(), labels(w.Executor.Labels)
	}
	for _, t := range w.Tasks {
		regular, revocable := split(t.Resources)
		e.Regular.AddAll(regular)
		e.Revocable.AddAll(revocable)
		e.Tasks = append(e.Tasks, snapshot.Task{ID: t.TaskID.Value, Regular: regular, Revocable: revocable, Labels: labels(t.Labels)})
	}
	e.Class = e.Classify()
	return e
}

// qos adds what the QoS controller of a node with that policy would do.
func (r *Report) qos(e *snapshot.Executor, f *config.PolicyFile) {
	say := func(format string, args ...any) { r.QoS = append(r.QoS, fmt.Sprintf(format, args...)) }
	switch {
	case e.Class != snapshot.ClassRevocable:
		say("%s: it is never throttled, frozen or killed", e.Class)
		return
	case f == nil:
		say("name the node's policy with --policy to see what it does")
		return
	}
	p := f.Policy
	most := policy.StopOffering
	for i := range p.Rules {
		if !p.Rules[i].Shadow && !p.Shadow {
			most = max(most, p.Rules[i].Action)
		}
	}
	if most >= policy.Throttle {
		say("throttle: down to %v cores, for as long as a rule asks for it", p.Ladder.FloorCores)
	}
	if most >= policy.Freeze && p.Ladder.FreezeFor > 0 {
		say("freeze: for %s at most", p.Ladder.FreezeFor)
	}
	switch {
	case most < policy.Kill:
		say("kill: never, no rule of %s asks for it", f.File)
		return
	case p.Victims.Protect.Protects(e):
		say("kill: never, it is protected by victims.protect")
		return
	}
	mine, lower, higher := p.Victims.PriorityOf(e), false, false
	for _, other := range append(p.Victims.Priorities, policy.Priority{}) {
		lower, higher = lower || other.Priority < mine, higher || other.Priority > mine
	}
	order := map[[2]bool]string{{true, false}: "killed last", {false, true}: "killed first", {true, true}: "killed after lower ones and before higher ones"}
	say("kill: priority %d, %s; among equals what is most above its allocation, then what uses most, then the youngest",
		mine, cmp.Or(order[[2]bool{lower, higher}], "like all others"))
	if p.Victims.MinAge > 0 {
		say("kill: not in its first %s", p.Victims.MinAge)
	}
	if p.Victims.MinUsage > 0 {
		say("kill: not for CPU while it uses less than %v cores", p.Victims.MinUsage)
	}
	if f.Hook != nil {
		say("kill: the hook is told, and has %s", f.Hook.Deadline)
	} else {
		say("kill: without a warning, there is no hook")
	}
}
