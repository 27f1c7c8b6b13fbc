package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// Flags adds every setting's flag to fs. They only hold text; Load parses.
func Flags(fs *pflag.FlagSet) {
	def := Default()
	settings := Settings()
	for i := range settings {
		if s := &settings[i]; s.Flag != "" {
			v := &text{form: s.name, value: s.get(&def)}
			fs.Var(v, s.Flag, s.Help+" ["+s.Env+"]")
		}
	}
}

// text is the value of a flag as it was typed.
type text struct{ form, value string }

func (t *text) String() string     { return t.value }
func (t *text) Set(s string) error { t.value = s; return nil }
func (t *text) Type() string       { return t.form }

// From is where a setting's value comes from.
type From string

// The sources of values, from the weakest to the strongest.
const (
	FromDefault From = "default"
	FromFile    From = "file"
	FromEnv     From = "env"
	FromFlag    From = "flag"
)

// Origin is where one setting's value comes from.
type Origin struct {
	From From
	// Where is file:line, the environment variable, or the flag; "" for a
	// default.
	Where string
}

// Provenance is the origin of each setting's value, by key.
type Provenance map[string]Origin

// Load makes the configuration of the flags that were given, the variables of
// environ that begin with EnvPrefix, the file that either of them names, and
// the defaults. flags may be nil. The error holds every fault that was found,
// as Errors; the settings without a fault are returned all the same.
func Load(flags *pflag.FlagSet, environ []string, read ReadFile) (Config, Provenance, error) {
	l := &loader{config: Default(), origins: Provenance{}, settings: Settings(), read: read}
	for i := range l.settings {
		l.origins[l.settings[i].Key] = Origin{From: FromDefault}
	}
	env := l.environment(environ)
	l.file(flags, env)
	for i := range l.settings {
		s := &l.settings[i]
		if value, ok := env[s.Env]; ok {
			l.set(s, value, Origin{FromEnv, s.Env})
		}
	}
	for i := range l.settings {
		s := &l.settings[i]
		if f := lookup(flags, s.Flag); f != nil && f.Changed {
			l.set(s, f.Value.String(), Origin{FromFlag, "--" + s.Flag})
		}
	}
	if len(l.faults) == 0 { // what does not fit together may follow from what is wrong alone
		l.together()
	}
	if err := l.faults.err(); err != nil {
		return l.config, l.origins, err
	}
	return l.config, l.origins, nil
}

// lookup is the flag of that name, nil when there is none.
func lookup(flags *pflag.FlagSet, name string) *pflag.Flag {
	if flags == nil || name == "" {
		return nil
	}
	return flags.Lookup(name)
}

type loader struct {
	config   Config
	origins  Provenance
	settings []Setting
	read     ReadFile
	doc      *document
	faults   Errors
}

// set gives s a value from the environment or a flag.
func (l *loader) set(s *Setting, value string, origin Origin) {
	if err := s.set(&l.config, value, l.read); err != nil {
		l.faults = append(l.faults, &Error{Where: origin.Where, Reason: err.Error(), Err: err})
		return
	}
	l.origins[s.Key] = origin
}

// environment picks the settings out of environ. A variable with our prefix
// that is no setting is a fault: it was meant to be one.
func (l *loader) environment(environ []string) map[string]string {
	known := make([]string, len(l.settings))
	for i := range l.settings {
		known[i] = strings.TrimPrefix(l.settings[i].Env, EnvPrefix)
	}
	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		word, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours {
			continue
		}
		if !slices.Contains(known, word) {
			f := &Error{Where: name, Reason: "unknown environment variable"}
			if k := nearest(word, known); k != "" {
				f.Reason += " (did you mean " + EnvPrefix + k + "?)"
			}
			l.faults = append(l.faults, f)
			continue
		}
		env[name] = value
	}
	return env
}

// file finds out which file there is and takes its settings.
func (l *loader) file(flags *pflag.FlagSet, env map[string]string) {
	s := settingNamed(l.settings, "config")
	name, where := env[s.Env], s.Env
	if f := lookup(flags, s.Flag); f != nil && f.Changed {
		name, where = f.Value.String(), "--"+s.Flag
	}
	if name == "" {
		return
	}
	data, err := l.read(name)
	if err != nil {
		l.faults = append(l.faults, &Error{Where: where, Reason: err.Error(), Err: err})
		return
	}
	doc, root := open(name, data)
	l.doc = doc
	if root != nil {
		doc.mapping(root, "", l.fields(""))
	}
	l.faults = append(l.faults, doc.faults...)
}

// fields are the keys that may stand below path: settings, and sections.
func (l *loader) fields(path string) []field {
	var fields []field
	for i := range l.settings {
		s := &l.settings[i]
		rest, below := strings.CutPrefix(s.Key, path)
		if !below || s.notInFile {
			continue
		}
		section, _, isSection := strings.Cut(rest, ".")
		switch {
		case !isSection:
			fields = append(fields, field{name: rest, take: func(n *yaml.Node, at string) { l.take(s, n, at) }})
		case find(fields, section) == nil:
			fields = append(fields, field{name: section, take: func(n *yaml.Node, at string) {
				l.doc.mapping(n, at, l.fields(path+section+"."))
			}})
		}
	}
	return fields
}

// take gives s the value at n.
func (l *loader) take(s *Setting, n *yaml.Node, at string) {
	set := func(value string) error { return s.set(&l.config, value, l.read) }
	before := len(l.doc.faults)
	if s.list {
		var list []string
		l.doc.sequence(n, at, func(e *yaml.Node, at string) {
			if w, ok := l.doc.scalar(e, at); ok {
				list = append(list, w)
			}
		})
		if len(l.doc.faults) == before {
			if err := set(strings.Join(list, ",")); err != nil {
				l.doc.fault(n, at, err.Error(), err)
			}
		}
	} else {
		l.doc.text(n, at, set)
	}
	if len(l.doc.faults) > before {
		return
	}
	if s.Key == "policy" && l.config.Policy != "" && !filepath.IsAbs(l.config.Policy) {
		// A path in a file is relative to the file: where a daemon was started
		// says nothing.
		l.config.Policy = filepath.Join(filepath.Dir(l.doc.name), l.config.Policy)
	}
	l.origins[s.Key] = Origin{FromFile, fmt.Sprintf("%s:%d", l.doc.name, n.Line)}
}

// together checks what only shows with all settings known.
func (l *loader) together() {
	c := &l.config
	if c.Mode == ModeFixed && c.Resources == nil {
		l.fault("resources", "mode fixed needs the total to offer, such as cpus:4")
	}
	for _, q := range c.Resources {
		if c.Mode == ModeUsage && !slices.Contains(c.Estimator.Resources, q.Name) {
			l.fault("resources", fmt.Sprintf("caps %s, which estimator.resources does not estimate", q.Name))
		}
	}
	if c.SampleStaleAfter < 2*c.Interval {
		l.fault("sample_stale_after", fmt.Sprintf("%s is less than two intervals of %s: every reading would be stale",
			shortDuration(c.SampleStaleAfter), shortDuration(c.Interval)))
	}
	if slices.Contains(strings.Split(c.MesosCgroupsRoot, "/"), "..") {
		l.fault("mesos_cgroups_root", fmt.Sprintf("%q leads out of the hierarchy", c.MesosCgroupsRoot))
	}
	for _, s := range []string{"governor.quantum", "governor.step"} {
		q := c.Governor.Quantum
		if s == "governor.step" {
			q = c.Governor.Step
		}
		for _, name := range c.Estimator.Resources {
			if q.Get(name) <= 0 {
				l.fault(s, fmt.Sprintf("%q has no %s, which is estimated", q.String(), name))
			}
		}
	}
	for _, name := range c.Estimator.Resources {
		if quantum, step := c.Governor.Quantum.Get(name), c.Governor.Step.Get(name); step > 0 && step < quantum {
			l.fault("governor.step", fmt.Sprintf("%s:%s is less than the quantum of %s, no offer would ever rise", name, step, quantum))
		}
	}
}

// fault blames the source of the setting's value.
func (l *loader) fault(key, reason string) {
	switch o := l.origins[key]; o.From {
	case FromFile:
		l.doc.faults = nil
		l.doc.faultAt(key, reason, nil)
		l.faults = append(l.faults, l.doc.faults...)
	case FromDefault:
		l.faults = append(l.faults, &Error{Where: key, Reason: reason})
	default:
		l.faults = append(l.faults, &Error{Where: o.Where, Reason: reason})
	}
}

// Value is one setting for a log: what was set, to what, and where.
type Value struct{ Key, Value, Where string }

// Changed are the settings of c that somebody has set to something else than
// the default, in the order of the table.
func (p Provenance) Changed(c *Config) []Value {
	var out []Value
	def := Default()
	settings := Settings()
	for i := range settings {
		s := &settings[i]
		if o := p[s.Key]; o.From != FromDefault && o.From != "" && s.get(c) != s.get(&def) {
			out = append(out, Value{s.Key, s.get(c), o.Where})
		}
	}
	return out
}
