package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/estimatord/estimatord/qos/signal"
)

func seed(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("testdata/bad-*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, exampleConfig, examplePolicy) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// Whatever the file says, it loads or it is refused with faults; and what
// loads can be written down and means the same again.
func FuzzLoad(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, from, err := Load(nil, []string{"ESTIMATORD_CONFIG=f"}, files(map[string]string{"f": string(data)}))
		var faults Errors
		switch {
		case err == nil:
		case !errors.As(err, &faults) || len(faults) == 0 || !errors.Is(err, ErrInvalid):
			t.Fatalf("%T %v", err, err)
		default:
			return
		}
		env := []string{"ESTIMATORD_CONFIG=e"}
		for _, s := range Settings(&c) {
			if s.InFile && from[s.Key] != s.Env && from[s.Key] != "" {
				env = append(env, s.Env+"="+s.Value)
			}
		}
		again, _, err := Load(nil, env, files(map[string]string{"e": ""}))
		if err != nil {
			t.Fatalf("%q: %v", env, err)
		}
		before := Settings(&c)
		for i, s := range Settings(&again) {
			if s.InFile && s.Value != before[i].Value {
				t.Errorf("%s: %q, then %q", s.Key, before[i].Value, s.Value)
			}
		}
	})
}

// Whatever the file says, it is a valid policy or it is refused with faults.
func FuzzParsePolicy(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePolicy("f", data)
		var faults Errors
		switch {
		case err == nil:
			if err := p.Policy.Validate(signal.Specs()); err != nil || len(p.Policy.Rules) == 0 || p.Policy.Hash() == "invalid" {
				t.Fatalf("accepted %+v: %v", p.Policy, err)
			}
		case !errors.As(err, &faults) || len(faults) == 0 || !errors.Is(err, ErrInvalid):
			t.Fatalf("%T %v", err, err)
		}
	})
}
