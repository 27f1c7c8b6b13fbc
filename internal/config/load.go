package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// ReadFile reads a whole file, as Read does.
type ReadFile func(name string) ([]byte, error)

// Flags adds every setting's flag to fs, or those of the settings only. They
// only hold text; Load parses.
func Flags(fs *pflag.FlagSet, only ...string) {
	def := Default()
	for _, s := range Settings(&def) {
		if s.Flag != "" && (len(only) == 0 || slices.Contains(only, s.Key)) {
			fs.Var(&flagText{form: s.Form, value: s.Value}, s.Flag, s.Help+" ["+s.Env+"]")
		}
	}
}

// flagText is the value of a flag as it was typed.
type flagText struct{ form, value string }

func (t *flagText) String() string     { return t.value }
func (t *flagText) Set(s string) error { t.value = s; return nil }
func (t *flagText) Type() string       { return t.form }

// Provenance is where each setting that is no default comes from, by key: the
// flag, the environment variable, or the file and the line.
type Provenance map[string]string

// Load makes the configuration of the flags that were given, the variables of
// environ that begin with EnvPrefix, the file that either of them names, and
// the defaults. flags may be nil. The error holds every fault that was found,
// as Errors; the settings without a fault are returned all the same.
func Load(flags *pflag.FlagSet, environ []string, read ReadFile) (Config, Provenance, error) {
	l := &loader{config: Default(), origins: Provenance{}, doc: &document{}, flags: flags, env: map[string]string{}}
	l.keys = settings(&l.config, read)
	l.environment(environ)
	l.file(read)
	walk(l.keys, "", func(path string, k *key) {
		if value, ok := l.env[envOf(path)]; ok {
			l.set(path, k, value, envOf(path))
		}
	})
	walk(l.keys, "", func(path string, k *key) {
		if f := l.flag(flagOf(path, k)); f != nil {
			l.set(path, k, f.Value.String(), "--"+f.Name)
		}
	})
	if len(l.faults) == 0 { // what does not fit together may follow from what is wrong alone
		l.together(read)
	}
	return l.config, l.origins, l.faults.err()
}

// LoadFile makes the configuration of one file alone, without flags and
// environment.
func LoadFile(name string, read ReadFile) (Config, Provenance, error) {
	return Load(nil, []string{envOf("config") + "=" + name}, read)
}

type loader struct {
	config  Config
	keys    []key
	flags   *pflag.FlagSet
	env     map[string]string
	doc     *document
	origins Provenance
	faults  Errors
}

// flag is the flag of that name, nil when it was not given.
func (l *loader) flag(name string) *pflag.Flag {
	if l.flags == nil || name == "" {
		return nil
	}
	if f := l.flags.Lookup(name); f != nil && f.Changed {
		return f
	}
	return nil
}

// set gives k a value from the environment or a flag.
func (l *loader) set(path string, k *key, value, origin string) {
	texts := []string{value}
	if k.clear != nil {
		k.clear()
		texts = strings.Split(strings.ReplaceAll(value, " ", ""), ",")
		if value == "" {
			texts = nil
		}
	}
	for _, s := range texts {
		if err := k.set(s); err != nil {
			l.faults = append(l.faults, &Error{Where: origin, Reason: err.Error(), Err: err})
			return
		}
	}
	l.origins[path] = origin
}

// environment picks the settings out of environ. A variable with our prefix
// that is no setting is a fault: it was meant to be one.
func (l *loader) environment(environ []string) {
	var known []string
	walk(l.keys, "", func(path string, _ *key) { known = append(known, strings.TrimPrefix(envOf(path), EnvPrefix)) })
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		short, ours := strings.CutPrefix(name, EnvPrefix)
		switch {
		case !ours:
		case slices.Contains(known, short):
			l.env[name] = value
		default:
			meant := nearest(short, known)
			if meant != "" {
				meant = EnvPrefix + meant
			}
			l.faults = append(l.faults, &Error{Where: word(name), Reason: "unknown environment variable" + didYouMean(meant)})
		}
	}
}

// file finds out which file there is and takes its settings.
func (l *loader) file(read ReadFile) {
	where := envOf("config")
	name := l.env[where]
	if f := l.flag("config"); f != nil {
		name, where = f.Value.String(), "--"+f.Name
	}
	if name == "" {
		return
	}
	data, err := read(name)
	if err != nil {
		l.faults = append(l.faults, &Error{Where: where, Reason: err.Error(), Err: err})
		return
	}
	l.doc.open(name, data, l.keys)
	l.faults = append(l.faults, l.doc.faults...)
	walk(l.keys, "", func(path string, _ *key) {
		if n := l.doc.places[path]; n != nil {
			l.origins[path] = fmt.Sprintf("%s:%d", name, n.Line)
		}
	})
	for _, p := range []*string{&l.config.Policy, &l.config.WebConfig, &l.config.AgentCredentials} {
		// A path in a file is relative to the file: where a daemon was started
		// says nothing.
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(name), *p)
		}
	}
}

// together checks what only shows with all settings known.
func (l *loader) together(read ReadFile) {
	c := &l.config
	l.listen(read)
	estimated := c.Estimator.Resources
	if len(estimated) == 0 {
		l.fault("estimator.resources", "is empty")
	}
	if c.Mode == ModeFixed && c.Resources == nil {
		l.faultOf("mode", "resources", "mode fixed needs the total to offer, such as cpus:4")
	}
	if c.Mode == ModeAllocation && c.Resources != nil {
		l.faultOf("mode", "resources", "caps measured slack, of which mode allocation offers none: see allocation.cap")
	}
	if c.Mode.Reserves() && len(c.Allocation.Resources) == 0 {
		l.fault("allocation.resources", "is empty")
	}
	for _, q := range c.Allocation.Cap {
		if !slices.Contains(c.Allocation.Resources, q.Name) {
			l.fault("allocation.cap", fmt.Sprintf("caps %s, which allocation.resources does not offer", q.Name))
		}
	}
	for _, q := range c.Resources {
		if c.Mode.Estimates() && !slices.Contains(estimated, q.Name) {
			l.fault("resources", fmt.Sprintf("caps %s, which estimator.resources does not estimate", q.Name))
		}
	}
	if c.AgentURL == "" && c.KillViaAgentAPI {
		l.fault("kill_via_agent_api", "needs agent_url")
	}
	if c.AgentURL == "" && c.AgentCredentials != "" {
		l.fault("agent_credentials", "needs agent_url")
	}
	if c.SampleStaleAfter < 2*c.Interval {
		l.faultOf("interval", "sample_stale_after", fmt.Sprintf("%s is less than two intervals of %s: every reading would be stale",
			shortDuration(c.SampleStaleAfter), shortDuration(c.Interval)))
	}
	if slices.Contains(strings.Split(c.MesosCgroupsRoot, "/"), "..") {
		l.fault("mesos_cgroups_root", quote(c.MesosCgroupsRoot)+" leads out of the hierarchy")
	}
	for _, name := range estimated {
		quantum, step := c.Governor.Quantum.Get(name), c.Governor.Step.Get(name)
		switch {
		case quantum <= 0:
			l.fault("governor.quantum", fmt.Sprintf("%s has no %s, which is estimated", quote(c.Governor.Quantum.String()), name))
		case step <= 0:
			l.fault("governor.step", fmt.Sprintf("%s has no %s, which is estimated", quote(c.Governor.Step.String()), name))
		case step < quantum:
			l.fault("governor.step", fmt.Sprintf("%s:%s is less than the quantum of %s, no offer would ever rise", name, step, quantum))
		}
	}
}

// fault blames the source of the setting's value.
func (l *loader) fault(key, reason string) { l.faultOf(key, key, reason) }

// faultOf is fault, but where the setting has its default, it blames the source
// of another one that does not go with it.
func (l *loader) faultOf(cause, key, reason string) {
	f := &Error{Where: l.origins[key], Reason: reason}
	if f.Where == "" {
		f.Where, f.Key = l.origins[cause], key
		key = cause
	}
	n := l.doc.places[key]
	switch {
	case f.Where == "":
		f.Where, f.Key = f.Key, ""
	case n != nil && strings.HasPrefix(f.Where, l.doc.name+":"):
		f.Where, f.Line, f.Column = l.doc.name, n.Line, n.Column
		f.Key = cmp.Or(f.Key, key)
	}
	l.faults = append(l.faults, f)
}

// Value is one setting for a log: what was set, to what, and where.
type Value struct{ Key, Value, Where string }

// Changed are the settings of c that are not as by default.
func (p Provenance) Changed(c *Config) []Value {
	def := Default()
	return p.Differing(&def, c)
}

// Differing are the settings of next, which come from p, that are not as in c,
// in the order of the table.
func (p Provenance) Differing(c, next *Config) []Value {
	var out []Value
	before := Settings(c)
	for i, s := range Settings(next) {
		if s.Value != before[i].Value {
			out = append(out, Value{s.Key, s.Value, p[s.Key]})
		}
	}
	return out
}
