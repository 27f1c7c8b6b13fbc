package replay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// recordingPrefix says that a path is that of a recording.
const recordingPrefix = "recording:"

// DefaultStep is what the ticks of a recording are put together to: one of the
// agent's intervals.
const DefaultStep = 15 * time.Second

// recordingAt is the path of a recording, "" when path is that of a CSV file. A
// directory is one, and a file with the extension of one.
func recordingAt(path string) string {
	if rest, ok := strings.CutPrefix(path, recordingPrefix); ok {
		return rest
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasSuffix(path, recording.Extension) {
		return path
	}
	return ""
}

// gathering turns what the daemon recorded on its node into steps.
//
// A step holds the regular top-level containers that are there at its last
// tick: usage is the mean of its ticks, weighted with the time that each is
// about, the allocation that of the last. A container that could not be read in
// any of them counts at its allocation, as in the daemon. Times are the recorded
// ones; a tick that is not after the one before (a clock that was set back) is
// left out.
type gathering struct {
	step       time.Duration
	slot       int64 // the step under way, -1 before the first
	last       time.Time
	containers map[string]*means
	ids        []string // of the last tick, in its order
	cores      float64
	visit      func(container string, r Row) error
}

// means are of one container in the step under way.
type means struct {
	cpu, mem mean
	row      Row
}

type mean struct{ sum, weight float64 }

func (m *mean) add(v, weight float64) {
	m.sum += v * weight
	m.weight += weight
}

// or is the mean, or what stands for it when there is none.
func (m *mean) or(v float64) float64 {
	if m.weight <= 0 {
		return v
	}
	return m.sum / m.weight
}

// eachRecordedRow reads the rows of a recording, step by step.
func (t *Trace) eachRecordedRow(doing string, f faults, visit func(csvRow) error) error {
	step := t.opts.step()
	if step < time.Second || step%time.Second != 0 {
		return fmt.Errorf("%w: a step of %s is not one of whole seconds", ErrOptions, step)
	}
	rec, err := recording.Open(t.recording)
	if err != nil {
		return err
	}
	if t.opts.Progress != nil {
		rec.Progress = func(read, total int64) { t.opts.Progress(doing+" "+t.recording, read, total) }
	}
	// Whole processors, so that the id says as much as that of a CSV file. They
	// are known once it was read.
	node := t.Dataset + "c" + strconv.Itoa(int(t.cores))
	g := gathering{step: step, slot: -1, containers: make(map[string]*means), visit: func(container string, r Row) error {
		return visit(csvRow{Row: r, node: node, container: container})
	}}
	for s, err := range rec.All() {
		switch {
		case t.opts.Context != nil && t.opts.Context.Err() != nil:
			return ErrCutShort
		case errors.Is(err, recording.ErrCut):
			f.cut()
		case err != nil && !t.opts.SkipMalformed:
			return err
		case err != nil:
			f.skipped(Skipped{Err: err})
		case s.At.After(g.last) && s.At.Unix() >= 0:
			if err := g.add(s); err != nil {
				return err
			}
		}
	}
	t.cores = g.cores
	return g.flush()
}

// step is the time that a row of a recording is about.
func (o *TraceOptions) step() time.Duration {
	if o.Step == 0 {
		return DefaultStep
	}
	return o.Step
}

// add adds a tick to its step.
func (g *gathering) add(s *snapshot.Snapshot) error {
	if slot := s.At.UnixNano() / int64(g.step); slot != g.slot {
		if err := g.flush(); err != nil {
			return err
		}
		g.slot = slot
	}
	weight := time.Nanosecond.Seconds()
	if !g.last.IsZero() {
		weight = min(s.At.Sub(g.last), g.step).Seconds()
	}
	g.last, g.ids = s.At, g.ids[:0]
	if size := s.Host.Usable(); size.OK() {
		g.cores = size.V
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.Parent != "" || c.Class() != snapshot.ClassRegular || len(g.ids) > 0 && g.ids[len(g.ids)-1] == c.ID {
			continue
		}
		m := g.containers[c.ID]
		if m == nil {
			m = &means{}
			g.containers[c.ID] = m
		}
		g.ids = append(g.ids, c.ID)
		m.row.CPU.Allocated = c.Executor.Regular.Get(resources.CPUs).Float()
		m.row.Memory.Allocated = c.Executor.Regular.Get(resources.Mem).Float()
		if v := c.CPU.Cores; c.OnDisk && v.OK() && v.V >= 0 && v.V <= maxQuantity {
			m.cpu.add(v.V, weight)
		}
		if b := c.Memory.UnreclaimableBytes; c.OnDisk && b.OK() {
			m.mem.add(float64(b.N)/resources.MemUnitBytes, weight)
		}
	}
	return nil
}

// flush yields the rows of the step that is over.
func (g *gathering) flush() error {
	// A row's time is the end of its step.
	at := (g.slot + 1) * int64(g.step/time.Second)
	for _, id := range g.ids {
		m := g.containers[id]
		row := Row{At: at, CPU: amounts(&m.cpu, m.row.CPU.Allocated), Memory: amounts(&m.mem, m.row.Memory.Allocated)}
		if row.CPU.Present || row.Memory.Present {
			if err := g.visit(id, row); err != nil {
				return err
			}
		}
	}
	clear(g.containers)
	return nil
}

func amounts(m *mean, allocated float64) Amounts {
	if !(allocated > 0 && allocated <= maxQuantity) {
		return Amounts{}
	}
	return Amounts{Used: m.or(allocated), Allocated: allocated, Present: true}
}

// nameOf is "node-7" for "recordings/node-7/".
func nameOf(path string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Clean(path)), recording.Extension)
}
