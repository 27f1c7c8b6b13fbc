package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

// description is docs/reference/openapi.yaml.
type description struct {
	document any
	compiler *jsonschema.Compiler
}

func openAPI(t *testing.T) *description {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var loaded map[string]any
	if err := yaml.Unmarshal(text, &loaded); err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(loaded)
	if err != nil {
		t.Fatal(err)
	}
	d := &description{compiler: jsonschema.NewCompiler()}
	if d.document, err = jsonschema.UnmarshalJSON(bytes.NewReader(js)); err != nil {
		t.Fatal(err)
	}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.yaml", d.document); err != nil {
		t.Fatal(err)
	}
	return d
}

// at is what is there in the document, nil for nothing.
func (d *description) at(path ...string) any {
	v := d.document
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// answers checks an answer against the schema of that name.
func (d *description) answers(t *testing.T, schema string, answer []byte) {
	t.Helper()
	s, err := d.compiler.Compile("openapi.yaml#/components/schemas/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%.2000s", err, answer)
	}
}

// Every route is described with its method and parameters, and no other.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	d := openAPI(t)
	o := &operator{Config: newNode(0, now).config()}
	described, _ := d.at("paths").(map[string]any)
	routes := append(o.reads(), o.commands()...)
	for _, r := range routes {
		op := d.at("paths", r.path, strings.ToLower(r.method))
		if op == nil {
			t.Errorf("%s %s is not described", r.method, r.path)
			continue
		}
		var query []string
		if params, ok := op.(map[string]any)["parameters"].([]any); ok {
			for _, p := range params {
				if p := p.(map[string]any); p["in"] == "query" {
					query = append(query, p["name"].(string))
				}
			}
		}
		if !slices.Equal(query, r.params) {
			t.Errorf("%s takes %v, described are %v", r.path, r.params, query)
		}
	}
	if len(described) != len(routes) {
		t.Errorf("%d paths are described, there are %d", len(described), len(routes))
	}
}

// Answers of the real handlers are as described.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := openAPI(t)
	nd := newNode(8, now)
	cfg := nd.config()
	all := full(t, &bytes.Buffer{})
	cfg.Socket, cfg.Pending, cfg.Policy, cfg.InFlight = all.Socket, all.Pending, all.Policy, all.InFlight
	cfg.Throttles = func() throttle.Report {
		r := all.Throttles()
		r.Containers[0].Key = nd.snapshot.Containers[3].Key
		return r
	}
	client := serving(t, *cfg)
	remembering(t, cfg)
	nd.tick(func(r *decision.Record) {
		r.Weighed = true
		r.Eligible = []decision.Eligible{{Candidate: qos.Candidate{Key: nd.snapshot.Containers[7].Key, Why: reason.Eligible}}}
	})
	id := nd.kill(t, 3)
	nd.tick(nil)
	nd.settled(t)
	body := func(method, path string) []byte {
		t.Helper()
		raw, err := ask[json.RawMessage](t.Context(), client, method, path)
		if err != nil {
			t.Fatal(method, path, err)
		}
		return *raw
	}
	d.answers(t, "Status", body(http.MethodGet, pathStatus))
	d.answers(t, "History", body(http.MethodGet, pathHistory))
	d.answers(t, "Explanation", body(http.MethodGet, pathOffer))
	d.answers(t, "Explanation", body(http.MethodGet, pathKill+id))
	d.answers(t, "Explanation", body(http.MethodGet, pathWhyNot+nd.snapshot.Containers[7].ID))
	d.answers(t, "PauseReply", body(http.MethodPost, pathPause))
	d.answers(t, "PauseReply", body(http.MethodPost, pathPause+"?for=2h"))
	d.answers(t, "Status", body(http.MethodGet, pathStatus))
	d.answers(t, "PauseReply", body(http.MethodPost, pathResume))
	d.answers(t, "ResetReply", body(http.MethodPost, pathResetBudget))
	d.answers(t, "Error", marshal(failure{"x"}))

	cfg.Policy = func() config.PolicyStatus { return config.PolicyStatus{} }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- client.Follow(ctx, func(u *Update) error {
			d.answers(t, "Update", marshal(u))
			return context.Canceled
		})
	}()
	for following := true; following; {
		nd.tick(nil)
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			following = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	// The check itself can fail.
	s, err := d.compiler.Compile("openapi.yaml#/components/schemas/Status")
	if err != nil {
		t.Fatal(err)
	}
	if s.Validate(map[string]any{"daemon": map[string]any{}}) == nil {
		t.Error("anything is a Status")
	}
}

// Every field that can be in an answer is described, also one that was not in
// those above.
func TestOpenAPIHasEveryField(t *testing.T) {
	d := openAPI(t)
	for schema, v := range map[string]any{
		"Status": Status{}, "Daemon": Daemon{}, "Reservation": snapshot.Reservation{}, "Policy": config.PolicyStatus{}, "Container": Container{}, "Setting": throttle.Setting{},
		"Killed": Status{}.Kills, "History": History{}, "Event": Event{}, "Update": Update{}, "Explanation": Explanation{}, "Words": Words{},
		"Executor": Container{}.Executor,
	} {
		of := reflect.TypeOf(v)
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		properties, _ := d.at("components", "schemas", schema, "properties").(map[string]any)
		for _, f := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "id" || name == "inode" || name == "parent" {
				continue // of a Key; containers at top level have no parent
			}
			if _, ok := properties[name]; !ok {
				t.Errorf("%s: %s is not described", schema, name)
			}
		}
	}
	kinds := fmt.Sprint(d.at("components", "schemas", "Event", "properties", "kind", "enum"))
	for _, k := range []Kind{EventKill, EventShadowKill, EventGone, EventLadder, EventRule, EventOffer, EventPause, EventBudget, EventPolicy} {
		if !strings.Contains(kinds, string(k)) {
			t.Errorf("%s is not among %s", k, kinds)
		}
	}
}
