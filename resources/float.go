package resources

import "math"

// The one place where floats meet the fixed point: protobuf carries scalars as
// doubles, predictors and metrics compute with them.

// Float is m in whole units. Nothing that was a float is ever compared with an
// allocation.
func (m Milli) Float() float64 { return float64(m) / 1000 }

// maxWire bounds a scalar on the wire: above it the agent's llround overflows
// and the value reads as negative (contract of Mesos, src/common/values.cpp).
const maxWire = math.MaxInt64 / 1000

// FromWire converts a protobuf scalar as the agent does, rounding half away
// from zero (src/common/values.cpp, convertToFixed). ok is false for what
// cannot be a scalar: NaN, an infinity, a negative number (also one that
// rounds to zero), or one of 9.2e15 units or more.
func FromWire(units float64) (m Milli, ok bool) {
	if math.IsNaN(units) || units < 0 || units >= maxWire {
		return 0, false
	}
	return Milli(math.Round(units * 1000)), true
}

// FloorMilli converts whole units, rounding towards negative infinity. NaN
// gives 0, values outside the range of Milli are clamped.
func FloorMilli(units float64) Milli { return clamp(math.Floor(units * 1000)) }

// CeilMilli converts whole units, rounding towards positive infinity. NaN
// gives 0, values outside the range of Milli are clamped.
func CeilMilli(units float64) Milli { return clamp(math.Ceil(units * 1000)) }

func clamp(milli float64) Milli {
	switch {
	case math.IsNaN(milli):
		return 0
	case milli >= math.MaxInt64: // the constant rounds up to 2^63, which does not fit
		return math.MaxInt64
	case milli <= math.MinInt64:
		return math.MinInt64
	}
	return Milli(milli)
}
