package config

import (
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/agentapi/prekill"
	"github.com/estimatord/estimatord/qos"
)

// key is one row of a policy file: its parser, the schema, the table in
// docs/reference/policy.md and the errors come from here.
type key struct {
	name string
	// help says what it means, in one sentence without a full stop.
	help string
	value
	// def is its default for people, "" when it must be there or there is none.
	def      string
	required bool
}

// Limits of what a policy file takes. Those that qos has as well are the same
// (a test tries them).
const (
	longestWait   = 24 * time.Hour
	longestFreeze = 10 * time.Minute
	mostKills     = 1000
	mostCores     = 1024
	// mostAbove: no signal takes a higher threshold (2^50 is a PiB).
	mostAbove = 1 << 50
)

func fieldsOf(keys []key) []field {
	fields := make([]field, len(keys))
	for i := range keys {
		fields[i] = field{name: keys[i].name, take: keys[i].take}
	}
	return fields
}

// keys are those of the whole file.
func (p *policyText) keys() []key {
	return []key{
		{name: "shadow", help: "nothing is done; what would be done is decided, logged and counted", value: p.bool(&p.Shadow), def: "false"},
		{name: "rules", help: "when to act", value: p.list(p.rule, p.ruleKeys(&qos.Rule{}), 1), required: true},
		{name: "ladder", help: "how the rungs are climbed and left", value: p.section(p.ladderKeys())},
		{name: "budget", help: "how many kills are allowed", value: p.section(p.budgetKeys())},
		{name: "victims", help: "who may be killed, and in which order", value: p.section(p.victimKeys())},
		{name: "hook", help: "who is told before a kill", value: p.section(p.hookKeys())},
	}
}

const bySignal = "by signal"

func (p *policyText) ruleKeys(r *qos.Rule) []key {
	return []key{
		{name: "name", help: "unique in the file; stands in logs and metrics", value: p.name(&r.Name), required: true},
		{name: "signal", help: "what is read", value: p.signal(&r.Signal), required: true},
		{name: "above", help: "threshold, in the signal's unit", value: p.positive(&r.Above, mostAbove), def: bySignal},
		{name: "clear", help: "level, not above the threshold, below which a rule that has held lets go", value: p.number(&r.Clear, limits{0, mostAbove}), def: bySignal},
		{name: "per_cpu", help: "the reading is divided by the number of CPUs first (load averages)", value: p.bool(&r.PerCPU), def: "false"},
		{name: "while", help: "a second condition: unless its reading is above too, the first one counts as not above", value: value{
			take: p.while(r), form: formSection, below: p.whileKeys(r), shape: &schema{Type: "object"},
		}},
		{name: "for", help: "time the reading must be above without interruption", value: p.duration(&r.For, 0, longestWait), def: bySignal},
		{name: "action", help: "highest rung of the ladder that the rule asks for", value: p.action(&r.Action), def: bySignal},
		{name: "immediate", help: "goes to its action at once, without the rungs below it", value: p.bool(&r.Immediate), def: "false"},
		{name: "settle", help: "time that a throttle is given to help before the next rung, and after a victim is gone in which the rule takes no other", value: p.duration(&r.Settle, 0, longestWait), def: bySignal},
		{name: "shadow", help: "what the rule would do is decided, logged and counted, and not done", value: p.bool(&r.Shadow), def: "false"},
	}
}

func (p *policyText) whileKeys(r *qos.Rule) []key {
	return []key{
		{name: "signal", help: "what is read", value: p.signal(&r.While.Signal), required: true},
		{name: "above", help: "threshold, in its unit", value: p.positive(&r.While.Above, mostAbove), required: true},
	}
}

func (p *policyText) ladderKeys() []key {
	l, def := &p.Ladder, qos.DefaultLadder()
	return []key{
		{name: "dwell", help: "time in which nothing asks for a rung before it is left, and between two steps by which a throttle is loosened", value: p.duration(&l.Dwell, 0, longestWait), def: shortDuration(def.Dwell)},
		{name: "floor", help: "cores that each throttled container keeps at least", value: p.number(&l.FloorCores, limits{0.01, mostCores}), def: printNumber(def.FloorCores)},
		{name: "loosen", help: "share of itself by which a throttle is loosened at a step", value: p.number(&l.Loosen, limits{0.01, 10}), def: printNumber(def.Loosen)},
		{name: "freeze_for", help: "longest time that a container is frozen; 0s: none ever is", value: p.duration(&l.FreezeFor, 0, longestFreeze), def: shortDuration(def.FreezeFor)},
		{name: "kills_at_once", help: "kills that may be under way together, where a reading says that one is not enough", value: p.whole(&l.KillsAtOnce, 1, mostKills), def: "1"},
		{name: "ignored_after", help: "time after which a kill that has no effect is counted as ignored, and not waited for", value: p.duration(&l.IgnoredAfter, time.Second, longestWait), def: shortDuration(def.IgnoredAfter)},
	}
}

func (p *policyText) budgetKeys() []key {
	def := qos.DefaultBudget()
	return []key{
		{name: "kills", help: "kills that are allowed in that time", value: p.whole(&p.Budget.Kills, 1, mostKills), def: printNumber(float64(def.Kills))},
		{name: "per", help: "the time", value: p.duration(&p.Budget.Per, time.Minute, longestWait), def: shortDuration(def.Per)},
	}
}

func (p *policyText) victimKeys() []key {
	v := &p.Victims
	return []key{
		{name: "min_age", help: "spares containers known to this daemon for less", value: p.duration(&v.MinAge, 0, longestWait), def: "0s"},
		{name: "min_usage", help: "spares containers that use less, in cores", value: p.number(&v.MinUsage, limits{0, mostCores}), def: printNumber(qos.DefaultMinUsage)},
		{name: "protect", help: "never killed, although revocable", value: p.section([]key{
			{name: "frameworks", help: "framework ids", value: p.strings(&v.Protect.Frameworks), def: "[]"},
			{name: "roles", help: "roles, with the roles below them", value: p.strings(&v.Protect.Roles), def: "[]"},
			{name: "labels", help: "`key` or `key=value`, of the executor or of any of its tasks", value: p.labels(&v.Protect.Labels), def: "[]"},
		})},
		{name: "priorities", help: "lower is killed first; the first entry that matches counts, no match is 0", value: p.list(p.priority, p.priorityKeys(&qos.Priority{}), 0), def: "[]"},
	}
}

func (p *policyText) priorityKeys(r *qos.Priority) []key {
	return []key{
		{name: "framework", help: "framework id; or", value: p.string(&r.Framework)},
		{name: "role", help: "role, with the roles below it; or", value: p.string(&r.Role)},
		{name: "label", help: "`key` or `key=value`; exactly one of the three", value: p.label(&r.Label)},
		{name: "priority", help: "rank", value: p.whole(&r.Priority, -1000, 1000), required: true},
	}
}

func (p *policyText) hookKeys() []key {
	h := &p.hook
	return []key{
		{name: "command", help: "program, as an absolute path, with its arguments; or", value: p.strings(&h.Command)},
		{name: "socket", help: "absolute path of a Unix socket; exactly one of the two", value: p.path(&h.Socket)},
		{name: "deadline", help: "time after which the kill goes on without an answer", value: p.duration(&h.Deadline, prekill.MinDeadline, prekill.MaxDeadline), def: shortDuration(prekill.DefaultDeadline)},
	}
}

// section takes a mapping of keys.
func (p *policyText) section(keys []key) value {
	return value{
		take: func(n *yaml.Node, path string) { p.mapping(n, path, fieldsOf(keys)) },
		form: formSection, below: keys, shape: &schema{Type: "object"},
	}
}

// list takes a list of mappings of keys.
func (p *policyText) list(take func(n *yaml.Node, path string), keys []key, least int) value {
	shape := &schema{Type: "array", Items: &schema{Type: "object"}}
	if least > 0 {
		shape.MinItems = &least
	}
	return value{
		take: func(n *yaml.Node, path string) { p.sequence(n, path, take) },
		form: formList, below: keys, shape: shape,
	}
}
