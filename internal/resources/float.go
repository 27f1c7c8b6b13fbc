package resources

import "math"

// The one place where floats meet the fixed point: protobuf carries scalars as
// doubles, predictors and metrics compute with them.

// Float is m in whole units. Nothing that was a float is ever compared with an
// allocation.
func (m Milli) Float() float64 { return float64(m) / 1000 }

// FromWire converts a protobuf scalar as the agent does, rounding half away
// from zero (src/common/values.cpp, convertToFixed). ok is false for what
// cannot be a scalar: NaN, an infinity, a negative number (also one that
// rounds to zero), or one of 9.2e15 units or more.
func FromWire(units float64) (m Milli, ok bool) {
	milli := math.Round(units * 1000)
	// From 2^63 on the agent's llround overflows, and the value reads as
	// negative there.
	if math.IsNaN(milli) || units < 0 || milli >= 1<<63 {
		return 0, false
	}
	return Milli(milli), true
}

// FloorMilli converts whole units, rounding towards negative infinity. NaN
// gives 0, values outside the range of Milli are clamped. It undoes Float
// exactly up to 2^50: FloorMilli(m.Float()) is m.
func FloorMilli(units float64) Milli {
	milli := units * 1000
	if whole, near := snap(milli); near {
		return clamp(whole)
	}
	return clamp(math.Floor(milli))
}

// CeilMilli converts whole units, rounding towards positive infinity. NaN
// gives 0, values outside the range of Milli are clamped. It undoes Float
// exactly up to 2^50: CeilMilli(m.Float()) is m.
func CeilMilli(units float64) Milli {
	milli := units * 1000
	if whole, near := snap(milli); near {
		return clamp(whole)
	}
	return clamp(math.Ceil(milli))
}

// snap returns the whole number nearest to milli, and whether the two differ
// by no more than the roundings of the division in Float and of the
// multiplication by 1000 can make: half a unit in the last place each, 2^-53
// of the value; 2^-51 leaves room for a sum in between. Without it an
// allocation of 0.067 would come back as 0.068 or 0.066.
func snap(milli float64) (whole float64, near bool) {
	whole = math.Round(milli)
	return whole, math.Abs(milli-whole) <= math.Abs(milli)*0x1p-51
}

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
