package tasklint

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/snapshot"
)

const recordings = "../job/testdata/"

// refusals are the messages with which a real master refused tasks.
func refusals(t *testing.T, scenario string) map[string]string {
	t.Helper()
	stream, err := os.ReadFile(recordings + scenario + "/events.recordio")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, text := range bytes.SplitAfter(stream, []byte("\n")) {
		var e struct {
			Update struct {
				Status struct {
					TaskID  struct{ Value string } `json:"task_id"`
					State   string
					Message string
				}
			}
		}
		// Lengths stand on lines of their own, before and behind the events.
		if at := bytes.LastIndexByte(text, '}'); at < 0 || json.Unmarshal(text[:at+1], &e) != nil {
			continue
		}
		if s := e.Update.Status; s.State == "TASK_ERROR" {
			all[s.TaskID.Value] = s.Message
		}
	}
	return all
}

// What a real master refused is refused with its words, and what it took is not.
func TestLintAgreesWithTheMaster(t *testing.T) {
	checked := 0
	for _, scenario := range []string{"mixed-refused", "task-ends", "task-group", "accept-revocable-preempted"} {
		refused := refusals(t, scenario)
		calls, err := os.ReadFile(recordings + scenario + "/calls.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(calls) {
			var call struct {
				Request struct {
					Body struct {
						Accept struct {
							Operations []struct {
								Launch struct {
									TaskInfos []json.RawMessage `json:"task_infos"`
								}
								LaunchGroup json.RawMessage `json:"launch_group"`
							}
						}
					}
				}
			}
			if json.Unmarshal(line, &call) != nil {
				continue
			}
			for _, o := range call.Request.Body.Accept.Operations {
				texts := o.Launch.TaskInfos
				if o.LaunchGroup != nil {
					texts = append(texts, o.LaunchGroup)
				}
				for _, text := range texts {
					r, err := Lint(text, nil)
					if err != nil {
						t.Errorf("%s: %v", text, err)
						continue
					}
					var said string
					for id, message := range refused {
						depends := strings.Contains(message, "more than available") || strings.Contains(message, "invalid agent") || strings.Contains(message, "duplicate ID")
						if bytes.Contains(text, []byte(`"task_id": {"value": "`+id+`"}`)) && !depends {
							said = message
						}
					}
					if said != "" && !slices.Contains(r.Refused, said) || said == "" && len(r.Refused) > 0 {
						t.Errorf("%s\nsays  %q\nmaster %q", text, r.Refused, said)
					}
					checked++
				}
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d tasks", checked)
	}
}

const task = `{"name":"t","task_id":{"value":"t-1"},"agent_id":{"value":"S0"},"command":{"value":"x"},
	"labels":{"labels":[{"key":"tier","value":"batch"}]},
	"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{},"allocation_info":{"role":"spare/a"}},
	{"name":"mem","type":"SCALAR","scalar":{"value":64}}]}`

func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		class snapshot.Class
		says  string // among warnings and refusals
	}{
		"task":              {task, snapshot.ClassRevocable, ""},
		"docker":            {strings.Replace(task, `"command"`, `"container":{"type":"DOCKER"},"command"`, 1), snapshot.ClassRevocable, "use a container of type MESOS"},
		"volume":            {strings.Replace(task, `"revocable":{}`, `"revocable":{},"disk":{"persistence":{"id":"p"}}`, 1), snapshot.ClassRevocable, "Persistent volumes cannot"},
		"reservation":       {strings.Replace(task, `"revocable":{}`, `"revocable":{},"reservations":[{"type":"DYNAMIC","role":"a"}]`, 1), snapshot.ClassRevocable, "cannot be created from revocable"},
		"negative":          {strings.Replace(task, `:64`, `:-64`, 1), snapshot.ClassRevocable, "mem is negative"},
		"no command":        {strings.Replace(task, `"command":{"value":"x"},`, ``, 1), snapshot.ClassRevocable, "at least one (but not both)"},
		"regular":           {strings.Replace(task, `"revocable":{},`, ``, 1), snapshot.ClassRegular, ""},
		"shared group":      {`{"tasks":[` + task + `,{"task_id":{"value":"u"},"resources":[{"name":"disk","scalar":{"value":1}}]}]}`, snapshot.ClassShared, "shares the executor"},
		"Marathon":          {`{"id":"/a/b","cpus":0.5,"mem":32,"cmd":"x","labels":{"tier":"batch"}}`, snapshot.ClassRegular, "Marathon cannot ask"},
		"Aurora":            {`{"taskConfig":{"tier":"revocable","resources":[{"numCpus":1},{"ramMb":64},{"diskMb":8}]}}`, snapshot.ClassRevocable, ""},
		"Aurora, preferred": {`{"tier":"preferred","resources":[{"numCpus":1}]}`, snapshot.ClassRegular, "runs on regular resources"},
	} {
		r, err := Lint([]byte(c.text), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := strings.Join(append(r.Refused, r.Warnings...), "; ")
		if r.Class != c.class || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: %s, %q", name, r.Class, said)
		}
	}
	for _, text := range []string{"", "[]", "{}", `{"tasks":[]}`, `{"id":1,"cpus":1}`, `{"task_id":1}`, `{"name":"x"}`, "null", `{"tasks":{}}`} {
		if r, err := Lint([]byte(text), nil); err == nil {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if _, err := Lint([]byte(`{"a":1}`), nil); !errors.Is(err, ErrForm) {
		t.Error(err)
	}
}

func TestQoS(t *testing.T) {
	const rule = "rules:\n  - {name: busy, signal: node_cpu, above: 0.9, for: 1s, action: %}\n"
	for name, c := range map[string]struct {
		action, more string
		want         []string
	}{
		"stops offering": {"stop_offering", "", []string{"kill: never, no rule"}},
		"throttles":      {"throttle", "", []string{"throttle: down to 0.02 cores", "kill: never, no rule"}},
		"freezes":        {"kill", "ladder: {freeze_for: 30s}\n", []string{"throttle: ", "freeze: for 30s at most", "like all others", "0.05 cores", "no hook"}},
		"protected by label": {
			"kill", "victims: {protect: {labels: [tier=batch]}}\n",
			[]string{"throttle: ", "never, it is protected"},
		},
		"protected by role": {"kill", "victims: {protect: {roles: [spare]}}\n", []string{"throttle: ", "never, it is protected"}},
		"first":             {"kill", "victims: {priorities: [{label: tier, priority: -5}]}\n", []string{"throttle: ", "priority -5, killed first", "0.05", "no hook"}},
		"last":              {"kill", "victims: {min_age: 1m, priorities: [{role: spare, priority: 5}]}\n", []string{"throttle: ", "priority 5, killed last", "first 1m0s", "0.05", "no hook"}},
		"between":           {"kill", "victims: {priorities: [{role: a, priority: 9}, {role: spare, priority: 5}]}\n", []string{"throttle: ", "after lower ones and before higher ones", "0.05", "no hook"}},
		"hook":              {"kill", "hook: {socket: /run/warn.sock, deadline: 3s}\n", []string{"throttle: ", "like all others", "0.05", "the hook is told, and has 3s"}},
		"shadow":            {"kill", "shadow: true\n", []string{"kill: never"}},
	} {
		f, err := config.ParsePolicy("policy.yaml", []byte(strings.Replace(rule, "%", c.action, 1)+c.more))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := Lint([]byte(task), f)
		ok := err == nil && len(r.QoS) == len(c.want)
		for i := 0; ok && i < len(c.want); i++ {
			ok = strings.Contains(r.QoS[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s: %q, %v, want %q", name, r.QoS, err, c.want)
		}
	}
}
