// Package tasklint says of a task, before it is launched, whether Mesos would
// take it on revocable resources and what estimatord would do to it there.
package tasklint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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

func (r *Report) refuse(format string, args ...any) {
	r.Refused = append(r.Refused, fmt.Sprintf(format, args...))
}

func (r *Report) warn(text string) { r.Warnings = append(r.Warnings, text) }

// workload is what all forms come down to.
type workload struct {
	Tasks     []scheduler.TaskInfo    `json:"tasks"`
	TaskGroup *workload               `json:"task_group"`
	Executor  *scheduler.ExecutorInfo `json:"executor"`
}

// foreign is what matters here of a Marathon app, and of an Aurora task.
type foreign struct {
	ID        string // case does not matter to JSON
	CPUs, Mem float64
	Labels    map[string]string

	TaskConfig *foreign
	Tier       string
	Resources  []struct{ NumCPUs, RAMMB, DiskMB float64 }
	Metadata   []scheduler.Label
}

// task makes a task of f. Aurora's tier makes cpus revocable; memory only with its
// -enable_revocable_ram.
func (f *foreign) task() (t scheduler.TaskInfo) {
	add := func(name string, amount float64) {
		r := scheduler.Resource{Name: name, Type: "SCALAR", Scalar: &scheduler.Scalar{Value: amount}}
		if name == "cpus" && f.Tier == "revocable" {
			r.Revocable = &struct{}{}
		}
		if amount != 0 {
			t.Resources = append(t.Resources, r)
		}
	}
	t.TaskID.Value, t.Command = cmp.Or(strings.ReplaceAll(strings.Trim(f.ID, "/"), "/", "_"), "task"), &scheduler.CommandInfo{}
	add("cpus", f.CPUs)
	add("mem", f.Mem)
	for _, r := range f.Resources {
		add("cpus", r.NumCPUs)
		add("mem", r.RAMMB)
		add("disk", r.DiskMB)
	}
	t.Labels.Labels = f.Metadata
	for key, value := range f.Labels {
		t.Labels.Labels = append(t.Labels.Labels, scheduler.Label{Key: key, Value: value})
	}
	return t
}

// parse reads any of the forms.
func (r *Report) parse(text []byte) (w workload, err error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return w, fmt.Errorf("%w: %w", ErrForm, err)
	}
	var t scheduler.TaskInfo
	var f foreign
	switch {
	case keys["tasks"] != nil || keys["task_group"] != nil:
		r.Form = "task group"
		if err = json.Unmarshal(text, &w); w.TaskGroup != nil {
			w.Tasks = w.TaskGroup.Tasks
		}
	case keys["taskConfig"] != nil || keys["tier"] != nil:
		r.Form = "Aurora task"
		if err = json.Unmarshal(text, &f); f.TaskConfig != nil {
			f = *f.TaskConfig
		}
		if f.Tier != "revocable" {
			r.warn(fmt.Sprintf("tier %q is not revocable: it runs on regular resources", f.Tier))
		}
		w.Tasks = []scheduler.TaskInfo{f.task()}
	case keys["task_id"] != nil || keys["resources"] != nil:
		r.Form = "TaskInfo"
		err = json.Unmarshal(text, &t)
		w.Tasks, w.Executor = []scheduler.TaskInfo{t}, t.Executor
	case keys["id"] != nil && (keys["cpus"] != nil || keys["mem"] != nil || keys["cmd"] != nil):
		r.Form = "Marathon app"
		f.CPUs, f.Mem = 1, 128 // its defaults
		err = json.Unmarshal(text, &f)
		r.warn("Marathon cannot ask for revocable resources: it runs on regular ones")
		w.Tasks = []scheduler.TaskInfo{f.task()}
	default:
		return w, ErrForm
	}
	if err == nil && len(w.Tasks) == 0 {
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
	e := executor(&w)
	r.Regular, r.Revocable = e.Regular, e.Revocable
	r.master(&w)
	for _, rule := range Rules() {
		rule.apply(r, &w, &e)
	}
	for _, t := range w.Tasks {
		if r.Class == snapshot.ClassRevocable && t.Container != nil && t.Container.Type == "DOCKER" {
			r.warn("the Docker containerizer runs it outside of the agent's cgroups, at full CPU weight, and estimatord cannot act on it: use a container of type MESOS with an image")
		}
	}
	r.qos(&e, f)
	return r, nil
}

// master adds why the master would refuse w, whatever its resources are, as
// src/master/validation.cpp does.
func (r *Report) master(w *workload) {
	for _, t := range w.Tasks {
		if id := t.TaskID.Value; id == "" || id == "." || id == ".." || strings.ContainsFunc(id, func(c rune) bool { return c == '/' || c < ' ' || c == 0x7f }) {
			r.refuse("'%s' contains invalid characters", id)
		}
		if len(t.Resources) == 0 {
			r.refuse("Task uses no resources")
		}
		if r.Form != "task group" && (t.Command == nil) == (t.Executor == nil) {
			r.refuse("Task should have at least one (but not both) of CommandInfo or ExecutorInfo present")
		}
	}
	for _, x := range w.resources() {
		if x.Scalar != nil && x.Scalar.Value < 0 {
			r.refuse("Invalid scalar resource: %s is negative", x.Name)
		}
	}
	if r.Form == "task group" {
		r.groupExecutor(w.Executor)
	}
}

// groupExecutor refuses what the executor of a group does without.
func (r *Report) groupExecutor(e *scheduler.ExecutorInfo) {
	if e == nil {
		return
	}
	sum := resources.Quantities{}
	for i := range e.Resources {
		add(&sum, &e.Resources[i])
	}
	amount := func(name string) string {
		if sum.Get(name) == 0 {
			return "None"
		}
		return sum.Get(name).String()
	}
	if sum.Get("cpus") < 10 {
		r.refuse("Executor '%s' uses less CPUs (%s) than the minimum required (0.01)", e.ExecutorID.Value, amount("cpus"))
	}
	if sum.Get("mem") < 32000 {
		r.refuse("Executor '%s' uses less memory (%s) than the minimum required (32MB)", e.ExecutorID.Value, amount("mem"))
	}
	if sum.Get("disk") == 0 {
		r.refuse("Executor '%s' uses no disk", e.ExecutorID.Value)
	}
}

// mixed refuses a resource that is there in both kinds.
func (r *Report) mixed(what string, rs []scheduler.Resource) {
	first := map[string]placement.Kind{}
	for i := range rs {
		name, kind := rs[i].Name, placement.KindOf(&rs[i])
		if cmp.Or(first[name], kind) != kind {
			r.refuse("%s revocable and non-revocable resources: Cannot use both revocable and non-revocable '%s' at the same time", what, name)
			return
		}
		first[name] = kind
	}
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
			var in struct{ Role string }
			_ = json.Unmarshal(rs[i].AllocationInfo, &in) // a task of which no role is known has none
			e.Role = cmp.Or(e.Role, in.Role, rs[i].Role)
			if rs[i].Revocable != nil {
				add(&revocable, &rs[i])
			} else {
				add(&regular, &rs[i])
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
	if e.Class != snapshot.ClassRevocable {
		say("%s: it is never throttled, frozen or killed", e.Class)
		return
	}
	if f == nil {
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
	if most < policy.Kill {
		say("kill: never, no rule of %s asks for it", f.File)
		return
	}
	if p.Victims.Protect.Protects(e) {
		say("kill: never, it is protected by victims.protect")
		return
	}
	mine, lower, higher := p.Victims.PriorityOf(e), false, false
	for _, other := range append(p.Victims.Priorities, policy.Priority{}) {
		lower, higher = lower || other.Priority < mine, higher || other.Priority > mine
	}
	order := map[[2]bool]string{
		{false, false}: "like all others", {true, false}: "killed last", {false, true}: "killed first",
		{true, true}: "killed after lower ones and before higher ones",
	}[[2]bool{lower, higher}]
	say("kill: priority %d, %s; among equals what is most above its allocation, then what uses most, then the youngest", mine, order)
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
