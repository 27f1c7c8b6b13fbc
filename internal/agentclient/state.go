package agentclient

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// State is what an agent says of itself. It never changes once it is made.
type State struct {
	// At is when it was asked.
	At time.Time
	// Version is that of Mesos, such as 1.11.0.
	Version string
	// Flags are those that matter here; the others may hold secrets and are
	// dropped.
	Flags map[string]string
	// Frameworks are those of its containers, by id.
	Frameworks map[string]Framework
	// Containers are those at top level that have usable ids.
	Containers []Container
	// Dropped counts frameworks and containers that could not be used.
	Dropped int
}

// Framework is how a framework is called.
type Framework struct {
	Name  string
	Roles []string
}

// Container is what the agent says of a container.
type Container struct {
	ID, FrameworkID, ExecutorID string
	// CPUSeconds is the CPU time it used so far, MemBytes what it uses; absent
	// where the agent has no statistics.
	CPUSeconds, MemBytes snapshot.Value
}

// flags are the agent's flags that are kept.
var flags = map[string]bool{
	"modules": true, "modules_dir": true, "resource_estimator": true, "qos_controller": true, "isolation": true, "launcher": true,
	"cgroups_root": true, "cgroups_hierarchy": true, "cgroups_enable_cfs": true, "containerizers": true,
	"revocable_cpu_low_priority": true, "oversubscribed_resources_interval": true, "qos_correction_interval_min": true,
}

const (
	// maxListed frameworks and containers are taken, as many as the agent's socket
	// takes executors.
	maxListed = 5000
	// maxID is the longest id that Mesos takes; a name is cut to it.
	maxID = 255
)

// id is a Mesos id as JSON.
type id struct {
	Value string `json:"value"`
}

// ok refuses what Mesos does not take as an id (src/common/validation.cpp).
func (i id) ok() bool {
	return i.Value != "" && len(i.Value) <= maxID && i.Value != "." && i.Value != ".." && !strings.ContainsAny(i.Value, `/\`) &&
		!strings.ContainsFunc(i.Value, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}

// Read asks the agent for all of it. What is optional and refused (an agent may
// hide its flags from a principal) is an error all the same: half an answer would
// look like an agent without a module.
func (c *Client) Read(ctx context.Context) (*State, error) {
	s := &State{At: time.Now(), Flags: map[string]string{}, Frameworks: map[string]Framework{}}
	var version struct {
		Get struct {
			Info struct {
				Version string `json:"version"`
			} `json:"version_info"`
		} `json:"get_version"`
	}
	if err := c.get(ctx, "GET_VERSION", &version); err != nil {
		return nil, err
	}
	s.Version = word(version.Get.Info.Version)
	var flag struct {
		Get struct {
			Flags []struct{ Name, Value string } `json:"flags"`
		} `json:"get_flags"`
	}
	if err := c.get(ctx, "GET_FLAGS", &flag); err != nil {
		return nil, err
	}
	for _, f := range flag.Get.Flags {
		if flags[f.Name] {
			s.Flags[f.Name] = f.Value
		}
	}
	if s.Version == "" || len(flag.Get.Flags) == 0 {
		return nil, fmt.Errorf("%w: it has neither a version nor flags", ErrAnswer)
	}
	if err := c.frameworks(ctx, s); err != nil {
		return nil, err
	}
	all, err := c.containers(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.ID == "" {
			s.Dropped++
			continue
		}
		s.Containers = append(s.Containers, one)
	}
	return s, nil
}

func (c *Client) get(ctx context.Context, call string, answer any) error {
	return c.call(ctx, map[string]any{"type": call}, answer)
}

// frameworks asks for GET_FRAMEWORKS, which is the part of GET_STATE that has
// names: the whole of it holds each task with its command line and environment.
func (c *Client) frameworks(ctx context.Context, s *State) error {
	var answer struct {
		Get struct {
			Frameworks []struct {
				Info struct {
					ID    id       `json:"id"`
					Name  string   `json:"name"`
					Role  string   `json:"role"`
					Roles []string `json:"roles"`
				} `json:"framework_info"`
			} `json:"frameworks"`
		} `json:"get_frameworks"`
	}
	if err := c.get(ctx, "GET_FRAMEWORKS", &answer); err != nil {
		return err
	}
	if n := len(answer.Get.Frameworks); n > maxListed {
		return fmt.Errorf("%w: %d frameworks", ErrAnswer, n)
	}
	for _, f := range answer.Get.Frameworks {
		if !f.Info.ID.ok() {
			s.Dropped++
			continue
		}
		roles := f.Info.Roles
		if len(roles) == 0 && f.Info.Role != "" { // without MULTI_ROLE
			roles = []string{f.Info.Role}
		}
		s.Frameworks[f.Info.ID.Value] = Framework{Name: word(f.Info.Name), Roles: roles}
	}
	return nil
}

// containers asks for those at top level. One with ids that cannot be is empty.
func (c *Client) containers(ctx context.Context) ([]Container, error) {
	var answer struct {
		Get struct {
			Containers []struct {
				Framework  id          `json:"framework_id"`
				Executor   id          `json:"executor_id"`
				Container  id          `json:"container_id"`
				Statistics *statistics `json:"resource_statistics"`
			} `json:"containers"`
		} `json:"get_containers"`
	}
	if err := c.get(ctx, "GET_CONTAINERS", &answer); err != nil {
		return nil, err
	}
	if n := len(answer.Get.Containers); n > maxListed {
		return nil, fmt.Errorf("%w: %d containers", ErrAnswer, n)
	}
	all := make([]Container, 0, len(answer.Get.Containers))
	seen := map[string]int{}
	for _, o := range answer.Get.Containers {
		seen[o.Container.Value]++
		if !o.Framework.ok() || !o.Executor.ok() || !o.Container.ok() {
			all = append(all, Container{})
			continue
		}
		one := Container{ID: o.Container.Value, FrameworkID: o.Framework.Value, ExecutorID: o.Executor.Value}
		one.CPUSeconds, one.MemBytes = o.Statistics.cpu(), o.Statistics.mem()
		all = append(all, one)
	}
	for i := range all {
		if seen[all[i].ID] > 1 { // several that claim one id: none of them is believed
			all[i] = Container{}
		}
	}
	return all, nil
}

// statistics are what is read of mesos.ResourceStatistics.
type statistics struct {
	User   *float64 `json:"cpus_user_time_secs"`
	System *float64 `json:"cpus_system_time_secs"`
	// Total is all memory with the page cache; only agents from 0.23 on have it.
	Total *float64 `json:"mem_total_bytes"`
}

func (s *statistics) cpu() snapshot.Value {
	if s == nil || s.User == nil || s.System == nil {
		return snapshot.Value{Why: snapshot.NoKey}
	}
	return positive(*s.User + *s.System)
}

func (s *statistics) mem() snapshot.Value {
	if s == nil || s.Total == nil {
		return snapshot.Value{Why: snapshot.NoKey}
	}
	return positive(*s.Total)
}

func positive(v float64) snapshot.Value {
	if !(v >= 0) || math.IsInf(v, 0) {
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return snapshot.ValueOf(v)
}

// word is a text for people, cut to what a line can hold.
func word(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxID {
		s = string(r[:maxID])
	}
	return s
}

// HasQoSModule reports whether the agent has a QoS controller, which carries out
// kills.
func (s *State) HasQoSModule() bool { return s.Flags["qos_controller"] != "" }
