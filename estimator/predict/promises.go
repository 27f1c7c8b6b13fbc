package predict

import "time"

const (
	// experts is the number of experts of tce.
	experts = 4
	// labelsPerHorizon bounds how many promises are kept per horizon: their
	// truths overlap, so that more would cost and teach nothing.
	labelsPerHorizon = 60
	promiseRing      = labelsPerHorizon + 4
)

// promises are what the experts said while the horizon is not over, with the
// truth about it as far as it is known: the peak of the summed demand of the
// containers that counted then, one that leaves counting 0.
//
// A container present now was present at a promise exactly if it joined no
// later. So one pass over the promises, newest first, serves all of them:
// O(containers + promises) per step, and exact.
type promises struct {
	horizon time.Duration
	ring    [promiseRing]promise
	head, n int
	late    [promiseRing]float64
}

type promise struct {
	at  time.Time
	seq int64
	// truth is in units of the resource.
	truth float64
	// allocated and scale are of that step, f are the experts' shares, mixed is
	// the share that was predicted.
	allocated, scale, mixed float64
	f                       [experts]float64
}

func (p *promises) at(i int) *promise { return &p.ring[(p.head+i)%promiseRing] }

// over reports whether the oldest promise's horizon ended before t, or at t.
func (p *promises) over(t time.Time) bool {
	return p.n > 0 && !t.Before(p.at(0).at.Add(p.horizon))
}

func (p *promises) pop() *promise {
	oldest := p.at(0)
	p.head = (p.head + 1) % promiseRing
	p.n--
	return oldest
}

// push makes room for a promise; nil when there is none.
func (p *promises) push() *promise {
	if p.n == promiseRing {
		return nil
	}
	p.n++
	return p.at(p.n - 1)
}

// skipped reports whether so much time went unseen since the step before that
// the truths under way cannot be known any more. usual is the usual time
// between steps, 0 when that is not known.
func (p *promises) skipped(elapsed, usual time.Duration) bool {
	return elapsed > p.horizon || usual > 0 && elapsed > max(usual+usual/2, p.horizon/20)
}

// due reports whether it is time for another promise.
func (p *promises) due(at time.Time) bool {
	return p.n == 0 || at.Sub(p.at(p.n-1).at) >= p.horizon/labelsPerHorizon
}

// follow takes those whose horizon ended before v, unless too much of what came
// after them was not seen: then all are dropped.
func (p *promises) follow(v *View, take func(*promise)) {
	if p.skipped(v.Elapsed, v.Usual) {
		p.n = 0
	}
	for p.n > 0 && v.At.After(p.at(0).at.Add(p.horizon)) {
		take(p.pop())
	}
}

// begin starts a step; observe follows for each container, end at last.
func (p *promises) begin() { clear(p.late[:p.n]) }

// observe takes the demand of a container that counts since step joined. It
// returns the demand, or 0 when no promise includes the container.
func (p *promises) observe(joined int64, demand float64) float64 {
	if p.n == 0 || joined > p.at(p.n-1).seq {
		return 0
	}
	if joined > p.at(0).seq {
		first, last := 1, p.n-1 // the first promise with seq >= joined is in there
		for first < last {
			if mid := (first + last) / 2; p.at(mid).seq < joined {
				first = mid + 1
			} else {
				last = mid
			}
		}
		p.late[first] += demand
	}
	return demand
}

// end raises every truth to the sum total of what observe returned, without
// those that joined after the promise.
func (p *promises) end(total float64) {
	for i := p.n - 1; i >= 0; i-- {
		o := p.at(i)
		o.truth = max(o.truth, total)
		total -= p.late[i]
	}
}
