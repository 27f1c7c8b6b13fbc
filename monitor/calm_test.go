package monitor_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// A container is read seldom while nobody waits, and that it is contended is
// noticed at the first look after that all the same, whenever it was read last.
func TestFastAfterCalm(t *testing.T) {
	for _, shape := range []cgrouptest.Shape{cgrouptest.Split, cgrouptest.UnifiedV2} {
		for offset := range 10 {
			l := newFastSampler(t, shape, 0, "a", "b", "web")
			l.cpus(2)
			v2 := shape == cgrouptest.UnifiedV2
			used, waited := time.Second, time.Second
			look := func(use, wait time.Duration) snapshot.Contention {
				used += use
				waited += wait
				if v2 {
					l.waited("web", waited)
				} else {
					l.used("web", used)
				}
				l.busy(wait)
				return l.poll()
			}
			for range 30 + offset {
				if q := look(100*time.Millisecond, 500*time.Microsecond); q.State == snapshot.ContentionContended {
					t.Fatalf("%s: calm: %+v", shape, q)
				}
			}
			q := look(60*time.Millisecond, 40*time.Millisecond)
			if !q.Wake || q.Container != "web" || q.Degree < 0.35 || q.Degree > 0.45 {
				t.Errorf("%s: %d looks later: %+v", shape, offset, q)
			}
			q = look(60*time.Millisecond, 40*time.Millisecond)
			if q.State != snapshot.ContentionContended || q.Container != "web" || q.Degree < 0.3 || q.Degree > 0.45 {
				t.Errorf("%s: %d looks later, the look after that: %+v", shape, offset, q)
			}
		}
	}
}

// On a calm host a container is read in one of five looks; on v2 how calm that
// is depends on the number of CPUs, and without it none is.
func TestFastReadsLittleWhileCalm(t *testing.T) {
	for _, tc := range []struct {
		name  string
		shape cgrouptest.Shape
		cpus  int
		host  time.Duration // that somebody waited in each look
		looks int           // until it is read
	}{
		{"v1, calm", cgrouptest.Split, 64, 1900 * time.Microsecond, 5},
		{"v1, not quite", cgrouptest.Split, 64, 2100 * time.Microsecond, 1},
		{"v2, calm", cgrouptest.UnifiedV2, 2, 900 * time.Microsecond, 5},
		{"v2, not quite", cgrouptest.UnifiedV2, 2, 1100 * time.Microsecond, 1},
		{"v2, many CPUs", cgrouptest.UnifiedV2, 64, 30 * time.Microsecond, 5},
		{"v2, many CPUs, not quite", cgrouptest.UnifiedV2, 64, 40 * time.Microsecond, 1},
		{"v2, CPUs not known", cgrouptest.UnifiedV2, 0, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newFastSampler(t, tc.shape, 0, "web")
			l.cpus(tc.cpus)
			look := func() snapshot.Contention {
				l.busy(tc.host)
				return l.poll()
			}
			for range 12 {
				look()
			}
			// A container that cannot be read is not judged any more.
			name, controller := "cpuacct.usage", "cpuacct"
			if tc.shape == cgrouptest.UnifiedV2 {
				name, controller = "cpu.pressure", "cpu"
			}
			most := 0
			for range 10 {
				l.Write(controller, "web", name, "1\n")
				if tc.shape == cgrouptest.UnifiedV2 {
					l.waited("web", time.Second)
				}
				for range 3 * 5 {
					look()
				}
				l.Write(controller, "web", name, "nothing\n")
				looks := 1
				for look().Judged == 1 {
					looks++
				}
				most = max(most, looks)
			}
			if most > tc.looks || tc.looks > 1 && most < 2 {
				t.Errorf("read after %d looks, want %d", most, tc.looks)
			}
		})
	}
}
