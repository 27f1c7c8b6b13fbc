package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryNeedsARule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	open := func(text string) (*PolicySource, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return OpenPolicy(SourceConfig{Path: path, OffersMem: "estimator.resources", Log: slog.New(slog.DiscardHandler)})
	}
	const good = "rules:\n  - {name: memory, signal: node_memory}\n"
	for name, text := range map[string]string{
		"another signal": "rules:\n  - {name: busy, signal: node_cpu, above: 0.9}\n",
		"no kill":        "rules:\n  - {name: memory, signal: node_memory, action: stop_offering}\n",
		"shadow rule":    "rules:\n  - {name: memory, signal: node_memory, shadow: true}\n",
		"shadow policy":  "shadow: true\n" + good,
	} {
		if _, err := open(text); !errors.Is(err, ErrNoMemoryRule) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenPolicy(SourceConfig{OffersMem: "allocation.resources"}); !errors.Is(err, ErrNoMemoryRule) {
		t.Errorf("no policy: %v", err)
	}
	s, err := open(good)
	if err != nil {
		t.Fatal(err)
	}
	// One that is changed so that it takes no memory back is refused, too.
	before := s.Current()
	if err := os.WriteFile(path, []byte("rules:\n  - {name: busy, signal: node_cpu, above: 0.9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); !errors.Is(err, ErrNoMemoryRule) || s.Current() != before || s.Status().Err == "" {
		t.Errorf("reloaded: %v, %+v", err, s.Status())
	}
	c := Default()
	if c.OffersMem() != "" {
		t.Error("mem is offered by default")
	}
	c.Allocation.Resources = []string{"mem"}
	if c.OffersMem() != "" {
		t.Error("mode usage offers no reservation")
	}
	if c.Mode = ModeBoth; c.OffersMem() != "allocation.resources" {
		t.Error(c.OffersMem())
	}
}
