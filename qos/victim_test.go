package qos

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/signal"
)

// A Victim that was read from JSON says which container it was and names none to
// whoever acts, whatever the variable held before.
func TestAVictimFromJSONCannotBeActedOn(t *testing.T) {
	c := revocable("c", 1)
	made, err := NewVictim(&c, Cause{Rule: "cpu", Text: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"c","inode":7,"framework_id":"framework","executor_id":"executor-of-c","rule":"cpu","text":"busy"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	for name, into := range map[string]Victim{"a zero one": {}, "a valid one": made} {
		t.Run(name, func(t *testing.T) {
			v := into
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			if v.Valid() || v.Key() != (snapshot.Key{}) || v.FrameworkID() != "" || v.ExecutorID() != "" || v.Cause() != (Cause{}) {
				t.Errorf("it can be acted on: %+v", v)
			}
			if diff := cmp.Diff(made.Identity(), v.Identity()); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

// A Decision is read back from its JSON as it was written.
func TestADecisionInJSON(t *testing.T) {
	p := policyOf(ruleOf("cpu", signal.NodeCPU, 0.5), ruleOf("memory", signal.NodeMemory, 0.5))
	p.Rules[0].For, p.Rules[1].Shadow = 0, true
	d, _ := decide(p, State{}, node(t0, 1.9, regular("web", 0.5), revocable("batch", 1.2)), nil)
	if len(d.Kills) != 1 || d.Shadow == nil {
		t.Fatalf("%+v", d)
	}
	text, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	var back Decision
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil || string(again) != string(text) {
		t.Errorf("%v: got  %s\nwant %s", err, again, text)
	}
	if back.Kills[0].Valid() {
		t.Error("a victim that was read can be acted on")
	}
}
