package policy_test

import (
	"strings"
	"testing"

	. "github.com/estimatord/estimatord/qos/policy" //nolint:revive // the package under test
	"github.com/estimatord/estimatord/qos/signal"
)

// What no container can have is a fault with its place and, where it can be told,
// with what was meant, wherever a policy names containers.
func TestNamesThatCanNeverMatch(t *testing.T) {
	for _, tc := range []struct{ kind, word, meant string }{
		{"role", "batch/", "batch"},
		{"role", "batch/*", "batch"},
		{"role", "batch/**", "batch"},
		{"role", "/batch", "batch"},
		{"role", "batch//etl", "batch/etl"},
		{"role", " batch", "batch"},
		{"role", "batch\t", "batch"},
		{"role", " batch/ ", "batch"},
		{"role", "batch*", ""},
		{"role", "a b", ""},
		{"role", "-batch", ""},
		{"role", "..", ""},
		{"role", "/", ""},
		{"framework", "*", ""},
		{"framework", "spark-*", ""},
		{"framework", " f-1", "f-1"},
		{"framework", "f\n1", ""},
		{"label", "=gold", ""},
		{"label", "*", ""},
		{"label", "tier=*", "tier"},
		{"label", "tier=gold*", "tier"},
		{"label", " tier", "tier"},
		{"label", "tier =gold", "tier=gold"},
		{"label", "tier= gold", "tier=gold"},
		{"label", "tier=gold ", "tier=gold"},
		{"label", "tier=go\x1bld", ""},
		{"label", "   ", ""},
	} {
		at := map[string]string{"role": "roles", "framework": "frameworks", "label": "labels"}[tc.kind]
		for _, where := range []struct {
			path string
			set  func(p *Policy)
		}{
			{"victims.protect." + at + "[0]", func(p *Policy) {
				*map[string]*[]string{"roles": &p.Victims.Protect.Roles, "frameworks": &p.Victims.Protect.Frameworks, "labels": &p.Victims.Protect.Labels}[at] = []string{tc.word}
			}},
			{"victims.priorities[0]." + tc.kind, func(p *Policy) {
				var r Priority
				*map[string]*string{"role": &r.Role, "framework": &r.Framework, "label": &r.Label}[tc.kind] = tc.word
				p.Victims.Priorities = []Priority{r}
			}},
		} {
			p := cpuPolicy()
			where.set(p)
			err := p.Validate(signal.Specs())
			switch {
			case err == nil:
				t.Errorf("%s %q passes", where.path, tc.word)
			case !strings.HasPrefix(err.Error(), where.path+": ") || strings.Contains(err.Error(), "\n"):
				t.Errorf("%s %q: %v", where.path, tc.word, err)
			case strings.Contains(err.Error(), "did you mean") != (tc.meant != "") || !strings.Contains(err.Error(), tc.meant):
				t.Errorf("%s %q: %v, want the suggestion %q", where.path, tc.word, err, tc.meant)
			}
		}
	}
}

// What a container can have passes.
func TestNamesThatCanMatch(t *testing.T) {
	p := cpuPolicy()
	p.Victims.Protect = Protect{
		Frameworks: []string{"f47ac10b-58cc-4372-a567-0e02b2c3d479-0001", "marathon"},
		Roles:      []string{"*", "batch", "batch/etl", "a.b-c_d"},
		Labels:     []string{"keep", "tier=gold", "tier=", "env=a=b", "com.example/tier=gold", "note=two words"},
	}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Error(err)
	}
}
