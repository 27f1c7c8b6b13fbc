package doctor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/agentclient"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// The names of our modules (module/glue/module.cpp).
const (
	estimatorModule = "org_estimatord_ResourceEstimator"
	qosModule       = "org_estimatord_QoSController"
)

func agentNotAsked(h *Host) []string {
	return one(h.AgentURL == "", "agent_url is not set")
}

func agentUnreachable(h *Host) []string {
	return one(errors.Is(h.AgentErr, agentclient.ErrUnreachable), "%v", h.AgentErr)
}

func agentDenied(h *Host) []string {
	return one(errors.Is(h.AgentErr, agentclient.ErrDenied) || errors.Is(h.AgentErr, agentclient.ErrCredentials), "%v", h.AgentErr)
}

func agentAnswer(h *Host) []string {
	return one(errors.Is(h.AgentErr, agentclient.ErrAnswer) || errors.Is(h.AgentErr, agentclient.ErrURL), "%v", h.AgentErr)
}

// flag is a flag of the agent, and whether the agent has told it.
func (h *Host) flag(name string) (value string, known bool) {
	if h.Agent == nil {
		return "", false
	}
	value, known = h.Agent.Flags[name]
	return value, known
}

func moduleAbsent(h *Host) []string {
	return one(h.Agent != nil && h.Agent.Flags["resource_estimator"] == "" && h.Agent.Flags["qos_controller"] == "",
		"the agent has neither --resource_estimator nor --qos_controller")
}

func qosControllerAbsent(h *Host) []string {
	return one(h.Agent != nil && h.Agent.Flags["resource_estimator"] != "" && !h.Agent.HasQoSModule() && !h.Settings.KillViaAgentAPI,
		"the agent has no --qos_controller, and kill_via_agent_api is not set")
}

func moduleOther(h *Host) (found []string) {
	for name, ours := range map[string]string{"resource_estimator": estimatorModule, "qos_controller": qosModule} {
		if is, _ := h.flag(name); is != "" && is != ours {
			found = append(found, fmt.Sprintf("--%s=%s", name, is))
		}
	}
	return found
}

// libraries are the files of our modules by the agent's --modules, which is JSON
// or the URL of a file.
func (h *Host) libraries() (files []string) {
	text, _ := h.flag("modules")
	if name := strings.TrimPrefix(text, "file://"); strings.HasPrefix(name, "/") {
		text = read(name)
	}
	var modules struct {
		Libraries []struct {
			File, Name string
			Modules    []struct{ Name string }
		}
	}
	if json.Unmarshal([]byte(text), &modules) != nil {
		return nil
	}
	for _, l := range modules.Libraries {
		for _, m := range l.Modules {
			if m.Name == estimatorModule || m.Name == qosModule {
				files = append(files, cmp.Or(l.File, "lib"+l.Name+".so"))
				break
			}
		}
	}
	return files
}

// builtFor is the version of Mesos in the name of a module's file.
var builtFor = regexp.MustCompile(`^libestimatord-([0-9]+(?:\.[0-9]+)*[0-9A-Za-z.+-]*?)\.so$`)

func moduleVersion(h *Host) (found []string) {
	for _, file := range h.libraries() {
		if m := builtFor.FindStringSubmatch(path.Base(file)); len(m) == 2 && m[1] != h.Agent.Version {
			found = append(found, fmt.Sprintf("%s is for Mesos %s, the agent is %s", file, m[1], h.Agent.Version))
		}
	}
	return found
}

func moduleFileAbsent(h *Host) (found []string) {
	for _, file := range h.libraries() {
		if _, err := os.Stat(file); strings.HasPrefix(file, "/") && errors.Is(err, os.ErrNotExist) {
			found = append(found, "there is no "+file)
		}
	}
	return found
}

func lowPriorityOff(h *Host) []string {
	value, _ := h.flag("revocable_cpu_low_priority")
	return one(value == "false", "the agent has --revocable_cpu_low_priority=false")
}

// duration is a flag of the agent that is one (15secs, 1mins, 500ms, 0ns).
func (h *Host) duration(name string) (time.Duration, bool) {
	text, known := h.flag(name)
	m := regexp.MustCompile(`^([0-9.]+)(ns|us|ms|secs|mins|hrs|days|weeks)$`).FindStringSubmatch(text)
	if !known || m == nil {
		return 0, false
	}
	unit := map[string]time.Duration{
		"ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "secs": time.Second, "mins": time.Minute,
		"hrs": time.Hour, "days": 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	}[m[2]]
	n, err := strconv.ParseFloat(m[1], 64)
	return time.Duration(n * float64(unit)), err == nil
}

func reportInterval(h *Host) []string {
	every, ok := h.duration("oversubscribed_resources_interval")
	stale := h.Settings.UsageStaleAfter
	return one(ok && every >= stale, "the agent reports every %s, and usage_stale_after is %s", every, stale)
}

func qosInterval(h *Host) []string {
	const slow = 5 * time.Second
	every, ok := h.duration("qos_correction_interval_min")
	return one(ok && every > slow, "the agent has --qos_correction_interval_min=%s", h.agentFlag("qos_correction_interval_min"))
}

func (h *Host) agentFlag(name string) string {
	value, _ := h.flag(name)
	return value
}

func isolatorAbsent(h *Host) (found []string) {
	text, known := h.flag("isolation")
	if !known {
		return nil
	}
	list := strings.Split(text, ",")
	for _, name := range []string{"cpu", "mem"} {
		if !contains(list, "cgroups/"+name, "cgroups/all") {
			found = append(found, fmt.Sprintf("--isolation=%s has no cgroups/%s", text, name))
		}
	}
	return found
}

func cgroupsRootDiffers(h *Host) []string {
	theirs, known := h.flag("cgroups_root")
	ours := h.Settings.MesosCgroupsRoot
	return one(known && filepath.Clean("/"+theirs) != filepath.Clean("/"+ours), "the agent has --cgroups_root=%s, mesos_cgroups_root is %s", theirs, ours)
}

func cgroupsHierarchyDiffers(h *Host) []string {
	theirs, known := h.flag("cgroups_hierarchy")
	ours := h.Settings.CgroupRoot
	return one(known && theirs != "" && filepath.Clean(theirs) != filepath.Clean(ours), "the agent has --cgroups_hierarchy=%s, cgroup_root is %s", theirs, ours)
}

func dockerContainerizer(h *Host) []string {
	text, _ := h.flag("containerizers")
	return one(contains(strings.Split(text, ","), "docker"), "the agent has --containerizers=%s", text)
}

func usageDisagrees(h *Host) (found []string) {
	if h.Agent == nil || h.Status == nil || h.Status.Tick == nil {
		return nil
	}
	ours := make([]snapshot.Container, len(h.Status.Containers))
	for i := range ours {
		ours[i] = h.Status.Containers[i].Container
	}
	for _, id := range h.Agent.Disagreements(ours, h.Status.Tick.At, float64(h.Facts.Processors)) {
		found = append(found, "container "+id)
	}
	return found
}

// ofRevocable are the containers in whose control file there is anything but
// zero.
func (h *Host) ofRevocable(controller, file string) (found []string) {
	root := h.agentRoot(controller)
	if root == "" || h.Layout.Mode != cgroup.V2 {
		return nil
	}
	for _, id := range h.revocable() {
		if value := read(root, id, file); value != "" && value != "0" {
			found = append(found, fmt.Sprintf("%s of container %s is %s", file, id, value))
		}
	}
	return found
}

func revocableProtected(h *Host) []string {
	return append(h.ofRevocable("memory", "memory.low"), h.ofRevocable("memory", "memory.min")...)
}

func revocableIdle(h *Host) []string { return h.ofRevocable("cpu", "cpu.idle") }
