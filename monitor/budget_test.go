package monitor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// priced is a node on which a tick costs what the test says.
type priced struct {
	*node
	cpu time.Duration
	// price is what a tick costs at the cadence it has.
	price func(statEvery, pressureEvery int) time.Duration
	begun bool
	// stretch is that of the last tick.
	stretch int
}

func newPriced(tb testing.TB, root string, budget float64, price func(statEvery, pressureEvery int) time.Duration) *priced {
	tb.Helper()
	p := &priced{price: price}
	cfg := monitor.Config{CgroupRoot: root, StatEvery: 10, CostBudget: budget}
	cfg.ThreadCPU = func() time.Duration { // asked at the start and at the end of each tick
		if p.begun = !p.begun; !p.begun {
			p.cpu += p.price(10*max(1, p.stretch), min(max(1, p.stretch), 8))
		}
		return p.cpu
	}
	p.node = newNode(tb, cfg)
	return p
}

// settle ticks for ten minutes.
func (p *priced) settle() monitor.Stats {
	for range 600 {
		p.tick(time.Second, nil)
		p.stretch = p.Stats().CostStretch
	}
	return p.Stats()
}

func TestBudget(t *testing.T) {
	ms := func(v float64) time.Duration { return time.Duration(v * 1e6) }
	for _, tc := range []struct {
		name    string
		price   func(statEvery, pressureEvery int) time.Duration
		stretch int
		over    bool
	}{
		{"cheap", func(int, int) time.Duration { return ms(1) }, 1, false},
		{"just within", func(int, int) time.Duration { return ms(15) }, 1, false},
		// 5 ms and 12 ms at the configured cadence.
		{"stretched once", func(stat, _ int) time.Duration { return ms(5 + 120/float64(stat)) }, 2, false},
		// 9 ms and 80 ms: 80/16 + 9 is within, 80/8 + 9 is not.
		{"stretched far", func(stat, _ int) time.Duration { return ms(9 + 800/float64(stat)) }, 16, false},
		// 2 ms, 8 ms and 8 ms of pressure.
		{"with pressure", func(stat, pressure int) time.Duration { return ms(2 + 80/float64(stat) + 8/float64(pressure)) }, 2, false},
		{"not enough", func(int, int) time.Duration { return ms(16) }, 32, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.UnifiedV2)
			c.MakeRoot()
			p := newPriced(t, c.Root, 0.015, tc.price)
			s := p.settle()
			if s.CostStretch != tc.stretch || s.StatEvery != 10*tc.stretch || s.PressureEvery != min(tc.stretch, 8) || s.OverBudget != tc.over {
				t.Errorf("%+v", s)
			}
			share := tc.price(s.StatEvery, s.PressureEvery).Seconds()
			if !s.CostShare.OK() || s.CostShare.V < share*0.999 || s.CostShare.V > share*1.001 || s.CostBudget != 0.015 {
				t.Errorf("share %+v of %v, want %v", s.CostShare, s.CostBudget, share)
			}
			text := p.Layout()
			if says := strings.Contains(text, fmt.Sprintf("memory.stat every %d ticks", s.StatEvery)); says != (tc.stretch > 1) {
				t.Errorf("layout %q", text)
			}
			if says := strings.Contains(text, "exceeded all the same"); says != tc.over {
				t.Errorf("layout %q", text)
			}
			// When it is cheap again, it is as configured again.
			p.price = func(int, int) time.Duration { return ms(1) }
			if s := p.settle(); s.CostStretch != 1 || s.StatEvery != 10 || s.PressureEvery != 1 || s.OverBudget {
				t.Errorf("cheap again: %+v", s)
			}
		})
	}
}

// The stretched cadence is what is read, and what is not read keeps its value.
func TestStretchedCadenceIsWhatIsRead(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.UnifiedV2)
	c.MakeRoot()
	c.Make("c1")
	p := newPriced(t, c.Root, 0.015, func(int, int) time.Duration { return 16 * time.Millisecond })
	p.settle()
	p.price = func(int, int) time.Duration { return 10 * time.Millisecond } // nor is it relaxed
	stats, reads := 0, 0
	at := only(t, p.tick(time.Second, nil)).Memory.StatAt
	for i := range 640 {
		total := 10_000_000 + i*100_000 // a tenth of each second
		c.Write("memory", "c1", "memory.pressure", fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", total))
		got := only(t, p.tick(time.Second, nil))
		if !got.Memory.StatAt.Equal(at) {
			stats++
			at = got.Memory.StatAt
		}
		if got.Pressure.MemorySome.Why != snapshot.Present || got.CPU.Cores.Why != snapshot.Present || got.Pressure.CPUSome.Why != snapshot.Present {
			t.Fatalf("tick %d: %+v", i, got)
		}
		if i > 16 && (got.Pressure.MemorySome.V < 0.0999 || got.Pressure.MemorySome.V > 0.1001) {
			t.Fatalf("tick %d: %+v", i, got.Pressure.MemorySome)
		}
		reads += p.Stats().Tree.Reads
	}
	// Each tick: CPU, memory usage, CPU pressure. With memory.stat: tasks. At
	// each check: the quota.
	pressures := (reads - 640*3 - 2*stats - 640/monitor.DefaultCheckEvery) / 2
	if stats != 2 || pressures != 640/8 {
		t.Errorf("memory.stat was read %d times in 640 ticks, pressure %d times; want 2 and 80", stats, pressures)
	}
}

// The clock is the thread's: what others do meanwhile costs nothing, and a tick
// costs something.
func TestCostOfARealTick(t *testing.T) {
	r := cgrouptest.NewReal(t)
	for i := range 50 {
		r.Make(fmt.Sprintf("c%02d", i))
	}
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	for range 3 {
		m.Sample(time.Now(), nil)
		if s := m.Stats(); s.Cost <= 0 || s.Cost > s.Took+10*time.Millisecond {
			t.Errorf("cost %v in %v", s.Cost, s.Took)
		}
	}
	if s := m.Stats(); s.CostShare.Why != snapshot.FirstSample || s.CostStretch != 1 || s.StatEvery != monitor.DefaultStatEvery {
		t.Errorf("before a window is over: %+v", s)
	}
}
