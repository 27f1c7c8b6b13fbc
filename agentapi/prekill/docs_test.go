package prekill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/agentapi/prekill"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// warn warns of a victim as the daemon does, and returns what is logged.
func warn(h prekill.Hook) string {
	h.Deadline = 5 * time.Second
	var log strings.Builder
	w, err := prekill.New(h, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		panic(err)
	}
	victim, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: "49d86de8-ed27", Inode: 7}, Executor: &snapshot.Executor{
		ContainerID: "49d86de8-ed27", FrameworkID: "fd8b9360-0002", ExecutorID: "be-1", Class: snapshot.ClassRevocable,
		Revocable: resources.Quantities{{Name: resources.CPUs, Amount: 1000}},
	}}, qos.Cause{Rule: "cpu", Text: "node_cpu 0.97 is above 0.95 for 30s"})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w.Warn(ctx, victim)
	return log.String()
}

func warnAs(socket string) { warn(prekill.Hook{Socket: socket}) }

func block(t *testing.T, page, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```").FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no block of %s", language)
	}
	return m[1]
}

// docs/reference/hook.md has the fields that are sent, and a program that works.
func TestDocumentedHook(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/hook.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)

	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[prekill.Warning]()) {
		want = append(want, f.Tag.Get("json"))
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(page, -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table has %q, a warning %q", got, want)
	}
	example := json.NewDecoder(strings.NewReader(block(t, page, "json")))
	example.DisallowUnknownFields()
	var w prekill.Warning
	if err := example.Decode(&w); err != nil || reflect.ValueOf(w).FieldByName("DeadlineSeconds").IsZero() {
		t.Errorf("the example is no warning: %+v, %v", w, err)
	}

	dir := t.TempDir()
	program := filepath.Join(dir, "hook.sh")
	if err := os.WriteFile(program, []byte(block(t, page, "sh")), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTES", dir)
	if log := warn(prekill.Hook{Command: []string{program}}); log != "" {
		t.Fatalf("the program failed: %s", log)
	}
	note, err := os.ReadFile(filepath.Join(dir, "49d86de8-ed27"))
	if err != nil || !bytes.Contains(note, []byte(`"executor_id":"be-1"`)) {
		t.Errorf("the program left %q, %v", note, err)
	}
}
