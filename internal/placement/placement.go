// Package placement says which of the offered resources a task gets: regular
// ones, revocable ones, or none yet.
package placement

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// Kind is the kind of resources that a task gets. Mesos does not mix them for
// one name.
type Kind string

// The kinds.
const (
	Regular   Kind = "regular"
	Revocable Kind = "revocable"
)

// KindOf is the kind of a resource.
func KindOf(r *scheduler.Resource) Kind {
	if r.Revocable != nil {
		return Revocable
	}
	return Regular
}

// ResType is which kinds a task may get, the preferred one first.
type ResType struct {
	text  string
	kinds []Kind
}

// ErrResType is the class of what ParseResType refuses.
var ErrResType = errors.New("wrong res-type")

// ParseResType reads one of the five values, or a regular expression between
// slashes that matches one or both of regular and revocable.
func ParseResType(text string) (ResType, error) {
	kinds, ok := map[string][]Kind{
		"regular":    {Regular},
		"~regular":   {Regular, Revocable},
		"revocable":  {Revocable},
		"~revocable": {Revocable, Regular},
		"*":          {Regular, Revocable},
	}[text]
	if ok {
		return ResType{text, kinds}, nil
	}
	why := ""
	if len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		expression, err := regexp.Compile("^(?:" + text[1:len(text)-1] + ")$")
		if err != nil {
			return ResType{}, fmt.Errorf("%w %q: %w", ErrResType, text, err)
		}
		for _, k := range []Kind{Regular, Revocable} {
			if expression.MatchString(string(k)) {
				kinds = append(kinds, k)
			}
		}
		if kinds != nil {
			return ResType{text, kinds}, nil
		}
		why = " matches neither regular nor revocable;"
	}
	return ResType{}, fmt.Errorf("%w %q:%s use regular, ~regular (prefer regular), revocable, ~revocable (prefer revocable) or * (any)", ErrResType, text, why)
}

// String implements pflag.Value.
func (t *ResType) String() string { return t.text }

// Type implements pflag.Value.
func (t *ResType) Type() string { return "res-type" }

// Set implements pflag.Value. A task has one res-type.
func (t *ResType) Set(text string) (err error) {
	if t.text != "" {
		return fmt.Errorf("%w %q: it is %q already, and a task has one", ErrResType, text, t.text)
	}
	*t, err = ParseResType(text)
	return err
}

// Includes reports whether a task of type t may get resources of kind k.
func (t *ResType) Includes(k Kind) bool { return slices.Contains(t.kinds, k) }

// Request is what one task asks for. Memory is regular, but where it may be
// revocable, the task is, and enough is offered so.
type Request struct {
	Type         ResType
	CPUs, MemMB  resources.Milli
	RevocableMem bool
}

// String is the request for people.
func (r *Request) String() string {
	return fmt.Sprintf("%s cpus:%s mem:%s", r.Type.text, r.CPUs, r.MemMB)
}

// Agent is what an agent has offered and what is not used of it yet.
type Agent struct {
	ID, Hostname string
	Offers       []scheduler.Offer
	// used are the offers of which something is.
	used map[string]bool
}

// Agents joins offers by agent, in the order in which agents come first: what one
// agent offers in several offers can be used together. The offers are copied.
func Agents(offers []scheduler.Offer) []*Agent {
	var all []*Agent
	byID := map[string]*Agent{}
	for _, o := range offers {
		a := byID[o.AgentID.Value]
		if a == nil {
			a = &Agent{ID: o.AgentID.Value, Hostname: o.Hostname, used: map[string]bool{}}
			byID[a.ID] = a
			all = append(all, a)
		}
		o.Resources = append([]scheduler.Resource(nil), o.Resources...)
		a.Offers = append(a.Offers, o)
	}
	return all
}

// Used are the ids of the offers of which something is used, and no others: one
// that has become invalid fails the launch of all.
func (a *Agent) Used() (ids []scheduler.ID) {
	for _, o := range a.Offers {
		if a.used[o.ID.Value] {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// Free is how much of a resource of one kind the agent offers.
func (a *Agent) Free(name string, kind Kind) (sum resources.Milli) {
	a.each(name, kind, func(_ string, _ *scheduler.Resource, have resources.Milli) { sum += have })
	return sum
}

// each visits what a task can have of a resource of one kind: scalars that are no
// volume, not shared and of no resource provider.
func (a *Agent) each(name string, kind Kind, do func(offer string, r *scheduler.Resource, have resources.Milli)) {
	for _, o := range a.Offers {
		for i := range o.Resources {
			r := &o.Resources[i]
			if r.Name == name && KindOf(r) == kind && r.Scalar != nil && r.Disk == nil && r.Shared == nil && r.ProviderID == nil {
				do(o.ID.Value, r, resources.FloorMilli(r.Scalar.Value))
			}
		}
	}
}

// take takes an amount that is there. What is taken is as it was offered (role,
// reservation, allocation): the master compares.
func (a *Agent) take(name string, kind Kind, amount resources.Milli) (taken []scheduler.Resource) {
	a.each(name, kind, func(offer string, r *scheduler.Resource, have resources.Milli) {
		part := min(have, amount)
		if part <= 0 {
			return
		}
		piece := *r
		piece.Scalar = &scheduler.Scalar{Value: part.Float()}
		r.Scalar = &scheduler.Scalar{Value: (have - part).Float()}
		amount -= part
		a.used[offer] = true
		taken = append(taken, piece)
	})
	return taken
}

// Place finds the first agent that has what is asked for, of the kind that is
// preferred on any agent, or, when second, also of the other one that the type
// allows. It takes the resources there; the agent is nil when there is none.
// Nothing is split between agents.
func Place(agents []*Agent, ask *Request, second bool) (*Agent, Kind, []scheduler.Resource) {
	for i, kind := range ask.Type.kinds {
		if i > 0 && !second {
			break
		}
		for _, a := range agents {
			mem := Regular
			if ask.RevocableMem && kind == Revocable && a.Free("mem", Revocable) >= ask.MemMB {
				mem = Revocable
			}
			if a.Free("cpus", kind) >= ask.CPUs && a.Free("mem", mem) >= ask.MemMB {
				return a, kind, append(a.take("cpus", kind, ask.CPUs), a.take("mem", mem, ask.MemMB)...)
			}
		}
	}
	return nil, "", nil
}
