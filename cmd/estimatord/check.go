package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/doctor"
	"github.com/estimatord/estimatord/qos/policy"
)

func newConfig() *cobra.Command {
	return newGroup("config", "Look after configuration files", "", newConfigCheck())
}

func newConfigCheck() *cobra.Command {
	var kind string
	var host bool
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Say what is wrong with policies and settings",
		Long: `check reads policies and settings as the daemon would, runs nothing, and prints
a line for each fault, with its place. The exit code is 1 when there is one. What
is legal and odd is printed as a warning. The policy that settings name is
checked with them.

Without a FILE, what the daemon would be started with is checked: its flags, its
environment variables, and the file and policy that they name.`,
		Example: `  estimatord config check /etc/estimatord/*.yaml
  estimatord config check --config /etc/estimatord/estimatord.yaml --host`,
	}
	cmd.Flags().StringVar(&kind, "kind", "", "what the files are: policy or daemon (default: as their keys say)")
	_ = cmd.RegisterFlagCompletionFunc("kind", chosenFrom([]string{string(config.KindPolicy), string(config.KindDaemon)}))
	cmd.Flags().BoolVar(&host, "host", false, "also warn of signals that cannot be read on this host (takes a second)")
	config.Flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c := &check{out: cmd.OutOrStdout(), faults: cmd.ErrOrStderr(), host: host, settings: config.Default()}
		if kind != "" {
			k, err := config.ParseKind(kind)
			if err != nil {
				return usageError{fmt.Errorf("--kind: %w", err)}
			}
			c.kind = k
		}
		if len(files) == 0 {
			cfg, origins, err := settingsOf(cmd)()
			c.daemon("settings", &cfg, origins, err)
		}
		for _, name := range files {
			c.file(name)
		}
		if c.bad > 0 {
			return fmt.Errorf("%d of %d with faults", c.bad, c.bad+c.good)
		}
		return nil
	}
	return cmd
}

// check checks files and prints what it finds.
type check struct {
	out, faults io.Writer
	kind        config.Kind
	host        bool
	// settings are those of the daemon, for the host's paths.
	settings  config.Config
	good, bad int
}

func (c *check) file(name string) {
	data, err := config.Read(name)
	if err != nil {
		c.done(name, err)
		return
	}
	if err := config.Trusted(name); err != nil {
		c.print("%s: a daemon would refuse it: %s [warning]", name, err)
	}
	kind := c.kind
	if kind == "" {
		var ok bool
		if kind, ok = config.KindOf(data); !ok {
			kind = config.KindPolicy // it says what is wrong with what is no mapping
			if _, _, err := config.LoadFile(name, config.Read); err == nil {
				c.done(name, errors.New(name+": neither a policy nor settings: say which with --kind"))
				return
			}
		}
	}
	if kind == config.KindPolicy {
		c.policy(name)
		return
	}
	cfg, origins, err := config.LoadFile(name, config.Read)
	c.daemon(name, &cfg, origins, err)
}

// daemon reports on settings and then checks the policy that they name.
func (c *check) daemon(name string, cfg *config.Config, origins config.Provenance, err error) {
	c.done(name, err)
	if err == nil {
		c.settings = *cfg
		if cfg.Policy == "" {
			if err := config.CheckMemoryRule(cfg.OffersMem(), nil); err != nil {
				c.done(name, err)
			}
			return
		}
		if _, err := config.Read(cfg.Policy); err != nil {
			c.done(cfg.Policy, fmt.Errorf("%s: policy: %w", origins["policy"], err))
			return
		}
		c.policy(cfg.Policy)
	}
}

func (c *check) policy(name string) {
	f, err := config.LoadPolicy(name)
	c.done(name, err)
	if err != nil {
		return
	}
	if err := config.CheckMemoryRule(c.settings.OffersMem(), f.Policy); err != nil {
		c.done(name, err)
	}
	for _, w := range f.Warnings {
		c.print("%s [warning]", w)
	}
	if c.host {
		c.readable(name, f.Policy)
	}
}

// done reports how a file came out.
func (c *check) done(name string, err error) {
	if err != nil {
		c.bad++
		_, _ = fmt.Fprintln(c.faults, err)
		return
	}
	c.good++
	c.print("%s: ok", name)
}

func (c *check) print(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// readable warns of the signals of p that say nothing on this host.
func (c *check) readable(name string, p *policy.Policy) {
	absent, err := doctor.Unreadable(&c.settings, p)
	if err != nil {
		c.print("%s: %s [warning]", name, err)
	}
	for _, found := range doctor.BlindRules(p, absent) {
		c.print("%s: %s [warning]", name, found)
	}
}
