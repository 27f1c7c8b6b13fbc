package replay

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/replay/simnode"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// ReservationHeader is that of a history of reservations: from that second on the
// role has so much of the node reserved and allocated, in cores.
const ReservationHeader = "second,role,reserved,allocated"

// ReservationRow is one row of such a history.
type ReservationRow struct {
	Second              int64
	Role                string
	Reserved, Allocated float64
}

// ReadReservations reads a history, whose rows are in order of time.
func ReadReservations(in io.Reader) (rows []ReservationRow, err error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = 4
	for line := 1; ; line++ {
		fields, err := r.Read()
		switch {
		case errors.Is(err, io.EOF) && len(rows) > 0:
			return rows, nil
		case errors.Is(err, io.EOF):
			return nil, ErrEmpty
		case err != nil:
			return nil, err
		case line == 1:
			if got := fmt.Sprintf("%s,%s,%s,%s", fields[0], fields[1], fields[2], fields[3]); got != ReservationHeader {
				return nil, fmt.Errorf("line 1: the header is %q, want %q", got, ReservationHeader)
			}
			continue
		}
		second, first := strconv.ParseInt(fields[0], 10, 64)
		reserved, second2 := strconv.ParseFloat(fields[2], 64)
		allocated, third := strconv.ParseFloat(fields[3], 64)
		row := ReservationRow{Second: second, Role: fields[1], Reserved: reserved, Allocated: allocated}
		if err := cmp.Or(first, second2, third, row.check(rows)); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
}

// check refuses what no agent reports.
func (r *ReservationRow) check(before []ReservationRow) error {
	switch {
	case resources.CheckRole(r.Role) != nil:
		return fmt.Errorf("role %q %w", r.Role, resources.CheckRole(r.Role))
	case !(r.Allocated >= 0 && r.Allocated <= r.Reserved) || math.IsInf(r.Reserved, 1):
		return fmt.Errorf("%v cores allocated of %v reserved", r.Allocated, r.Reserved)
	case len(before) > 0 && r.Second < before[len(before)-1].Second:
		return fmt.Errorf("second %d comes after %d", r.Second, before[len(before)-1].Second)
	}
	return nil
}

// WriteReservations writes a history.
func WriteReservations(out io.Writer, rows []ReservationRow) error {
	w := bufio.NewWriter(out)
	_, _ = fmt.Fprintln(w, ReservationHeader) // Flush has the error
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%d,%s,%v,%v\n", r.Second, r.Role, r.Reserved, r.Allocated)
	}
	return w.Flush()
}

// Synthetic is a history that is made up: roles with reservations of Zipf's sizes,
// which come for all of it and leave, for times that are spread exponentially.
type Synthetic struct {
	Seed       uint64
	Roles      int
	Cores      float64
	For        time.Duration
	Here, Away time.Duration
}

// Rows makes the history, the same for the same seed.
func (s *Synthetic) Rows() (rows []ReservationRow) {
	random := rand.New(rand.NewPCG(s.Seed, 0))
	parts := 0.0
	for i := range s.Roles {
		parts += 1 / float64(i+1)
	}
	for i := range s.Roles {
		role, size := fmt.Sprintf("role-%d", i+1), math.Floor(1000*s.Cores/parts/float64(i+1))/1000
		rows = append(rows, ReservationRow{Role: role, Reserved: size})
		here := false
		for at := 0.0; ; {
			mean := s.Away
			if here {
				mean = s.Here
			}
			at += max(1, random.ExpFloat64()*mean.Seconds())
			if at >= s.For.Seconds() {
				break
			}
			here = !here
			row := ReservationRow{Second: int64(at), Role: role, Reserved: size}
			if here {
				row.Allocated = size
			}
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b ReservationRow) int { return cmp.Compare(a.Second, b.Second) })
	return rows
}

// ReservationOptions is how a history is replayed: best-effort tasks of one core
// take all that is offered.
type ReservationOptions struct {
	Policy *policy.Policy
	Config estimator.AllocationConfig
	// Notice is how long after a launch the daemon knows what the owner has.
	Notice time.Duration
	// Length is how long a best-effort task runs.
	Length time.Duration
}

// ReservationScore is what came of it.
type ReservationScore struct {
	Hours float64 `json:"hours"`
	// Reserved and Idle are core-hours: reserved, and of that not allocated.
	ReservedHours float64 `json:"reserved_core_hours"`
	IdleHours     float64 `json:"unallocated_core_hours"`
	// OfferedShare and UsedShare are what may be revocable, and what revocable
	// tasks use, divided by Idle.
	OfferedShare float64 `json:"offered_share"`
	UsedShare    float64 `json:"used_share"`
	// Launches are those of owners, Violations those after which the owner waited for
	// its CPU for longer than a second because of revocable tasks.
	Launches       int     `json:"owner_launches"`
	Violations     int     `json:"reclaim_violations"`
	MaxWaitSeconds float64 `json:"max_wait_s"`
	Started        int     `json:"best_effort_started"`
	Kills          int     `json:"kills"`
}

// reclaimWithin is how long an owner may wait.
const reclaimWithin = time.Second

// reservationNode is the node of a history.
type reservationNode struct {
	opts  *ReservationOptions
	score ReservationScore
	node  simnode.Node
	left  map[string]time.Duration
	brain *tick.Brain
	// waited is how long each owner has waited since its launch.
	waited map[string]time.Duration
	offer  estimator.Offer
}

// EvaluateReservations replays a history with the daemon's own estimator and
// decisions, at a tick a second.
func EvaluateReservations(rows []ReservationRow, o ReservationOptions) (ReservationScore, error) {
	est, err := estimator.NewAllocation(o.Config, nil)
	if err != nil {
		return ReservationScore{}, err
	}
	n := &reservationNode{
		opts: &o, left: map[string]time.Duration{}, waited: map[string]time.Duration{}, brain: tick.NewBrain(est, qos.State{}),
		node: simnode.Node{Reserved: map[string]float64{}},
	}
	end := rows[len(rows)-1].Second + 1
	for second := rows[0].Second; second < end; second++ {
		launched := false
		for len(rows) > 0 && rows[0].Second == second {
			launched = n.enter(&rows[0]) || launched
			rows = rows[1:]
		}
		begin, elapsed := timeOf(second), time.Second
		if launched && o.Notice < time.Second {
			n.tick(begin.Add(o.Notice), o.Notice)
			elapsed -= o.Notice
		}
		n.tick(begin.Add(time.Second), elapsed)
	}
	s := &n.score
	s.OfferedShare, s.UsedShare = ratio(s.OfferedShare, s.IdleHours), ratio(s.UsedShare, s.IdleHours)
	return n.score, nil
}

// enter takes a row, and reports whether an owner has launched something.
func (n *reservationNode) enter(r *ReservationRow) (launched bool) {
	n.node.Reserved[r.Role] = r.Reserved
	n.node.CPUs = 0
	for _, role := range slices.Sorted(maps.Keys(n.node.Reserved)) {
		n.node.CPUs += n.node.Reserved[role]
	}
	n.node.CPUs = math.Ceil(n.node.CPUs) // what is left is reserved to nobody
	before := 0.0
	n.node.Regular = slices.DeleteFunc(n.node.Regular, func(c *simnode.Container) bool {
		if c.Role == r.Role {
			before = c.Allocated
		}
		return c.Role == r.Role
	})
	delete(n.waited, r.Role)
	if r.Allocated == 0 {
		return false
	}
	n.node.Regular = append(n.node.Regular, &simnode.Container{
		ID: "owner-" + r.Role, Since: timeOf(r.Second), Role: r.Role, Allocated: r.Allocated, Wants: r.Allocated, Weight: r.Allocated,
	})
	if r.Allocated <= before {
		return false
	}
	n.score.Launches++
	n.waited[r.Role] = 0
	return true
}

func (n *reservationNode) tick(now time.Time, elapsed time.Duration) {
	n.node.Share(elapsed)
	n.account(elapsed)
	n.node.Remove(now)
	n.work(elapsed)
	n.node.Share(0)
	d, offer := n.brain.Think(n.opts.Policy, &qos.Input{Snapshot: n.node.Snapshot(now), InFlight: n.node.InFlight()})
	n.offer = offer
	for _, v := range d.Kills {
		if n.node.Kill(v.Key().ID, now, now.Add(time.Second)) {
			n.score.Kills++
			delete(n.left, v.Key().ID)
		}
	}
	n.node.Apply(d.Actions)
	for free := offer.Resources[0].Offered; free >= resources.Unit; free -= resources.Unit {
		n.score.Started++
		id := "task-" + strconv.Itoa(1_000_000+n.score.Started)
		n.left[id] = n.opts.Length
		n.node.Revocable = append(n.node.Revocable, &simnode.Container{ID: id, Since: now, Allocated: 1, Wants: 1, Weight: 1})
	}
}

// work lets the tasks go on, and ends those that are done.
func (n *reservationNode) work(elapsed time.Duration) {
	n.node.Revocable = slices.DeleteFunc(n.node.Revocable, func(c *simnode.Container) bool {
		left, runs := n.left[c.ID]
		if !runs {
			return false // it is killed
		}
		n.left[c.ID] = left - elapsed
		if left > elapsed {
			return false
		}
		delete(n.left, c.ID)
		return true
	})
}

// account adds up what was so for that time.
func (n *reservationNode) account(elapsed time.Duration) {
	s, hours := &n.score, elapsed.Hours()
	idle := 0.0
	for _, role := range slices.Sorted(maps.Keys(n.node.Reserved)) {
		idle += n.node.Reserved[role]
	}
	s.ReservedHours += idle * hours
	for _, c := range n.node.Regular {
		idle -= c.Allocated
		wait, launched := n.waited[c.Role]
		if !launched {
			continue
		}
		if c.Got >= c.Wants*0.99 || simnode.Used(n.node.Revocable) == 0 {
			delete(n.waited, c.Role) // it has it
			continue
		}
		if wait <= reclaimWithin && wait+elapsed > reclaimWithin {
			s.Violations++
		}
		n.waited[c.Role] = wait + elapsed
		s.MaxWaitSeconds = max(s.MaxWaitSeconds, (wait + elapsed).Seconds())
	}
	s.Hours += hours
	s.IdleHours += max(0, idle) * hours
	s.UsedShare += simnode.Used(n.node.Revocable) * hours
	if len(n.offer.Resources) > 0 {
		s.OfferedShare += min(max(0, idle), n.offer.Resources[0].RevocableTotal.Float()) * hours
	}
}
