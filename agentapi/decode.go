package agentapi

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// ErrUsage says that a report cannot be used at all.
var ErrUsage = errors.New("unusable usage report")

// maxNames bounds the different resource names of one report. An agent has
// about five.
const maxNames = 256

// A report is trusted as far as that is safe. What an agent could never send
// says that the sender is not one, or is broken; then:
//
//   - An executor without three ids that Mesos would take, nested, with a container id that
//     another one claims too, or with an unusable regular amount is dropped:
//     its container is then unknown, so it is never touched, and what it holds
//     as regular makes no slack. What it holds as revocable still counts.
//   - An unusable revocable amount, or one in the agent's total, makes the
//     whole report unusable: what is not known to be allocated cannot be kept out
//     of the offer.
//
// Unusable is what Resources::validate refuses or construction drops
// (src/common/resources.cpp:855, :1459), and what overflows.

// decoded is a report and what was left out of it.
type decoded struct {
	usage *snapshot.Usage
	// dropped is why the first executor was left out, nil when none was.
	dropped error
}

// usageOf converts a report received from agent at time at.
func usageOf(m *wire.ResourceUsage, agent string, at time.Time) (decoded, error) {
	d := decoder{
		sums: map[string]resources.Milli{}, taskSums: map[string]resources.Milli{}, ownSums: map[string]resources.Milli{},
		claims: map[string]int{}, reservations: newReservations(),
	}
	u := &snapshot.Usage{At: at, Agent: agent}
	for _, e := range m.GetExecutors() {
		if id := e.GetContainerId(); id.GetParent() == nil {
			d.claims[id.GetValue()]++
		}
	}
	var dropped error
	for i, e := range m.GetExecutors() {
		x, why, err := d.executor(e)
		if err != nil {
			return decoded{}, fmt.Errorf("%w: executor %d (%.64q): %w", ErrUsage, i, e.GetExecutorInfo().GetExecutorId().GetValue(), err)
		}
		if why != nil {
			u.Dropped++
			if dropped == nil {
				dropped = fmt.Errorf("executor %d (%.64q of framework %.64q, container %.64q): %w", i, x.ExecutorID, x.FrameworkID, x.ContainerID, why)
			}
			u.DroppedRevocable.AddAll(x.Revocable)
			continue
		}
		u.Executors = append(u.Executors, x)
	}
	var revocable resources.Quantities
	total := amounts{regular: &u.Total, revocable: &revocable, sums: map[string]resources.Milli{}, part: d.reservations.reserved}
	if err := d.amounts(m.GetTotal(), total); err != nil {
		return decoded{}, fmt.Errorf("%w: total: %w", ErrUsage, err)
	}
	u.Reservations = d.reservations.list()
	return decoded{usage: u, dropped: dropped}, nil
}

// decoder holds what spans the executors of one report.
type decoder struct {
	// The sums are everything so far by name: allocated, of tasks, and of
	// executors themselves. As long as they do not overflow, no partial sum does.
	sums, taskSums, ownSums map[string]resources.Milli
	// claims counts the executors per container id.
	claims       map[string]int
	reservations *reservations
}

// executor converts one executor. why says that it is to be dropped; its ids
// and revocable amounts are valid then. err makes the whole report unusable.
func (d *decoder) executor(e *wire.ResourceUsage_Executor) (x snapshot.Executor, why, err error) {
	info := e.GetExecutorInfo()
	x = snapshot.Executor{
		ContainerID:   e.GetContainerId().GetValue(),
		FrameworkID:   info.GetFrameworkId().GetValue(),
		ExecutorID:    info.GetExecutorId().GetValue(),
		Name:          displayName(info.GetName()),
		Source:        info.GetSource(),
		Role:          roleOf(e.GetAllocated()),
		Labels:        labelsOf(info.GetLabels()),
		HasStatistics: e.GetStatistics() != nil,
	}
	bad := d.amounts(e.GetAllocated(), amounts{regular: &x.Regular, revocable: &x.Revocable, sums: d.sums, part: d.reservations.allocated})
	if errors.Is(bad, errUnsafe) {
		return x, nil, bad
	}
	var ownRevocable resources.Quantities // which no task needs to account for
	if err := d.amounts(info.GetResources(), amounts{regular: &x.Own, revocable: &ownRevocable, sums: d.ownSums}); err != nil && bad == nil {
		bad = fmt.Errorf("executor: %w", err)
	}
	for _, t := range e.GetTasks() {
		task := snapshot.Task{ID: t.GetId().GetValue(), Name: t.GetName(), Labels: labelsOf(t.GetLabels())}
		if err := d.amounts(t.GetResources(), amounts{regular: &task.Regular, revocable: &task.Revocable, sums: d.taskSums}); err != nil && bad == nil {
			bad = fmt.Errorf("task %q: %w", task.ID, err)
		}
		x.Tasks = append(x.Tasks, task)
	}
	x.Class = x.Classify()
	switch why := cmp.Or(checkID("container", x.ContainerID), checkID("framework", x.FrameworkID), checkID("executor", x.ExecutorID)); {
	case why != nil:
		return x, why, nil
	case e.GetContainerId().GetParent() != nil:
		return x, errors.New("its container is nested"), nil
	case d.claims[x.ContainerID] > 1:
		return x, fmt.Errorf("%d executors claim its container", d.claims[x.ContainerID]), nil
	}
	return x, bad, nil
}

var (
	// errAmount: a scalar that no agent could hold.
	errAmount = errors.New("unusable amount")
	// errUnsafe: one that must not be left out.
	errUnsafe = errors.New("cannot be left out")
)

// amounts is where scalars are added up.
type amounts struct {
	regular, revocable *resources.Quantities
	sums               map[string]resources.Milli
	// part, which may be nil, gets each regular amount.
	part func(r *wire.Resource, amount resources.Milli) error
}

// amounts adds up the scalars of rs; ranges and sets are nothing estimatord
// offers. It goes on after an error, so that the revocable rest still counts,
// and returns the worst one.
func (d *decoder) amounts(rs []*wire.Resource, a amounts) error {
	var bad error
	for _, r := range rs {
		if r.Type != nil && r.GetType() != wire.Value_SCALAR {
			continue
		}
		to, class := a.regular, "regular"
		if r.GetRevocable() != nil {
			to, class = a.revocable, "revocable"
		}
		amount, err := scalarOf(r)
		if err == nil {
			err = a.add(to, r.GetName(), amount)
		}
		if err == nil && a.part != nil && to == a.regular {
			err = a.part(r, amount)
		}
		switch {
		case err == nil:
		case r.GetRevocable() != nil || errors.Is(err, errUnsafe):
			return fmt.Errorf("%s %q %w: %w", class, r.GetName(), errUnsafe, err)
		case bad == nil:
			bad = fmt.Errorf("%s %q: %w", class, r.GetName(), err)
		}
	}
	return bad
}

func scalarOf(r *wire.Resource) (resources.Milli, error) {
	switch {
	case r.GetName() == "":
		return 0, fmt.Errorf("%w: it has no name", errAmount)
	case r.Type == nil || r.Scalar == nil || r.Scalar.Value == nil:
		return 0, fmt.Errorf("%w: it has no type or no value", errAmount)
	}
	m, ok := resources.FromWire(r.GetScalar().GetValue())
	if !ok {
		return 0, fmt.Errorf("%w: %v", errAmount, r.GetScalar().GetValue())
	}
	return m, nil
}

// add adds one amount, refusing what would overflow any sum over the report.
func (a amounts) add(to *resources.Quantities, name string, amount resources.Milli) error {
	sum, known := a.sums[name]
	switch {
	case !known && len(a.sums) == maxNames:
		return fmt.Errorf("%w: more than %d resource names", errUnsafe, maxNames)
	case amount > math.MaxInt64-sum:
		return fmt.Errorf("%w: the sum overflows", errUnsafe)
	}
	a.sums[name] = sum + amount
	to.Add(name, amount)
	return nil
}

// maxID is the longest id that can be a directory's name, which ids become
// (NAME_MAX, limits.h).
const maxID = 255

// checkID refuses what Mesos does not take as an id (src/common/validation.cpp,
// validateID): ids become parts of paths, and of logs and metrics here.
func checkID(of, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("it has no %s id", of)
	case len(id) > maxID, id == ".", id == "..", !utf8.ValidString(id),
		strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' }):
		return fmt.Errorf("%s id %.64q is none", of, id)
	}
	return nil
}

// displayName is an executor's name without the command line that the agent
// puts into that of a command task: "Command Executor (Task: t) (Command: sh
// -c 'x')" (src/slave/slave.cpp, getExecutorInfo). A command line may hold
// secrets, so nothing of it is kept.
func displayName(name string) string {
	if i := strings.Index(name, "(Command:"); i >= 0 {
		return strings.Clone(strings.TrimRight(name[:i], " "))
	}
	return name
}

// roleOf is the allocation role; all resources of an executor share one
// (src/master/validation.cpp:1035).
func roleOf(rs []*wire.Resource) string {
	for _, r := range rs {
		if role := r.GetAllocationInfo().GetRole(); role != "" {
			return role
		}
	}
	return ""
}

func labelsOf(m *wire.Labels) []snapshot.Label {
	if len(m.GetLabels()) == 0 {
		return nil
	}
	out := make([]snapshot.Label, 0, len(m.GetLabels()))
	for _, l := range m.GetLabels() {
		out = append(out, snapshot.Label{Key: l.GetKey(), Value: l.GetValue()})
	}
	return out
}
