package monitor

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// The judgement of the fast lane about one container, from one counter that is
// polled ten times a second.

const (
	// minPoll: over less, the kernel's timer tick (4 to 10 ms) is most of what
	// is measured.
	minPoll = 20 * time.Millisecond
	// stalledAbove is a share of time in which some task of the container
	// waited. Polled at 100 ms, a threshold of a fifth notices a neighbor that
	// takes half of a CPU at the first whole poll after it began.
	stalledAbove = 0.2
	// slowedBelow is a part of the CPU that the container had just before. What
	// the timer tick leaves uncertain of 100 ms is below a tenth.
	slowedBelow = 0.85
	// slowedFloor is what it must have had, in cores: less says nothing.
	slowedFloor = 0.1
	// slowedDeviations is how many mean deviations below what it had a
	// container has to be, so that one whose use goes up and down by itself is
	// not news at each turn (2.5 of them are 2 σ of a normal distribution).
	slowedDeviations = 2.5
	// calmMemory and squeezedMemory are the time constants of what is usual.
	// While it is squeezed, that is forgotten slowly: a container that simply
	// has less to do is calm again after some seconds.
	calmMemory     = time.Second
	squeezedMemory = 5 * time.Second
)

// pace is what is known of one counter.
type pace struct {
	n       uint64
	at      time.Duration
	sampled bool
	// usual and deviation are running means of the rate, and of how far it is
	// from that; known: there is one.
	usual, deviation float64
	known            bool
	// squeezed is the last judgement, by how much in [0, 1]; worse: it waits
	// for more than is usual.
	squeezed bool
	worse    bool
	degree   float64
}

// recent is the part of the interval of dt up to at in which the host was not
// calm, which ended at calm; all of it when that is too short to judge. A
// container is read less often while the host is calm, and what came after that
// is not to be lost in what was before.
func recent(at, dt, calm time.Duration) time.Duration {
	if d := at - calm; d >= minPoll && d < dt {
		return d
	}
	return dt
}

// next is the growth per ns since the sample before; false when there is
// nothing to compare with.
func (p *pace) next(n uint64, at time.Duration) (rate float64, dt time.Duration, ok bool) {
	before := *p
	if before.sampled && at-before.at < minPoll && at >= before.at && n >= before.n {
		return 0, 0, false // the interval stays open
	}
	p.n, p.at, p.sampled = n, at, true
	if !before.sampled || n < before.n || at < before.at {
		return 0, 0, false
	}
	dt = at - before.at
	return float64(n-before.n) / float64(dt), dt, true
}

// forget is for a counter that could not be read.
func (p *pace) forget() { *p = pace{} }

// learn moves what is usual towards rate. The drop at which it begins to be
// squeezed is a deviation like any, so that drops that come again and again are
// usual; what follows it is not.
func (p *pace) learn(rate float64, dt time.Duration, was bool) {
	if !p.known {
		p.usual, p.deviation, p.known = rate, 0, true
		return
	}
	// What varies from look to look varies less over several of them.
	looks := math.Sqrt(max(1, float64(dt)/float64(FastEvery)))
	p.deviation += weight(dt, p.squeezed && was) * (math.Abs(rate-p.usual)*looks - p.deviation)
	p.usual += weight(dt, p.squeezed) * (rate - p.usual)
}

// weight is that of an interval of dt in a running mean.
func weight(dt time.Duration, squeezed bool) float64 {
	memory := calmMemory
	if squeezed {
		memory = squeezedMemory
	}
	return float64(dt) / float64(dt+memory)
}

// stalled judges the share of time in which some task waited for a CPU, without
// that in which its own quota held it back. Waiting is news when it is more
// than usual: a container with more threads than CPUs always waits. calm is when
// the host was calm last: it waited since then.
func (p *pace) stalled(c snapshot.Count, at, calm time.Duration, throttled float64) (judged, news bool) {
	if !c.OK() {
		p.forget()
		return false, false
	}
	rate, dt, ok := p.next(c.N, at)
	if !ok {
		return p.known, false
	}
	d := recent(at, dt, calm)
	rate, dt = rate*float64(dt)/float64(d), d
	share := max(0, min(rate*1e3, 1)-throttled) // µs per ns
	was := p.worse
	p.worse = share > stalledAbove && (!p.known || share > p.usual+stalledAbove)
	p.squeezed, p.degree = share > stalledAbove, share
	news = p.worse && !was
	p.learn(share, dt, true)
	return true, news
}

// foresee is stalled before the next poll is due: it says squeezed when that poll,
// if it is in time, cannot but do so, because tasks waited for enough of FastEvery
// already. (Where containers take turns: when a poll would do so now.) It changes
// nothing that polls are made from. soon: it has waited so much that a later look
// before the poll may say so.
func (p *pace) foresee(n uint64, at, calm time.Duration, throttled float64) (news, soon bool) {
	if !p.known || n < p.n || at-p.at < minPoll {
		return false, false
	}
	dt := recent(at, at-p.at, calm)
	waited := float64(n-p.n) * 1e3 // ns
	share := max(0, min(waited/float64(dt), 1)-throttled)
	least := min(waited/float64(max(dt, FastEvery)), 1) - throttled
	if least <= stalledAbove {
		return false, share > stalledAbove/2
	}
	p.squeezed, p.degree = true, share
	news = !p.worse && least > p.usual+stalledAbove
	p.worse = p.worse || news
	return news, !p.worse && share > p.usual+stalledAbove
}

// slowed judges CPU use, in ns per ns, on a host that is busy or not. calm is
// when the host was calm last: up to then it is taken to have had the usual.
func (p *pace) slowed(c snapshot.Count, at, calm time.Duration, busy bool) (judged, news bool) {
	if !c.OK() {
		p.forget()
		return false, false
	}
	cores, dt, ok := p.next(c.N, at)
	if !ok {
		return p.known, false
	}
	if d := recent(at, dt, calm); d < dt && p.known {
		cores = max(0, (cores*float64(dt)-p.usual*float64(dt-d))/float64(d))
		dt = d
	}
	was := p.squeezed
	least := min(slowedBelow*p.usual, p.usual-slowedDeviations*p.deviation)
	p.squeezed = busy && p.known && p.usual >= slowedFloor && cores < least
	p.degree = 0
	if p.squeezed {
		p.degree = 1 - cores/p.usual
	}
	judged = p.known
	p.learn(cores, dt, was)
	return judged, p.squeezed && !was
}
