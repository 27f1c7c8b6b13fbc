package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/agentresources"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/resources"
)

// watchEvery is how often a file is read again.
const watchEvery = time.Second

func newResources() *cobra.Command {
	var flags agentresources.Flags
	var file string
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "resources",
		Short: "Say which resources a Mesos agent on this host has, and why",
		Long: `resources prints what a mesos-agent with these flags offers on this host, how each
value comes about, and where the running agent reports another amount. The agent
asks the host only for resources that --resources does not name: "cpus:4" leaves
mem, disk and ports as they are. GPUs are left out.

--check reads a file that the agent would be given as --resources=file://FILE,
from your own program for instance, and exits with 1 where the agent would refuse
it or what it says is more than this host has. With --watch it goes on, and says
so whenever the file has changed.`,
		Example: `  estimatord resources --work_dir /var/lib/mesos
  estimatord resources --resources 'cpus(web):2;cpus:6' --json > /etc/mesos/resources.json
  estimatord resources --check /etc/mesos/resources.json --watch`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case resources.CheckRole(flags.DefaultRole) != nil:
				return usageError{fmt.Errorf("--default_role: it %w", resources.CheckRole(flags.DefaultRole))}
			case watch && file == "":
				return usageError{errors.New("--watch is for --check")}
			case file != "" && (asJSON || flags.Resources != ""):
				return usageError{errors.New("--check reads the file alone: leave out --json and --resources")}
			case file != "":
				return watchResources(cmd, flags, file, watch)
			}
			text, err := resourcesText(flags.Resources)
			if err != nil {
				return usageError{fmt.Errorf("--resources: %w", err)}
			}
			flags.Resources = text
			all, err := agentresources.Of(flags, agentresources.ThisHost())
			if err != nil {
				return usageError{fmt.Errorf("--resources: %w", err)}
			}
			return printResources(cmd, all, asJSON)
		},
	}
	callFlags(cmd)
	cmd.Flags().StringVar(&flags.Resources, "resources", "", "the agent's flag: resource text or JSON, or the file:// URL of a file with either")
	cmd.Flags().StringVar(&flags.DefaultRole, "default_role", "*", "the agent's flag: the role of what names none")
	cmd.Flags().StringVar(&flags.WorkDir, "work_dir", "/var/lib/mesos", "the agent's flag: its disk is the file system of this directory")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON that the agent takes as --resources=file://FILE")
	cmd.Flags().StringVar(&file, "check", "", "check this file instead")
	cmd.Flags().BoolVar(&watch, "watch", false, "with --check: go on, and say what becomes of each change")
	return cmd
}

// resourcesText is what the agent reads for a value of --resources.
func resourcesText(value string) (string, error) {
	path, isURL := strings.CutPrefix(value, "file://")
	if !isURL {
		if strings.HasPrefix(value, "/") {
			return "", fmt.Errorf("%q looks like a path: write file://%s", value, value)
		}
		return value, nil
	}
	data, err := config.Read(path)
	return strings.TrimSpace(string(data)), err
}

func printResources(cmd *cobra.Command, all []agentresources.Value, asJSON bool) error {
	if asJSON {
		entries := []resources.Entry{}
		for i := range all {
			entries = append(entries, all[i].Entry)
		}
		text, err := jsonOf(entries)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	columns := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, "NAME\tROLE\tVALUE\tHOW") // Flush has the error
	for i := range all {
		v := &all[i]
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", v.Name, v.Role, v.Value(), v.How)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	return compareResources(cmd, all)
}

// compareResources says where the running agent has other amounts. Without a
// daemon that has heard of one there is nothing to compare with, which is no
// fault.
func compareResources(cmd *cobra.Command, all []agentresources.Value) error {
	c, err := operator(cmd)
	if err == nil {
		st, also := c.Status(cmd.Context())
		if err = also; err == nil && len(st.Reservations) == 0 {
			err = errors.New("no agent has reported to the daemon")
		}
		if err == nil {
			differing := agentresources.Compare(all, st.Reservations)
			for _, d := range differing {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "differs: the running agent has %s:%s, with these flags it would have %s\n", d.Name, d.Agent, d.Here)
			}
			if len(differing) == 0 {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), "the running agent has the same amounts")
			}
			return nil
		}
	}
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "estimatord: not compared with the running agent:", err)
	return nil
}

// watchResources checks a file, and with watch each time that it changes until it
// is interrupted.
func watchResources(cmd *cobra.Command, flags agentresources.Flags, file string, watch bool) error {
	last := ""
	for {
		said, err := checkResources(flags, file)
		now := said
		if err != nil {
			now = err.Error()
		}
		if now != last && (err == nil || watch) {
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", file, now)
		}
		last = now
		if !watch {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// checkResources is what the file says, or what is wrong with it.
func checkResources(flags agentresources.Flags, file string) (string, error) {
	data, err := config.Read(file)
	if err != nil {
		return "", err
	}
	host := agentresources.ThisHost()
	flags.Resources = strings.TrimSpace(string(data))
	named, err := agentresources.Of(flags, host)
	if err != nil {
		return "", err
	}
	var parts []string
	for i := range named {
		parts = append(parts, named[i].String())
	}
	for _, d := range agentresources.Excess(named, flags.WorkDir, host) {
		return "", fmt.Errorf("%s:%s is more than the %s of this host", d.Name, d.Here, d.Agent)
	}
	return "the agent would have " + strings.Join(parts, ";"), nil
}
