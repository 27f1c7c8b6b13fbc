package recording

import (
	"errors"
	"fmt"
	"math"
	"time"

	pb "github.com/estimatord/estimatord/internal/recording/recordingpb"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// tick translates one tick. Reading fills t.Snapshot, whose Containers are room
// to be used again; the frame's report and containers are known already.
func (c *codec) tick(p *pb.Tick, t *Tick) {
	s := t.Snapshot
	if c.reading {
		s.Containers = append(s.Containers[:0], c.containers...)
	} else {
		p.Host, p.Contention, p.Readings = &pb.Host{}, &pb.Contention{}, &pb.Readings{}
	}
	if p.GetHost() == nil || p.GetContention() == nil || p.GetReadings() == nil {
		c.fail(errors.New("it lacks the host, the contention or the readings"))
		return
	}
	same(c, &p.Seq, &s.Seq)
	c.time(&p.At, &s.At)
	if c.at = p.GetAt(); c.at == noTime {
		c.at = 0
	}
	c.calendar(&p.Wall, &t.Wall)
	number(c, &p.Uptime, &s.Uptime)
	c.word(&p.Tree, &s.TreeWhy)
	now := []snapshot.Host{s.Host}
	c.hosts(p.GetHost(), now)
	if c.reading {
		s.Host = now[0]
	}
	c.contention(p.GetContention(), &s.Contention)
	c.received(&p.UsageAfter, s)
	c.readings(p.GetReadings(), s.Containers)
	if optional(c, &p.Inputs, &t.Inputs) {
		c.inputs(p.GetInputs(), t.Inputs)
	}
	c.before, c.host, c.containers = c.at, now, append(c.containers[:0], s.Containers...)
}

// received is when the report came. One with the same content that came later
// shares its executors with the one before.
func (c *codec) received(field *int64, s *snapshot.Snapshot) {
	if !c.reading {
		if s.Usage != nil {
			c.after(field, &s.Usage.At)
		}
		return
	}
	if c.usage != nil {
		var at time.Time
		c.after(field, &at)
		if !at.Equal(c.usage.At) {
			u := *c.usage
			u.At = at
			c.usage = &u
		}
	}
	s.Usage = c.usage
}

// hosts is the host.
func (c *codec) hosts(p *pb.Host, now []snapshot.Host) {
	h := &now[0]
	c.after(&p.AtAfter, &h.At)
	c.word(&p.CapacityFrom, &h.CapacityFrom)
	c.word(&p.MemoryFrom, &h.MemoryFrom)
	k := columns[snapshot.Host]{codec: c, now: now, before: c.host}
	k.count(&p.Cpus, func(h *snapshot.Host) *snapshot.Count { return &h.CPUs })
	k.value(&p.UsableCpus, func(h *snapshot.Host) *snapshot.Value { return &h.UsableCPUs }, nil)
	k.value(&p.BusyCores, func(h *snapshot.Host) *snapshot.Value { return &h.BusyCores }, nil)
	k.value(&p.Load1, func(h *snapshot.Host) *snapshot.Value { return &h.Load1 }, nil)
	k.value(&p.Load5, func(h *snapshot.Host) *snapshot.Value { return &h.Load5 }, nil)
	k.value(&p.Load15, func(h *snapshot.Host) *snapshot.Value { return &h.Load15 }, nil)
	k.count(&p.MemTotalBytes, func(h *snapshot.Host) *snapshot.Count { return &h.MemTotalBytes })
	k.count(&p.MemAvailableBytes, func(h *snapshot.Host) *snapshot.Count { return &h.MemAvailableBytes })
	k.count(&p.UsableMemBytes, func(h *snapshot.Host) *snapshot.Count { return &h.UsableMemBytes })
	k.count(&p.UsableMemAvailableBytes, func(h *snapshot.Host) *snapshot.Count { return &h.UsableMemAvailableBytes })
	k.count(&p.UsableMemUsedBytes, func(h *snapshot.Host) *snapshot.Count { return &h.UsableMemUsedBytes })
	k.pressure(&p.Pressure, func(h *snapshot.Host) *snapshot.Pressure { return &h.Pressure })
}

// readings are what was read of the containers.
func (c *codec) readings(p *pb.Readings, now []snapshot.Container) {
	type one = snapshot.Container
	k := columns[one]{codec: c, now: now, before: c.containers}
	k.time(&p.At, func(v *one) *time.Time { return &v.At }, c.at-c.before)
	k.count(&p.CpuUsageNanos, func(v *one) *snapshot.Count { return &v.CPU.UsageNanos })
	c.cores(p, k)
	k.count(&p.CpuThrottledNanos, func(v *one) *snapshot.Count { return &v.CPU.ThrottledNanos })
	k.value(&p.CpuQuotaCores, func(v *one) *snapshot.Value { return &v.CPU.QuotaCores }, nil)
	k.value(&p.CpuRunDelay, func(v *one) *snapshot.Value { return &v.CPU.RunDelay }, nil)
	k.count(&p.MemUsageBytes, func(v *one) *snapshot.Count { return &v.Memory.UsageBytes })
	k.count(&p.MemAnonBytes, func(v *one) *snapshot.Count { return &v.Memory.AnonBytes })
	k.count(&p.MemReclaimableBytes, func(v *one) *snapshot.Count { return &v.Memory.ReclaimableBytes })
	k.count(&p.MemUnreclaimableBytes, func(v *one) *snapshot.Count { return &v.Memory.UnreclaimableBytes })
	k.time(&p.MemStatAt, func(v *one) *time.Time { return &v.Memory.StatAt }, 0)
	k.count(&p.Pids, func(v *one) *snapshot.Count { return &v.Pids })
	k.pressure(&p.Pressure, func(v *one) *snapshot.Pressure { return &v.Pressure })
}

// cores are the CPU rates, which follow from the CPU time used since the tick
// before.
func (c *codec) cores(p *pb.Readings, k columns[snapshot.Container]) {
	if !c.reading {
		p.CpuLag = c.lag(k)
	}
	k.value(&p.CpuCores, func(v *snapshot.Container) *snapshot.Value { return &v.CPU.Cores }, func(i int) float64 {
		now, before := &k.now[i], &k.before[i]
		took := c.stamp(now.At) - c.stamp(before.At) + p.GetCpuLag()
		if !now.CPU.Cores.OK() || took <= 0 || now.CPU.UsageNanos.N < before.CPU.UsageNanos.N {
			return 0
		}
		return float64(now.CPU.UsageNanos.N-before.CPU.UsageNanos.N) / float64(took)
	})
}

// lag is how much more time passed between two reads than between their At, as
// the first container shows that has used CPU time. It is the same for all: the
// monitor reads the two clocks at the start of the tick one after the other.
func (c *codec) lag(k columns[snapshot.Container]) int64 {
	for i := range k.now {
		now, before := &k.now[i], &k.before[i]
		cores, used := now.CPU.Cores, now.CPU.UsageNanos.N-before.CPU.UsageNanos.N
		if !cores.OK() || !before.CPU.UsageNanos.OK() || now.CPU.UsageNanos.N <= before.CPU.UsageNanos.N {
			continue
		}
		if took := math.Round(float64(used) / cores.V); took > 0 && took < math.MaxInt64 {
			return int64(took) - (c.stamp(now.At) - c.stamp(before.At))
		}
	}
	return 0
}

func (c *columns[T]) pressure(field **pb.Pressure, of func(*T) *snapshot.Pressure) {
	if *field == nil {
		*field = &pb.Pressure{}
	}
	p := *field
	c.value(&p.CpuSome, func(v *T) *snapshot.Value { return &of(v).CPUSome }, nil)
	c.value(&p.MemorySome, func(v *T) *snapshot.Value { return &of(v).MemorySome }, nil)
	c.value(&p.MemoryFull, func(v *T) *snapshot.Value { return &of(v).MemoryFull }, nil)
	c.value(&p.IoSome, func(v *T) *snapshot.Value { return &of(v).IOSome }, nil)
	c.value(&p.IoFull, func(v *T) *snapshot.Value { return &of(v).IOFull }, nil)
	c.count(&p.CpuSomeMicros, func(v *T) *snapshot.Count { return &of(v).CPUSomeMicros })
}

func (c *codec) contention(p *pb.Contention, v *snapshot.Contention) {
	c.after(&p.AtAfter, &v.At)
	c.word(&p.State, &v.State)
	c.word(&p.Why, &v.Why)
	c.text(&p.Container, &v.Container)
	same(c, &p.Degree, &v.Degree)
	c.after(&p.SinceAfter, &v.Since)
	number(c, &p.Regular, &v.Regular)
	number(c, &p.Watched, &v.Watched)
	number(c, &p.Judged, &v.Judged)
	number(c, &p.Every, &v.Every)
	same(c, &p.Wake, &v.Wake)
}

// report is all of the agent's report but when it came.
func (c *codec) report(p *pb.Usage, u *snapshot.Usage) {
	c.text(&p.Agent, &u.Agent)
	list(c, &p.Executors, &u.Executors, c.executor)
	c.quantities(&p.Total, &u.Total)
	number(c, &p.Dropped, &u.Dropped)
	c.quantities(&p.DroppedRevocable, &u.DroppedRevocable)
	list(c, &p.Reservations, &u.Reservations, c.reservation)
}

func (c *codec) reservation(p *pb.Reservation, r *snapshot.Reservation) {
	c.text(&p.Role, &r.Role)
	c.quantities(&p.Reserved, &r.Reserved)
	c.quantities(&p.Allocated, &r.Allocated)
	c.quantities(&p.Disks, &r.Disks)
}

func (c *codec) executor(p *pb.Executor, e *snapshot.Executor) {
	c.text(&p.ContainerId, &e.ContainerID)
	c.text(&p.FrameworkId, &e.FrameworkID)
	c.text(&p.FrameworkName, &e.FrameworkName)
	c.text(&p.ExecutorId, &e.ExecutorID)
	c.text(&p.Name, &e.Name)
	c.text(&p.Source, &e.Source)
	c.text(&p.Role, &e.Role)
	c.labels(&p.Labels, &e.Labels)
	c.quantities(&p.Regular, &e.Regular)
	c.quantities(&p.Revocable, &e.Revocable)
	c.quantities(&p.Own, &e.Own)
	c.word(&p.Class, &e.Class)
	list(c, &p.Tasks, &e.Tasks, c.task)
	same(c, &p.HasStatistics, &e.HasStatistics)
}

func (c *codec) task(p *pb.Task, t *snapshot.Task) {
	c.text(&p.Id, &t.ID)
	c.text(&p.Name, &t.Name)
	c.quantities(&p.Regular, &t.Regular)
	c.quantities(&p.Revocable, &t.Revocable)
	c.labels(&p.Labels, &t.Labels)
}

func (c *codec) labels(p *[]*pb.Label, l *[]snapshot.Label) {
	list(c, p, l, func(p *pb.Label, l *snapshot.Label) {
		c.text(&p.Key, &l.Key)
		c.text(&p.Value, &l.Value)
	})
}

func (c *codec) quantities(p *[]*pb.Quantity, q *resources.Quantities) {
	list(c, p, (*[]resources.Quantity)(q), func(p *pb.Quantity, q *resources.Quantity) {
		c.text(&p.Name, &q.Name)
		number(c, &p.Thousandths, &q.Amount)
	})
}

// container is who a container is.
func (c *codec) container(p *pb.Container, v *snapshot.Container) {
	c.text(&p.Id, &v.ID)
	same(c, &p.Inode, &v.Inode)
	c.text(&p.Parent, &v.Parent)
	same(c, &p.OnDisk, &v.OnDisk)
	c.time(&p.FirstSeen, &v.FirstSeen)
	switch {
	case !c.reading:
		p.Executor = c.executors[v.Executor]
		if v.Executor != nil && p.GetExecutor() == 0 {
			c.fail(fmt.Errorf("container %s: its executor is not in the report", v.ID))
		}
	case p.GetExecutor() == 0:
	case c.usage == nil || int64(p.GetExecutor()) > int64(len(c.usage.Executors)):
		c.fail(fmt.Errorf("container %s: executor %d, which is not in the report", v.ID, p.GetExecutor()))
	default:
		v.Executor = &c.usage.Executors[p.GetExecutor()-1]
	}
}

func (c *codec) inputs(p *pb.Inputs, in *Inputs) {
	same(c, &p.Policy, &in.Policy)
	number(c, &p.Policies, &in.Policies)
	same(c, &p.ResetBudget, &in.Orders.ResetBudget)
	same(c, &p.Paused, &in.Orders.Paused)
	list(c, &p.InFlight, &in.InFlight, func(p *pb.Kill, f *qos.InFlight) {
		c.text(&p.ContainerId, &f.ID)
		same(c, &p.Inode, &f.Inode)
		c.time(&p.Since, &f.Since)
	})
	number(c, &p.InFlightAfter, &in.After)
	if optional(c, &p.Start, &in.Start) {
		c.start(p.GetStart(), in.Start)
	}
}

func (c *codec) start(p *pb.Start, s *Start) {
	same(c, &p.Checkpoint, &s.Checkpoint)
	same(c, &p.Seed, &s.Seed)
	same(c, &p.Decisions, &s.Decisions)
}
