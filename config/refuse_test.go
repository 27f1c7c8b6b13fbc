package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/estimator/peak"
)

// refusals are the files testdata/bad-<name>.yaml with the lines that each is
// refused with.
var refusals = map[string][]string{
	"anchor":                  {"bad.yaml:1:12: estimator: anchors and aliases are not supported"},
	"broken-yaml":             {"bad.yaml:3:5: not valid YAML: while parsing a flow sequence: did not find expected ',' or ']'"},
	"duplicate-key":           {"bad.yaml:3:1: interval: is set a second time, after line 1"},
	"duplicate-section":       {"bad.yaml:3:1: governor: is set a second time, after line 1"},
	"duration-negative":       {`bad.yaml:1:11: interval: "-1s" is not between 100ms and 1m`},
	"duration-not-one":        {`bad.yaml:1:11: interval: "soon" is not a duration such as 500ms, 5s or 1m30s`},
	"duration-too-long":       {`bad.yaml:1:11: interval: "2m" is not between 100ms and 1m`},
	"duration-without-unit":   {`bad.yaml:1:11: interval: "1" has no unit: write 1s, or ms, m, h`},
	"fixed-without-resources": {"bad.yaml:3:12: resources: mode fixed needs the total to offer, such as cpus:4"},
	"key-is-a-list":           {"bad.yaml:1:1: a list, where a key is expected"},
	"key-of-the-command-line": {"bad.yaml:1:1: config: unknown key"},
	"list-for-value":          {"bad.yaml:1:11: interval: a list, where one value is expected"},
	"many-faults": {
		`bad.yaml:1:7: mode: "fixd" is not one of fixed|usage|noop (did you mean fixed?)`,
		`bad.yaml:2:11: interval: "5" has no unit: write 5s, or ms, m, h`,
		`bad.yaml:3:9: listen: "here" is not host:port or off`,
		`bad.yaml:5:11: estimator.margin: "lots" is not a number`,
		"bad.yaml:6:3: estimator.hold_on: unknown key",
	},
	"merge-key": {
		"bad.yaml:1:1: a: unknown key",
		"bad.yaml:3:3: estimator.<<: unknown key",
	},
	"no-resources": {"bad.yaml:2:14: estimator.resources: is empty"},
	"no-value": {
		`bad.yaml:1:10: interval: has no value (write "" for an empty one)`,
		`bad.yaml:2:7: mode: has no value (write "" for an empty one)`,
	},
	"not-a-mapping":    {"bad.yaml:1:1: a list, where settings (key: value) are expected"},
	"not-text":         {"bad.yaml: not valid YAML: invalid leading UTF-8 octet (value: 255)"},
	"number-infinite":  {`bad.yaml:2:11: estimator.margin: "+Inf" is not a number`},
	"number-nan":       {`bad.yaml:2:11: estimator.margin: ".nan" is not a number`},
	"number-nan-word":  {`bad.yaml:2:11: estimator.margin: "NaN" is not a number`},
	"number-negative":  {`bad.yaml:2:11: estimator.margin: "-0.1" is not between 0 and 1`},
	"number-percent":   {`bad.yaml:2:11: estimator.margin: "10%" is not a number`},
	"only-a-word":      {`bad.yaml:1:1: the value "usage", where settings (key: value) are expected`},
	"policy-bad-label": {`bad.yaml:5:18: victims.protect.labels[1]: "=gold" is not key or key=value`},
	"policy-bad-name":  {`bad.yaml:2:11: rules[0].name: "a b" is not a name: 1 to 63 letters, digits, - and _`},
	"policy-duration": {
		`bad.yaml:4:10: rules[0].for: "5" has no unit: write 5s, or ms, m, h`,
		`bad.yaml:5:13: rules[0].settle: "-1s" is not between 0s and 24h`,
	},
	"policy-empty":                  {"bad.yaml: rules: there is none (a daemon without rules has no policy file)"},
	"policy-empty-role":             {"bad.yaml:5:13: victims.protect.roles[0]: is empty"},
	"policy-load-huge":              {"bad.yaml:4:13: rules[0].load15: 1e+09 is not a load above 0"},
	"policy-load-infinite":          {`bad.yaml:4:12: rules[0].load5: ".inf" is not a number`},
	"policy-load-nan":               {`bad.yaml:4:12: rules[0].load5: ".nan" is not a number`},
	"policy-load-negative":          {`bad.yaml:4:13: rules[0].load15: "-4" is less than 0`},
	"policy-load-setting-in-cpu":    {"bad.yaml:4:12: rules[0].load5: is no setting of kind cpu, which has above"},
	"policy-load-without-threshold": {"bad.yaml:2:5: rules[0].load5: kind load needs load5, load15 or both"},
	"policy-min-usage": {
		`bad.yaml:4:14: victims.min_usage: "-1" is less than 0`,
		`bad.yaml:5:12: victims.min_age: "young" is not a duration such as 500ms, 5s or 1m30s`,
	},
	"policy-missing-name-and-kind": {
		"bad.yaml:2:5: rules[0].name: is missing",
		"bad.yaml:2:5: rules[0].kind: is missing",
	},
	"policy-no-rules":   {"bad.yaml:1:8: rules: there is none (a daemon without rules has no policy file)"},
	"policy-not-a-bool": {`bad.yaml:5:14: rules[0].per_cpu: "yes" is not true or false`},
	"policy-percent":    {`bad.yaml:4:12: rules[0].above: "95%" is not a number`},
	"policy-priority-of-two": {
		"bad.yaml:5:7: victims.priorities[0]: needs exactly one of framework, role and label",
		"bad.yaml:6:7: victims.priorities[1].priority: is missing",
		`bad.yaml:7:27: victims.priorities[2].priority: "1.5" is not a whole number`,
	},
	"policy-rule-not-a-mapping": {`bad.yaml:2:5: rules[0]: the value "cpu", where settings (key: value) are expected`},
	"policy-rules-not-a-list":   {"bad.yaml:2:3: rules: settings (key: value), where a list is expected"},
	"policy-same-name":          {`bad.yaml:3:12: rules[1].name: "a" is also the name of rules[0]`},
	"policy-share-too-large":    {"bad.yaml:4:12: rules[0].above: 95 is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %)"},
	"policy-share-zero":         {`bad.yaml:4:12: rules[0].above: "0" is not above 0`},
	"policy-unknown-action":     {`bad.yaml:4:13: rules[0].action: "freeze" is not an action (known: kill)`},
	"policy-unknown-key":        {"bad.yaml:1:1: rule: unknown key (did you mean rules?)"},
	"policy-unknown-kind":       {`bad.yaml:3:11: rules[0].kind: "cpus" is not a kind of rule: cpu, load (did you mean cpu?)`},
	"resources-missing-file":    {"bad.yaml:1:12: resources: open /none/resources.json: file does not exist"},
	"resources-syntax":          {`bad.yaml:1:12: resources: invalid resources: missing or extra ':' in "cpus=4"`},
	"second-document":           {"bad.yaml:2:1: a second document, only one is allowed"},
	"section-for-value":         {"bad.yaml:1:7: mode: settings (key: value), where one value is expected"},
	"stale-at-once":             {"bad.yaml:2:21: sample_stale_after: 40s is less than two intervals of 30s: every reading would be stale"},
	"step-below-quantum":        {"bad.yaml:3:9: governor.step: cpus:0.5 is less than the quantum of 1, no offer would ever rise"},
	"tab":                       {"bad.yaml:2:1: not valid YAML: while scanning for the next token: found character that cannot start any token"},
	"tag":                       {"bad.yaml:1:11: interval: tag !!str is not supported"},
	"unknown-key":               {"bad.yaml:2:1: intervall: unknown key (did you mean interval?)"},
	"unknown-key-in-section": {
		"bad.yaml:2:3: estimator.windw: unknown key (did you mean window?)",
		"bad.yaml:3:3: estimator.quantum: unknown key",
	},
	"unknown-mode":               {`bad.yaml:1:7: mode: "allocation" is not one of fixed|usage|noop`},
	"target-too-strict":          {`bad.yaml:2:21: estimator.target_violation: "0.1%" is not between 0.2% and 50%`},
	"target-not-a-share":         {`bad.yaml:2:25: estimator.mem_target_violation: "rarely" is no share, such as 0.01 or 1%`},
	"shadow-unknown":             {`bad.yaml:2:12: estimator.shadows: "node-mox" is not one of ` + strings.Join(peak.Names(), ", ") + ` (did you mean node-max?)`},
	"unknown-predictor":          {`bad.yaml:2:14: estimator.predictor: "container_max" is not one of ` + strings.Join(peak.Names(), "|") + ` (did you mean container-max?)`},
	"unknown-resource":           {`bad.yaml:2:14: estimator.resources: "gpu" is not one of cpus, mem`},
	"unknown-section":            {"bad.yaml:1:1: governors: unknown key (did you mean governor?)"},
	"value-for-list":             {`bad.yaml:2:14: estimator.resources: the value "cpus", where a list is expected`},
	"value-for-section":          {`bad.yaml:1:11: governor: the value "fast", where settings (key: value) are expected`},
	"whole-number-too-large":     {`bad.yaml:2:15: monitor.stat_every: "99999999999999999999" is not a whole number`},
	"whole-number-with-fraction": {`bad.yaml:2:15: monitor.stat_every: "9.9" is not a whole number`},
}

func TestRefusals(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad-*.yaml")
	if err != nil || len(paths) != len(refusals) {
		t.Fatalf("%d files for %d cases, %v", len(paths), len(refusals), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "bad-"), ".yaml")
		t.Run(name, func(t *testing.T) {
			want, ok := refusals[name]
			if !ok {
				t.Fatal("no case for this file")
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "policy-") {
				_, err = ParsePolicy("bad.yaml", data)
			} else {
				_, _, err = Load(flagSet(t, "--config=bad.yaml"), nil, files(map[string]string{"bad.yaml": string(data)}))
			}
			if err == nil || err.Error() != strings.Join(want, "\n") {
				t.Fatalf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
			}
			if !errors.Is(err, ErrInvalid) {
				t.Error("not ErrInvalid")
			}
		})
	}
}
