package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/qos/signal"
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
		`bad.yaml:1:7: mode: "fixd" is not one of fixed|usage|allocation|usage+allocation|noop (did you mean fixed?)`,
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
	"policy-bad-label": {`bad.yaml:5:18: victims.protect.labels[1]: "=gold" can never match: it has no key (key or key=value)`},
	"policy-bad-name":  {`bad.yaml:2:11: rules[0].name: "a b" is not a name: 1 to 63 letters, digits, - and _`},
	"policy-duration": {
		`bad.yaml:4:10: rules[0].for: "5" has no unit: write 5s, or ms, m, h`,
		`bad.yaml:5:13: rules[0].settle: "-1s" is not between 0s and 24h`,
	},
	"policy-empty":      {"bad.yaml: rules: there is none (a daemon without rules has no policy file)"},
	"policy-empty-role": {"bad.yaml:5:13: victims.protect.roles[0]: is empty"},
	"policy-min-usage": {
		`bad.yaml:4:14: victims.min_usage: "-1" is not between 0 and 1024`,
		`bad.yaml:5:12: victims.min_age: "young" is not a duration such as 500ms, 5s or 1m30s`,
	},
	"policy-never-matches": {
		`bad.yaml:5:13: victims.protect.roles[0]: "batch/" can never match: it starts or ends with a slash or has two in a row; a role includes those below it; did you mean "batch"?`,
		`bad.yaml:5:23: victims.protect.roles[1]: "batch/*" can never match: it has the component "*"; a role includes those below it; did you mean "batch"?`,
		`bad.yaml:5:34: victims.protect.roles[2]: "/batch" can never match: it starts or ends with a slash or has two in a row; a role includes those below it; did you mean "batch"?`,
		`bad.yaml:5:44: victims.protect.roles[3]: " batch" can never match: no role begins or ends with blanks; did you mean "batch"?`,
		`bad.yaml:6:18: victims.protect.frameworks[0]: "*" can never match: patterns are not supported, list each framework`,
		`bad.yaml:6:23: victims.protect.frameworks[1]: " a" can never match: no framework begins or ends with blanks; did you mean "a"?`,
		`bad.yaml:7:14: victims.protect.labels[0]: " tier=a" can never match: no label begins or ends with blanks; did you mean "tier=a"?`,
		`bad.yaml:7:25: victims.protect.labels[1]: "tier=*" can never match: patterns are not supported; a key alone matches any value; did you mean "tier"?`,
		`bad.yaml:9:14: victims.priorities[0].role: "batch/*" can never match: it has the component "*"; a role includes those below it; did you mean "batch"?`,
		`bad.yaml:10:19: victims.priorities[1].framework: "x*" can never match: patterns are not supported, list each framework`,
		`bad.yaml:11:15: victims.priorities[2].label: "a =b" can never match: it has blanks around =; did you mean "a=b"?`,
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
	"policy-share-too-large":    {"bad.yaml:4:12: rules[0].above: 95 is not above 0 and below 1 (0.95 is 95 %)"},
	"policy-share-zero":         {`bad.yaml:4:12: rules[0].above: "0" is not above 0`},
	"policy-unknown-key":        {"bad.yaml:1:1: rule: unknown key (did you mean rules?)"},
	"policy-above-huge":         {`bad.yaml:4:12: rules[0].above: 1e+09 is not above 0 and at most 4.194304e+06`},
	"policy-above-infinite":     {`bad.yaml:4:12: rules[0].above: ".inf" is not a number`},
	"policy-above-missing":      {"bad.yaml:2:5: rules[0].above: is missing: signal load5 has no default"},
	"policy-above-nan":          {`bad.yaml:4:12: rules[0].above: ".nan" is not a number`},
	"policy-above-negative":     {`bad.yaml:4:12: rules[0].above: "-4" is not between 0 and 1125899906842624`},
	"policy-action-none":        {`bad.yaml:4:13: rules[0].action: "none" is not one of stop_offering|throttle|freeze|kill`},
	"policy-budget": {
		`bad.yaml:4:17: budget.kills: "1001" is not between 1 and 1000`,
		`bad.yaml:4:28: budget.per: "59s" is not between 1m and 24h`,
	},
	"policy-budget-zero":             {`bad.yaml:4:17: budget.kills: "0" is not between 1 and 1000`},
	"policy-clear-above-above":       {"bad.yaml:5:12: rules[0].clear: 0.95 is not between 0 and above, which is 0.9"},
	"policy-freeze-not-allowed":      {"bad.yaml:4:13: rules[0].action: freeze needs ladder.freeze_for above 0s"},
	"policy-hook-command-not-a-list": {`bad.yaml:4:17: hook.command: the value "/bin/true", where a list is expected`},
	"policy-hook-command-relative":   {`bad.yaml:4:18: hook.command[0]: "warn" is not an absolute path`},
	"policy-hook-deadline":           {`bad.yaml:4:35: hook.deadline: "31s" is not between 100ms and 30s`},
	"policy-hook-of-none":            {"bad.yaml:4:7: hook: needs exactly one of command and socket"},
	"policy-hook-of-two":             {"bad.yaml:4:7: hook: needs exactly one of command and socket"},
	"policy-hook-socket-relative":    {`bad.yaml:4:16: hook.socket: "x.sock" is not an absolute path`},
	"policy-ladder": {
		`bad.yaml:5:10: ladder.dwell: "25h" is not between 0s and 24h`,
		`bad.yaml:6:10: ladder.floor: "0" is not between 0.01 and 1024`,
		`bad.yaml:7:11: ladder.loosen: "11" is not between 0.01 and 10`,
		`bad.yaml:8:15: ladder.freeze_for: "11m" is not between 0s and 10m`,
		`bad.yaml:9:18: ladder.kills_at_once: "0" is not between 1 and 1000`,
		`bad.yaml:10:18: ladder.ignored_after: "0s" is not between 1s and 24h`,
	},
	"policy-ladder-unknown-key": {"bad.yaml:5:3: ladder.floors: unknown key (did you mean floor?)"},
	"allocation-faults": {
		`bad.yaml:4:15: allocation.resources[0]: "cpu" is not one of cpus, mem, disk (did you mean cpus?)`,
		`bad.yaml:4:20: allocation.resources[1]: invalid resources: "gpus:1": gpus would hide the agent from all frameworks that do not use GPUs`,
		`bad.yaml:7:15: allocation.roles.include[0]: "*" is what is reserved to nobody: the master offers it as regular`,
		`bad.yaml:7:20: allocation.roles.include[1]: role "a b" contains whitespace or a control character`,
		`bad.yaml:9:12: allocation.roles.keep[0]: "web" is not role=amounts or role=share, such as web=cpus:1 or web=20%`,
		`bad.yaml:9:17: allocation.roles.keep[1]: what is kept for "web": "cpus" is no share, such as 0.01 or 1%`,
	},
	"allocation-cap": {
		"bad.yaml:2:12: resources: caps mem, which estimator.resources does not estimate",
		"bad.yaml:4:8: allocation.cap: caps mem, which allocation.resources does not offer",
	},
	"allocation-resources": {"bad.yaml:2:12: resources: caps measured slack, of which mode allocation offers none: see allocation.cap"},
	"policy-missing-name-and-signal": {
		"bad.yaml:2:5: rules[0].name: is missing",
		"bad.yaml:2:5: rules[0].signal: is missing",
	},
	"policy-per-cpu-of-a-share":   {"bad.yaml:4:14: rules[0].per_cpu: is no setting of signal node_cpu"},
	"policy-shadow-not-a-bool":    {`bad.yaml:1:9: shadow: "maybe" is not true or false`},
	"policy-unknown-action":       {`bad.yaml:4:13: rules[0].action: "throtle" is not one of stop_offering|throttle|freeze|kill (did you mean throttle?)`},
	"policy-unknown-signal":       {`bad.yaml:3:13: rules[0].signal: "node_cpus" is not one of ` + strings.Join(signal.Specs().Names(), "|") + ` (did you mean node_cpu?)`},
	"policy-while-unknown-signal": {`bad.yaml:5:21: rules[0].while.signal: "load2" is not one of ` + strings.Join(signal.Specs().Names(), "|") + ` (did you mean load1?)`},
	"policy-while-without-above":  {"bad.yaml:5:12: rules[0].while.above: is missing"},
	"resources-missing-file":      {`bad.yaml:1:12: resources: "/none/resources.json" looks like a path: write file:///none/resources.json to read amounts from it`},
	"resources-syntax":            {`bad.yaml:1:12: resources: invalid resources: "cpus=4": missing or extra ':'`},
	"second-document":             {"bad.yaml:2:1: a second document, only one is allowed"},
	"section-for-value":           {"bad.yaml:1:7: mode: settings (key: value), where one value is expected"},
	"stale-at-once":               {"bad.yaml:2:21: sample_stale_after: 40s is less than two intervals of 30s: every reading would be stale"},
	"step-below-quantum":          {"bad.yaml:3:9: governor.step: cpus:0.5 is less than the quantum of 1, no offer would ever rise"},
	"tab":                         {"bad.yaml:2:1: not valid YAML: the line is indented with a tab, YAML takes blanks only"},
	"tag":                         {"bad.yaml:1:11: interval: tag !!str is not supported"},
	"unknown-key":                 {"bad.yaml:2:1: intervall: unknown key (did you mean interval?)"},
	"unknown-key-in-section": {
		"bad.yaml:2:3: estimator.windw: unknown key (did you mean window?)",
		"bad.yaml:3:3: estimator.quantum: unknown key",
	},
	"unknown-mode":               {`bad.yaml:1:7: mode: "reserved" is not one of fixed|usage|allocation|usage+allocation|noop`},
	"target-too-strict":          {`bad.yaml:2:21: estimator.target_violation: "0.1%" is not between 0.2% and 50%`},
	"target-not-a-share":         {`bad.yaml:2:25: estimator.mem_target_violation: "rarely" is no share, such as 0.01 or 1%`},
	"shadow-unknown":             {`bad.yaml:2:23: estimator.shadows[1]: "node-mox" is not one of ` + strings.Join(predict.Predictors().Names(), ", ") + ` (did you mean node-max?)`},
	"unknown-predictor":          {`bad.yaml:2:14: estimator.predictor: "container_max" is not one of ` + strings.Join(predict.Predictors().Names(), "|") + ` (did you mean container-max?)`},
	"unknown-resource":           {`bad.yaml:2:21: estimator.resources[1]: "gpu" is not one of cpus, mem`},
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
