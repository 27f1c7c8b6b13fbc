package decision_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/signal"
)

// appended is r's line of the log.
func appended(t failer, r *decision.Record) []byte {
	b, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// through is r as it is read back from the log, and its line. What is read back
// makes the same line again.
func through(t failer, r *decision.Record) (*decision.Record, string) {
	b := appended(t, r)
	back, err := decision.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if again := appended(t, back); !bytes.Equal(again, b) {
		t.Fatal("read back as\n" + string(again) + "from\n" + string(b))
	}
	return back, string(b)
}

func TestALineIsOneLine(t *testing.T) {
	awkward := "a \"quoted\" \\ <word> & \nline\x00 \u2028 日本\xff"
	r := &decision.Record{
		Version: decision.Version, At: time.Unix(1_000_000, 1).UTC(), Agent: awkward, TreeWhy: snapshot.Present, TookSeconds: 1,
		Dying: []decision.Dying{{InFlight: qos.InFlight{Key: snapshot.Key{ID: awkward}}}},
	}
	b, err := r.Append([]byte("before "))
	if err != nil {
		t.Fatal(err)
	}
	body, ok := strings.CutPrefix(string(b), "before ")
	if !ok || strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") || !json.Valid([]byte(body)) {
		t.Fatalf("not one line of JSON: %q", body)
	}
	back, err := decision.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(awkward, "\uFFFD")
	if back.Agent != want || back.Dying[0].ID != want || !back.At.Equal(r.At) || back.TookSeconds != 0 {
		t.Errorf("read back %+v", back)
	}
}

// What no number can be never reaches the log.
func TestNothingImpossibleIsLogged(t *testing.T) {
	nan := snapshot.ValueOf(math.NaN())
	for name, r := range map[string]*decision.Record{
		"a reading of the host": {Host: snapshot.Host{BusyCores: nan}},
		"infinite":              {Host: snapshot.Host{Load1: snapshot.ValueOf(math.Inf(1))}},
		"contention":            {Contention: snapshot.Contention{Degree: math.NaN()}},
		"a dying container":     {Dying: []decision.Dying{{Cores: nan}}},
		"a rule":                {QoS: qos.Decision{Rules: []qos.RuleState{{Reading: signal.Reading{Value: nan}}}}},
		"a threshold":           {QoS: qos.Decision{Rules: []qos.RuleState{{Above: math.Inf(1)}}}},
		"a candidate":           {QoS: qos.Decision{Candidates: []qos.Candidate{{Usage: math.NaN()}}}},
		"a limit":               {QoS: qos.Decision{Ladders: []qos.LadderState{{Limit: math.Inf(-1)}}}},
	} {
		if b, err := r.Append([]byte("x")); err == nil || string(b) != "x" {
			t.Errorf("%s: written as %s", name, b)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":            `{"v":1,`,
		"another version":    `{"v":2}`,
		"no version":         `{}`,
		"a time of words":    `{"v":1,"at":"yesterday"}`,
		"an amount of words": `{"v":1,"offer":{"resources":[{"offered":"much"}]}}`,
		"an unknown absence": `{"v":1,"host":{"load1":"laziness"}}`,
		"present, no number": `{"v":1,"host":{"load1":"present"}}`,
		"an unknown rung":    `{"v":1,"qos":{"rules":[{"action":"scold"}]}}`,
	} {
		if r, err := decision.Parse([]byte(text)); !errors.Is(err, decision.ErrRecord) {
			t.Errorf("%s: %+v, %v; want ErrRecord", name, r, err)
		}
	}
}

// Nobody can act on a victim that was read from a log.
func TestAVictimThatWasReadIsNotValid(t *testing.T) {
	r, err := decision.Parse([]byte(`{"v":1,"qos":{"kills":[{"id":"c1","framework_id":"f","executor_id":"e","rule":"r"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	v := r.QoS.Kills[0]
	if v.Valid() || v.Key() != (snapshot.Key{}) || v.Identity().ID != "c1" || r.AllKills()[0].ExecutorID != "e" {
		t.Errorf("%+v", v)
	}
}

// Whatever can be read is written back to the same value.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"v":1,"run":"a","seq":3,"at":"2026-03-01T12:00:00.000000001Z","policy":"none","usage_age_s":-1e-9,"tree":"present","host":{"online_cpus":4,"load1":"no_file"},"offer":{"resources":[{"resource":"cpus","offered":-0.001}]},"qos":{"why":"calm"}}`))
	f.Add([]byte(`{"v":1,"qos":{"rules":[{"name":"\u2028<","value":1e300,"above":1e-300}],"shadow":{"kills":[{}]}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decision.Parse(b)
		if err != nil {
			return
		}
		first, err := r.Append(nil)
		if err != nil {
			return // a year that RFC 3339 does not know
		}
		again, err := decision.Parse(first)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if second := appended(t, again); !bytes.Equal(second, first) {
			t.Fatalf("%s\n%s", first, second)
		}
	})
}

// Whoever stopped the offer is named: an operator before the budget before rules.
func TestOfferWhyNamesWhatStoppedIt(t *testing.T) {
	stopped := &estimator.ResourceOffer{Why: reason.Stopped}
	open := qos.Decision{Budget: qos.BudgetState{OpenSince: time.Unix(1, 0)}}
	for want, r := range map[reason.Code]decision.Record{
		reason.Stopped:     {},
		reason.BudgetSpent: {QoS: open},
		reason.Paused:      {QoS: open, Commands: qos.Commands{Paused: true}},
	} {
		if got := r.OfferWhy(stopped); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := r.OfferWhy(&estimator.ResourceOffer{Why: reason.NoAgent}); got != reason.NoAgent {
			t.Errorf("%s without an agent", got)
		}
	}
}
