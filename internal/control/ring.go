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
		if x := math.Round(float64(v)*1000) / 1000; math.IsNaN(x) || math.IsInf(x, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, x, 'f', -1, 64)
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

// ring keeps the last values of all columns at one resolution.
type ring struct {
	step time.Duration
	// at are the times of the values, in steps since 1970; next is where the next
	// ones go, n how many there are.
	at      []int64
	next, n int
	columns [][]float32
}

func newRing(step, span time.Duration, columns int) *ring {
	r := &ring{step: step, at: make([]int64, span/step), columns: make([][]float32, columns)}
	for i := range r.columns {
		r.columns[i] = make([]float32, len(r.at))
	}
	return r
}

// slot is at in steps.
func (r *ring) slot(at time.Time) int64 { return at.UnixNano() / int64(r.step) }

// newest is the slot of the last values, -1 when there are none.
func (r *ring) newest() int64 {
	if r.n == 0 {
		return -1
	}
	return r.at[(r.next+len(r.at)-1)%len(r.at)]
}

func (r *ring) add(slot int64, values []float32) {
	r.at[r.next] = slot
	for i, v := range values {
		r.columns[i][r.next] = v
	}
	r.next = (r.next + 1) % len(r.at)
	r.n = min(r.n+1, len(r.at))
}

// forget makes all values of a column unknown: it will be another's.
func (r *ring) forget(column int) {
	for i := range r.columns[column] {
		r.columns[column][i] = unknown
	}
}

// since is where the values from that time on begin, counted from the oldest.
func (r *ring) since(from time.Time) int {
	first := r.slot(from)
	i := r.n
	for i > 0 && r.at[r.place(i-1)] >= first {
		i--
	}
	return i
}

// place is where the i-th oldest values are.
func (r *ring) place(i int) int { return (r.next - r.n + i + len(r.at)) % len(r.at) }

// times are those of the values from the i-th oldest on, in seconds since 1970.
func (r *ring) times(i int) []int64 {
	all := make([]int64, 0, r.n-i)
	for ; i < r.n; i++ {
		all = append(all, r.at[r.place(i)]*int64(r.step/time.Second))
	}
	return all
}

// column are the values of a column from the i-th oldest on.
func (r *ring) column(c, i int) Series {
	if i >= r.n {
		return Series{}
	}
	first, end := r.place(i), r.place(r.n-1)+1
	if first < end {
		return slices.Clone(Series(r.columns[c][first:end]))
	}
	return slices.Concat(Series(r.columns[c][first:]), Series(r.columns[c][:end]))
}

// mean is the mean of all that is known of each column within one step.
type mean struct {
	slot int64
	sum  []float64
	n    []int
}

func newMean(columns int) *mean {
	return &mean{slot: -1, sum: make([]float64, columns), n: make([]int, columns)}
}

func (m *mean) add(values []float32) {
	for i, v := range values {
		if known(v) {
			m.sum[i] += float64(v)
			m.n[i]++
		}
	}
}

// take is the mean, and begins anew.
func (m *mean) take() []float32 {
	values := make([]float32, len(m.sum))
	for i := range values {
		values[i] = unknown
		if m.n[i] > 0 {
			values[i] = float32(m.sum[i] / float64(m.n[i]))
		}
	}
	clear(m.sum)
	clear(m.n)
	return values
}

func (m *mean) forget(column int) { m.sum[column], m.n[column] = 0, 0 }
