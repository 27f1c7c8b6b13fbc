package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Level is how much somebody has to look after the daemon.
type Level string

// The levels.
const (
	// Good: nothing is to be done.
	Good Level = "good"
	// Notice: it works, and something is worth knowing.
	Notice Level = "notice"
	// Bad: somebody has to do something.
	Bad Level = "bad"
)

// Words say in sentences how things stand.
type Words struct {
	Level Level `json:"level"`
	// Summary answers whether all is well.
	Summary string `json:"summary"`
	// Offers and Rules are in the order of those of the tick.
	Offers []OfferWords `json:"offers"`
	Rules  []RuleWords  `json:"rules"`
}

// OfferWords say of one resource why the offer is what it is, and what keeps it
// from being more, in the order in which to look at it.
type OfferWords struct {
	Why    string          `json:"why"`
	Causes []explain.Cause `json:"causes"`
}

// RuleWords say of one rule what it reads, with the unit, and how it stands.
type RuleWords struct {
	Reads string `json:"reads"`
	Above string `json:"above"`
	State string `json:"state"`
	Text  string `json:"text"`
}

// wordsOf says how things stand. Numbers in the summary are those that change
// rarely, so that whoever has it read aloud is not told each second.
func wordsOf(r *decision.Record, mode string, pol *config.PolicyStatus, pause Pause) Words {
	w := Words{Offers: []OfferWords{}, Rules: []RuleWords{}}
	if r == nil {
		w.Level, w.Summary = Notice, "The daemon has not ticked yet."
		return w
	}
	w.Level, w.Summary = summary(r, mode, pol, pause)
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		w.Offers = append(w.Offers, OfferWords{r.OfferWhy(o).Text(), append([]explain.Cause{}, explain.Causes(r, o)...)})
	}
	for i := range r.QoS.Rules {
		w.Rules = append(w.Rules, ruleWords(&r.QoS, &r.QoS.Rules[i], r.At))
	}
	if shadow := r.QoS.Shadow; shadow != nil {
		for i := range shadow.Rules {
			rule := ruleWords(&shadow.Decision, &shadow.Rules[i], r.At)
			rule.State = "shadow: " + rule.State
			w.Rules = append(w.Rules, rule)
		}
	}
	return w
}

// levelOf prints readings and thresholds of a signal.
func levelOf(s policy.Signal) func(float64) string {
	if s := signal.Of(s); s != nil && s.Unit == policy.Share {
		return signal.Percent
	}
	return number
}

func ruleWords(d *qos.Decision, r *qos.RuleState, at time.Time) RuleWords {
	level := levelOf(r.Signal)
	w := RuleWords{Reads: "unknown (" + r.Value.Why.String() + ")", Above: level(r.Above), State: strings.ReplaceAll(string(r.Why), "_", " "), Text: d.Sentence(r, at)}
	if r.Value.OK() {
		w.Reads = level(r.Value.V)
	}
	return w
}

// summary is what is worst first.
func summary(r *decision.Record, mode string, pol *config.PolicyStatus, pause Pause) (Level, string) {
	active := activeRules(&r.QoS)
	switch blind := blindness(r); {
	case pause.Paused() || r.Commands.Paused:
		text := "Paused by an operator: nothing is offered or taken."
		if pause.Paused() {
			text = "Paused by an operator since " + pause.PausedSince.UTC().Format("15:04:05 UTC") +
				", until " + pause.Ends() + ": nothing is offered or taken."
		}
		return Notice, text
	case r.QoS.Budget.Open():
		return Bad, fmt.Sprintf("The kill budget is spent (%d kills): nothing is offered or killed. Look why so much is killed, then reset the budget.", r.QoS.Budget.Used)
	case blind != "":
		return Bad, "Nothing is offered or taken: the daemon cannot see. " + blind.Text()
	case pol != nil && pol.Err != "":
		return Bad, "The policy file is refused, the policy before it stays in force. " + offered(r)
	case len(r.Dying) > 0 || len(r.QoS.Kills) > 0:
		return Notice, "Revocable containers are killed, so that regular tasks get what they are allocated."
	case len(active) > 0:
		return Notice, fmt.Sprintf("Capacity is taken back for regular tasks: %s %s active. %s", strings.Join(active, ", "), are(len(active)), r.QoS.Why.Text())
	case stopped(r):
		return Notice, "The offer is stopped: regular tasks needed the node a moment ago."
	case mode == string(config.ModeNoop):
		return Good, "All is well. The mode is noop: nothing is offered, the daemon only watches." + wouldOffer(r)
	case learning(r):
		return Notice, "All is well, and the daemon is still learning: what it does not know yet of regular containers counts as used. " + offered(r)
	case pol == nil:
		return Notice, "All is well, but there is no policy: nothing is ever taken back. " + offered(r)
	}
	return Good, "All is well. " + offered(r)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// blindness is why nothing can be decided, "" when it can.
func blindness(r *decision.Record) reason.Code {
	for i := range r.Offer.Resources {
		if why := r.Offer.Resources[i].Why; why.IsBlind() {
			return why
		}
	}
	return r.QoS.Blind
}

func stopped(r *decision.Record) bool {
	for i := range r.Offer.Resources {
		if r.OfferWhy(&r.Offer.Resources[i]) == reason.Stopped {
			return true
		}
	}
	return false
}

func learning(r *decision.Record) bool {
	for i := range r.Offer.Resources {
		switch r.Offer.Resources[i].Why {
		case reason.CountedInFull, reason.Learning:
			return true
		}
	}
	return false
}

func activeRules(d *qos.Decision) (names []string) {
	for i := range d.Rules {
		if d.Rules[i].Active {
			names = append(names, "rule "+d.Rules[i].Name)
		}
	}
	return names
}

// unitOf is what amounts of a resource are followed by.
func unitOf(resource string) string {
	if resource == "mem" {
		return " MiB of memory"
	}
	return " " + resource
}

// wouldOffer says what mode usage would offer.
func wouldOffer(r *decision.Record) string {
	var all []string
	for i := range r.Offer.Would {
		o := &r.Offer.Would[i]
		all = append(all, number(o.Offered.Float())+unitOf(o.Resource))
	}
	if len(all) == 0 {
		return ""
	}
	return " Mode usage would offer " + strings.Join(all, ", ") + "."
}

// offered says what is offered beside what is allocated.
func offered(r *decision.Record) string {
	var all []string
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		if o.RevocableTotal == 0 {
			all = append(all, "no "+o.Resource+" offered: "+lower(firstSentence(r.OfferWhy(o))))
			continue
		}
		text := number(o.Offered.Float()) + unitOf(o.Resource) + " offered"
		if o.Allocated != nil && o.RevocableAllocated > 0 {
			text += " beside " + number(o.RevocableAllocated.Float()) + " allocated as revocable"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return ""
	}
	text := strings.Join(all, "; ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

// firstSentence is what a code says, without what it says of other things.
func firstSentence(c reason.Code) string {
	text, _, _ := strings.Cut(c.Text(), ". ")
	return strings.TrimSuffix(text, ".")
}

func lower(text string) string {
	if text == "" {
		return "unknown"
	}
	return strings.ToLower(text[:1]) + text[1:]
}
