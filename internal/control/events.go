package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Kind is what an Event is about.
type Kind string

// The kinds.
const (
	EventKill       Kind = "kill"
	EventShadowKill Kind = "shadow_kill"
	EventGone       Kind = "gone"
	EventLadder     Kind = "ladder"
	EventRule       Kind = "rule"
	EventOffer      Kind = "offer"
	EventPause      Kind = "pause"
	EventBudget     Kind = "budget"
	EventPolicy     Kind = "policy"
)

// Event is something that happened, in a sentence.
type Event struct {
	At   time.Time `json:"at"`
	Seq  uint64    `json:"seq"`
	Kind Kind      `json:"kind"`
	// Container is the one that it happened to, Resource the one that it is about.
	Container string `json:"container,omitzero"`
	Resource  string `json:"resource,omitzero"`
	Text      string `json:"text"`
}

// eventsOf are what a record has decided that the one before, nil for none, had
// not, the cause before what came of it; kills are in kills.
func eventsOf(before, r *decision.Record, kills []*explain.Kill) (all []Event) {
	add := func(kind Kind, about string, format string, args ...any) {
		e := Event{At: r.At, Seq: r.Seq, Kind: kind, Text: fmt.Sprintf(format, args...)}
		if kind == EventLadder || kind == EventOffer {
			e.Resource = about
		} else {
			e.Container = about
		}
		all = append(all, e)
	}
	if before == nil {
		before = &decision.Record{PolicyHash: r.PolicyHash}
	}
	switch {
	case r.Commands.Paused && !before.Commands.Paused:
		add(EventPause, "", "An operator has paused the daemon: nothing is offered or taken.")
	case !r.Commands.Paused && before.Commands.Paused:
		add(EventPause, "", "An operator has ended the pause.")
	}
	switch open := r.QoS.Budget.Open(); {
	case open && !before.QoS.Budget.Open():
		add(EventBudget, "", "The kill budget is spent after %d kills: nothing is offered or killed.", r.QoS.Budget.Used)
	case !open && before.QoS.Budget.Open():
		add(EventBudget, "", "The kill budget has kills again: %d.", r.QoS.Budget.Left)
	}
	if r.PolicyHash != before.PolicyHash {
		add(EventPolicy, "", "The policy %s replaces %s.", r.PolicyHash, before.PolicyHash)
	}
	for i := range r.QoS.Rules {
		rule := &r.QoS.Rules[i]
		was := ruleIn(before, rule.Name)
		switch {
		case rule.Active && !was.Active:
			add(EventRule, "", "Rule %s is active: %s", rule.Name, because(r, rule))
		case !rule.Active && was.Active:
			add(EventRule, "", "Rule %s has cleared.", rule.Name)
		}
	}
	for i := range r.QoS.Ladders {
		l := &r.QoS.Ladders[i]
		var was policy.Rung
		if i < len(before.QoS.Ladders) {
			was = before.QoS.Ladders[i].Rung
		}
		if l.Rung != was {
			add(EventLadder, l.Resource.String(), "%s", ladderText(r, l, was))
		}
	}
	offers(before, r, add)
	for _, k := range kills {
		kind, what := EventKill, "is killed"
		if k.Shadow {
			kind, what = EventShadowKill, "would be killed (shadow)"
		}
		add(kind, k.ID, "%s %s. Rule %s.", nameOf(&k.Killed), what, strings.TrimSuffix(k.Cause.Text, "."))
	}
	return all
}

func ladderText(r *decision.Record, l *qos.LadderState, was policy.Rung) string {
	text := fmt.Sprintf("The %s ladder goes from %s to %s", l.Resource, spaced(was), spaced(l.Rung))
	if l.Limit > 0 && l.Rung >= policy.Throttle {
		text += ", throttled containers may use " + signal.Amount(l.Resource, l.Limit)
	}
	if rule := ruleIn(r, l.Rule); rule.Name != "" {
		return text + ". Rule " + rule.Name + ": " + because(r, rule)
	}
	return text + "."
}

func spaced(r policy.Rung) string { return strings.ReplaceAll(r.String(), "_", " ") }

// because is the sentence of a rule without its name.
func because(r *decision.Record, rule *qos.RuleState) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.QoS.Sentence(rule, r.At), rule.Name+": "), ".") + "."
}

func ruleIn(r *decision.Record, name string) *qos.RuleState {
	for i := range r.QoS.Rules {
		if r.QoS.Rules[i].Name == name {
			return &r.QoS.Rules[i]
		}
	}
	return &qos.RuleState{}
}

// offers adds what has changed of the offers: for the cluster that is the
// revocable total, and for people also why there is none.
func offers(before, r *decision.Record, add func(Kind, string, string, ...any)) {
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		var total resources.Milli
		var was reason.Code
		for k := range before.Offer.Resources {
			if b := &before.Offer.Resources[k]; b.Resource == o.Resource {
				total, was = b.RevocableTotal, before.OfferWhy(b)
			}
		}
		why := r.OfferWhy(o)
		switch {
		case total != o.RevocableTotal:
			add(EventOffer, o.Resource, "The revocable total of %s goes from %s to %s. %s", o.Resource, total, o.RevocableTotal, firstSentence(why)+".")
		case why != was && o.RevocableTotal == 0:
			add(EventOffer, o.Resource, "No %s may be revocable. %s", o.Resource, firstSentence(why)+".")
		}
	}
}

// nameOf is how people know a killed container: by its tasks, else by its executor.
func nameOf(k *explain.Killed) string {
	switch {
	case len(k.Tasks) > 0 && k.Tasks[0].Name != "" && k.Tasks[0].Name != k.Tasks[0].ID:
		return fmt.Sprintf("Task %s (%s)", k.Tasks[0].Name, k.Tasks[0].ID)
	case len(k.Tasks) > 0:
		return "Task " + k.Tasks[0].ID
	case k.ExecutorID != "":
		return "Executor " + k.ExecutorID
	}
	return "Container " + k.ID
}

// tasksOf are ids and names of the tasks of a container.
func tasksOf(c *snapshot.Container) (tasks []snapshot.Task) {
	if c.Executor == nil {
		return nil
	}
	for i := range c.Executor.Tasks {
		t := &c.Executor.Tasks[i]
		tasks = append(tasks, snapshot.Task{ID: t.ID, Name: t.Name})
	}
	return tasks
}
