package policy

import (
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Victims says which revocable containers may be killed, and which first.
type Victims struct {
	// MinAge spares containers that this daemon has known for less. 0: none.
	MinAge time.Duration `json:"min_age_ns"`
	// MinUsage spares containers that use less, in cores: killing them relieves
	// nothing. 0: none.
	MinUsage float64 `json:"min_usage_cores"`
	// Protect lists what is never killed.
	Protect Protect `json:"protect,omitzero"`
	// Priorities rank containers; the first that matches a container counts,
	// one that none matches has 0. Lower is killed first.
	Priorities []Priority `json:"priorities,omitempty"`
}

// Protect lists containers that are never killed, although revocable.
type Protect struct {
	// Frameworks are ids or names of frameworks.
	Frameworks []string `json:"frameworks,omitempty"`
	// Roles are allocation roles; a role includes those below it (a, a/b).
	Roles []string `json:"roles,omitempty"`
	// Labels are key or key=value, of the executor or of any of its tasks.
	Labels []string `json:"labels,omitempty"`
}

// Priority ranks the containers that it matches. Exactly one of Framework,
// Role and Label is set; each reads as in Protect.
type Priority struct {
	Framework string `json:"framework,omitzero"`
	Role      string `json:"role,omitzero"`
	Label     string `json:"label,omitzero"`
	Priority  int    `json:"priority"`
}

// Protects reports whether e is on one of the lists.
func (p *Protect) Protects(e *snapshot.Executor) bool {
	for _, f := range p.Frameworks {
		if e.InFramework(f) {
			return true
		}
	}
	for _, r := range p.Roles {
		if hasRole(e, r) {
			return true
		}
	}
	for _, l := range p.Labels {
		if hasLabel(e, l) {
			return true
		}
	}
	return false
}

// Includes reports whether p matches whatever q matches.
func (p *Priority) Includes(q *Priority) bool {
	under := func(part, whole, separator string) bool {
		return whole != "" && (part == whole || strings.HasPrefix(part, whole+separator))
	}
	return under(q.Role, p.Role, "/") || p.Framework != "" && p.Framework == q.Framework ||
		under(q.Label, p.Label, "=") && (q.Label == p.Label || !strings.Contains(p.Label, "="))
}

// PriorityOf is that of the first entry which matches e.
func (v *Victims) PriorityOf(e *snapshot.Executor) int {
	for i := range v.Priorities {
		p := &v.Priorities[i]
		if p.Framework != "" && e.InFramework(p.Framework) ||
			p.Role != "" && hasRole(e, p.Role) ||
			p.Label != "" && hasLabel(e, p.Label) {
			return p.Priority
		}
	}
	return 0
}

func hasRole(e *snapshot.Executor, role string) bool {
	rest, ok := strings.CutPrefix(e.Role, role)
	return ok && (rest == "" || rest[0] == '/')
}

func hasLabel(e *snapshot.Executor, want string) bool {
	key, value, exact := strings.Cut(want, "=")
	among := func(labels []snapshot.Label) bool {
		for i := range labels {
			if labels[i].Key == key && (!exact || labels[i].Value == value) {
				return true
			}
		}
		return false
	}
	if among(e.Labels) {
		return true
	}
	for i := range e.Tasks {
		if among(e.Tasks[i].Labels) {
			return true
		}
	}
	return false
}
