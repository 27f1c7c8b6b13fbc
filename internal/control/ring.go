package control

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// Series are numbers over time; one that is not known is NaN, and null in JSON.
type Series []float32

// MarshalJSON writes numbers to the thousandth: what is finer is noise.
func (s Series) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+6*len(s)), '[')
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		if x := math.Round(float64(v)*1000) / 1000; known(v) {
			b = strconv.AppendFloat(b, x, 'f', -1, 64)
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Series) UnmarshalJSON(text []byte) error {
	var all []*float32
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*s = make(Series, len(all))
	for i, v := range all {
		(*s)[i] = unknown
		if v != nil {
			(*s)[i] = *v
		}
	}
	return nil
}

var unknown = float32(math.NaN())

// known reports whether x is a number.
func known(x float32) bool { return x-x == 0 }

// ring keeps the last values of all columns, the mean of each step.
type ring struct {
	step time.Duration
	// at are the steps since 1970 that there are values of. next is where those of
	// a new step go, n how many steps there are, merged how many values make up
	// those of the newest.
	at              []int64
	next, n, merged int
	columns         []Series
}

func newRing(step, span time.Duration, columns int) *ring {
	r := &ring{step: step, at: make([]int64, span/step), columns: make([]Series, columns)}
	for i := range r.columns {
		r.columns[i] = make(Series, len(r.at))
	}
	return r
}

// newest is the newest step, -1 when there is none.
func (r *ring) newest() int64 {
	if r.n == 0 {
		return -1
	}
	return r.at[r.place(r.n-1)]
}

func (r *ring) add(at time.Time, values Series) {
	if step := at.UnixNano() / int64(r.step); step != r.newest() {
		r.at[r.next] = step
		r.next = (r.next + 1) % len(r.at)
		r.n, r.merged = min(r.n+1, len(r.at)), 0
		for _, c := range r.columns {
			c[r.place(r.n-1)] = unknown
		}
	}
	r.merged++
	newest := r.place(r.n - 1)
	for i, v := range values {
		switch mean := &r.columns[i][newest]; {
		case !known(*mean):
			*mean = v
		case known(v):
			*mean += (v - *mean) / float32(r.merged)
		}
	}
}

// forget makes all values of a column unknown: it will be another's.
func (r *ring) forget(column int) {
	for i := range r.columns[column] {
		r.columns[column][i] = unknown
	}
}

// place is where the i-th oldest values are.
func (r *ring) place(i int) int { return (r.next - r.n + i + len(r.at)) % len(r.at) }

// window cuts the values of the time before the newest ones out of each column.
// times are in seconds since 1970.
func (r *ring) window(span time.Duration) (times []int64, column func(int) Series) {
	first := r.n
	for first > 0 && r.newest()-r.at[r.place(first-1)] <= int64(span/r.step) {
		first--
	}
	times = make([]int64, 0, r.n-first)
	for i := first; i < r.n; i++ {
		times = append(times, r.at[r.place(i)]*int64(r.step/time.Second))
	}
	return times, func(c int) Series {
		begin, end := r.place(first), r.place(first)+len(times)
		if end <= len(r.at) {
			return slices.Clone(r.columns[c][begin:end])
		}
		return slices.Concat(r.columns[c][begin:], r.columns[c][:end-len(r.at)])
	}
}
