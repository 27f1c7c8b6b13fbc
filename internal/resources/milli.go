package resources

import (
	"math"
	"strconv"
)

// Milli is a scalar quantity in thousandths of the resource's own unit: 1500
// is 1.5 cpus, or 1.5 MB of mem. Mesos compares and adds scalars in exactly
// this fixed point (src/common/values.cpp, convertToFixed), so nothing here is
// ever a float.
//
// The range is that of int64, about ±9.2e15 units.
type Milli int64

// Unit is one whole unit: one cpu, one MB.
const Unit Milli = 1000

// String prints the shortest exact decimal form: "4", "1.5", "0.001", "-0.25".
// The agent prints the same below 1e12 units; above, it keeps 15 significant
// digits only (src/common/values.cpp, operator<<).
func (m Milli) String() string { return string(m.Append(nil)) }

// Append appends the text of m to b, without allocating when b has room.
func (m Milli) Append(b []byte) []byte {
	u := uint64(m)
	if m < 0 {
		b = append(b, '-')
		u = -u // also right for the smallest int64, whose negation only fits unsigned
	}
	b = strconv.AppendUint(b, u/1000, 10)
	frac := u % 1000
	if frac == 0 {
		return b
	}
	b = append(b, '.', byte('0'+frac/100))
	if frac%100 != 0 {
		b = append(b, byte('0'+frac/10%10))
		if frac%10 != 0 {
			b = append(b, byte('0'+frac%10))
		}
	}
	return b
}

// Plus returns m + n, kept at the ends of the range instead of wrapping.
func (m Milli) Plus(n Milli) Milli {
	sum := m + n
	switch {
	case n > 0 && sum < m:
		return math.MaxInt64
	case n < 0 && sum > m:
		return math.MinInt64
	}
	return sum
}

// FloorTo rounds m down to a multiple of quantum; a quantum of 0 or less
// leaves m as it is. Where that multiple is out of range, the result is the
// least Milli.
func (m Milli) FloorTo(quantum Milli) Milli {
	if quantum <= 0 {
		return m
	}
	r := m % quantum
	if r < 0 {
		r += quantum
	}
	return m.Plus(-r)
}
