package doctor

// The pages that findings link to.
const (
	install         = "docs/install.md"
	settingsPage    = "docs/reference/settings.md"
	policyPage      = "docs/reference/policy.md"
	signalsPage     = "docs/reference/signals.md"
	samplingPage    = "docs/internals/sampling.md"
	throttlingPage  = "docs/internals/throttling.md"
	securityPage    = "docs/internals/security.md"
	troubleshooting = "docs/troubleshooting.md"
)

// table is every check, in the order of the docs; nothing writes to it.
var table = [...]Check{
	// The kernel.
	{
		"cgroup_unusable", Error, "No container can be read, so nothing is offered and nothing is taken.",
		"Set cgroup_root to where cgroup file systems are mounted.", samplingPage, cgroupUnusable,
	},
	{
		"controller_absent", Warning, "What this controller counts is not known, and what it limits cannot be throttled.",
		"Mount it, or boot without cgroup_disable; on v2 enable it in cgroup.subtree_control down to the agent's root.", samplingPage, controllerAbsent,
	},
	{
		"agent_tree_absent", Warning, "The agent has no containers there: it was not started yet, or its --cgroups_root is another one.",
		"Set mesos_cgroups_root to the agent's --cgroups_root; the agent makes the directory with its first container.", troubleshooting, agentTreeAbsent,
	},
	{
		"psi_off", Warning, "Signals that read pressure are unknown, so their rules never act.",
		"Boot with psi=1 on a kernel of 4.20 or later with CONFIG_PSI, or use rules on other signals.", signalsPage, psiOff,
	},
	{
		"hidepid", Warning, "The daemon cannot see other users' processes, so run delay and hidden threads are not known.",
		"Run it as root, or mount proc without hidepid.", samplingPage, hidepid,
	},
	{
		"clock_source_slow", Info, "Each reading of the clock is a slow device access: ticks and everything else cost more.",
		"Find out why the kernel does not trust the TSC (dmesg); in a virtual machine use its own clock.", samplingPage, clockSourceSlow,
	},
	{
		"clock_unsynchronised", Info, "The calendar of this node is set by nobody: times in logs and explanations may be off. Decisions do not depend on it.",
		"Run an NTP client.", troubleshooting, clockUnsynchronised,
	},
	{
		"clock_stepped", Info, "The calendar was set since the daemon started: times of events before that are off by as much.",
		"Nothing has to be done; restart the daemon if times have to be comparable.", troubleshooting, clockStepped,
	},

	// Permissions.
	{
		"not_root", Info, "Not everything can be seen by this user, so that findings may be missing.",
		"Run estimatord doctor as root.", "docs/reference/doctor.md", notRoot,
	},
	{
		"throttle_denied", Error, "Throttles and freezes fail, and kills are the only relief for regular tasks.",
		"Run the daemon as root or as the owner of the agent's cgroups; in a container mount the cgroup file systems writable.", throttlingPage, throttleDenied,
	},
	{
		"others_can_write", Warning, "Another user can remove or replace what the daemon keeps there.",
		"chown the directory to the daemon's user, and chmod o-w it.", securityPage, othersCanWrite,
	},

	// Disk.
	{
		"directory_absent", Error, "What is to be kept there cannot be: a restart forgets it, and without the journal nothing is throttled.",
		"Make the directory, owned by the daemon's user; the unit does it with StateDirectory.", install, directoryAbsent,
	},
	{
		"directory_read_only", Error, "What is to be kept there cannot be: a restart forgets it, and without the journal nothing is throttled.",
		"Mount it writable, or name another directory; with the unit, one of ReadWritePaths.", install, directoryReadOnly,
	},
	{
		"disk_small", Warning, "The disk fills up before the oldest files are removed.",
		"Lower decisions.max_mib and recording.max_mib, or name a larger disk.", settingsPage, diskSmall,
	},
	{
		"nothing_learned_kept", Warning, "After a restart the offer begins anew, and kills before it do not count in the budget.",
		"Set state_file.", settingsPage, nothingLearnedKept,
	},
	{
		"no_decision_log", Info, "estimatord explain knows the last hour only, and nothing after a restart.",
		"Set decisions.dir.", settingsPage, noDecisionLog,
	},

	// The agent.
	{
		"agent_not_asked", Info, "The agent's flags, its module and its Docker containerizer are not checked.",
		"Set agent_url, or give --agent-url to this command.", settingsPage, agentNotAsked,
	},
	{
		"agent_unreachable", Error, "The agent does not run, or its API is elsewhere.",
		"Start it; agent_url is its --ip and --port, or unix:// and its --domain_socket_location.", settingsPage, agentUnreachable,
	},
	{
		"agent_denied", Error, "The agent wants other credentials, or does not let this principal see its flags and containers.",
		"Set agent_credentials to a principal of its --http_credentials, and allow it to view flags, frameworks and containers.", settingsPage, agentDenied,
	},
	{
		"agent_answer", Error, "Something else than a Mesos agent listens there, or one that this build does not understand.",
		"Check agent_url.", settingsPage, agentAnswer,
	},
	{
		"module_absent", Error, "The agent asks nobody: nothing is offered and nothing is taken.",
		"Give it --modules, --resource_estimator and --qos_controller.", install, moduleAbsent,
	},
	{
		"qos_controller_absent", Error, "Kills do not reach the agent: what is throttled has to do for regular tasks.",
		"Give the agent --qos_controller=org_estimatord_QoSController, or set kill_via_agent_api.", install, qosControllerAbsent,
	},
	{
		"module_other", Warning, "Another estimator or QoS controller than this daemon's is in charge of that part.",
		"Leave it if it is meant; otherwise give the agent both modules of estimatord.", "docs/migrate.md", moduleOther,
	},
	{
		"module_version", Error, "The agent loads no module that was built for another version, and does not start with one.",
		"Build the module for the agent's exact version.", install, moduleVersion,
	},
	{
		"module_file_absent", Error, "The agent does not start again without that file.",
		"Install the module, or correct the path in --modules.", install, moduleFileAbsent,
	},
	{
		"low_priority_off", Warning, "Revocable tasks get the same CPU weight as regular ones: they slow regular tasks until a rule acts.",
		"Start the agent with --revocable_cpu_low_priority (the default).", install, lowPriorityOff,
	},
	{
		"report_interval", Error, "Between two reports the last one is too old: the offer falls to 0 again and again.",
		"Lower the agent's --oversubscribed_resources_interval below a third of usage_stale_after, or raise that.", settingsPage, reportInterval,
	},
	{
		"qos_interval", Warning, "A kill waits for as long until the agent asks for it.",
		"Lower the agent's --qos_correction_interval_min to 1secs or less.", install, qosInterval,
	},
	{
		"isolator_absent", Error, "Containers have no cgroup of that controller, so they cannot be read or throttled.",
		"Add it to the agent's --isolation.", install, isolatorAbsent,
	},
	{
		"cgroups_root_differs", Error, "The daemon looks for containers where the agent does not put them.",
		"Set mesos_cgroups_root to the agent's --cgroups_root.", settingsPage, cgroupsRootDiffers,
	},
	{
		"cgroups_hierarchy_differs", Warning, "The agent mounts cgroups elsewhere than the daemon looks for them.",
		"Set cgroup_root to the agent's --cgroups_hierarchy.", settingsPage, cgroupsHierarchyDiffers,
	},
	{
		"docker_containerizer", Warning, "Docker containers have no cgroup below the agent's root: they count at their full allocation, and revocable ones get the CPU weight of regular ones.",
		"Run images in the Mesos containerizer (--image_providers=docker).", install, dockerContainerizer,
	},
	{
		"usage_disagrees", Warning, "The agent and the cgroups tell different CPU times: one of the two does not read this container.",
		"Compare agent_url with the agent whose module calls, and the two cgroup roots.", troubleshooting, usageDisagrees,
	},
	{
		"revocable_protected", Warning, "Regular tasks cannot get that memory back: the kernel keeps it for a revocable container.",
		"Set memory.low of revocable containers to 0; whoever set it has to stop.", throttlingPage, revocableProtected,
	},
	{
		"revocable_idle", Info, "The container runs only when nothing else does, and its CPU weight cannot be changed meanwhile.",
		"Leave it if it is meant; estimatord throttles by weight and quota and never sets cpu.idle.", throttlingPage, revocableIdle,
	},

	// The daemon.
	{
		"daemon_down", Error, "Nothing is offered and nothing is taken.",
		"systemctl start estimatord; its log says why it ended (journalctl -u estimatord).", troubleshooting, daemonDown,
	},
	{
		"tick_old", Error, "The loop hangs: the offer has run out and no rule acts.",
		"Look for a file system that does not answer; the unit's watchdog restarts the daemon.", troubleshooting, tickOld,
	},
	{
		"agent_silent", Error, "Without the agent's report nothing is offered and nothing is taken.",
		"Start the agent with the module, whose parameter socket is the daemon's setting socket.", troubleshooting, agentSilent,
	},
	{
		"settings_changed", Warning, "The daemon runs with other settings than its file and environment say now.",
		"Restart it; a reload takes over the policy only.", settingsPage, settingsChanged,
	},
	{
		"settings_refused", Error, "The daemon will refuse these settings at its next start.",
		"Mend each place that is named; estimatord config check says the same.", settingsPage, settingsRefused,
	},
	{
		"paused", Warning, "An operator has paused the daemon: nothing is offered and nothing is taken.",
		"estimatord resume", policyPage, paused,
	},
	{
		"budget_spent", Error, "So much was killed that nothing is killed and nothing offered any more.",
		"estimatord kills says what was killed and why; then estimatord budget reset.", policyPage, budgetSpent,
	},

	// The policy.
	{
		"no_policy", Warning, "Nothing is ever taken back: regular tasks depend on the kernel's CPU weights alone.",
		"Set policy; configs/policy.yaml is one to begin with.", policyPage, noPolicy,
	},
	{
		"policy_refused", Error, "The daemon does not start with this policy, and one that runs keeps the policy before it.",
		"Mend each place that is named; estimatord config check says the same.", policyPage, policyRefused,
	},
	{
		"policy_lint", Warning, "The policy is valid, and this part of it is most likely not meant.",
		"Change it, or leave it if it is meant.", policyPage, policyLint,
	},
	{
		"rule_blind", Warning, "The rule can never act on this host: what it reads is not there.",
		"Use another signal, or give the kernel what this one needs.", signalsPage, ruleBlind,
	},
	{
		"rule_in_noise", Warning, "The threshold is within what the reading does all the time, so the rule says nothing about this node.",
		"Raise the threshold or for; docs/reference/signals.md has what each signal reads on a busy node.", signalsPage, ruleInNoise,
	},
}

// Checks are all checks, in the order of the docs.
func Checks() []Check { return append([]Check{}, table[:]...) }
