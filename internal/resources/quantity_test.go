package resources_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/resources"
)

func TestMilliString(t *testing.T) {
	for m, want := range map[resources.Milli]string{
		0: "0", 1: "0.001", 10: "0.01", 100: "0.1", 1500: "1.5", 4000: "4", -250: "-0.25", -1: "-0.001",
		math.MaxInt64: "9223372036854775.807", math.MinInt64: "-9223372036854775.808",
	} {
		if got := m.String(); got != want {
			t.Errorf("Milli(%d) = %q, want %q", int64(m), got, want)
		}
	}
}

func TestMilliStringIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Int64().Draw(t, "m")
		got, ok := new(big.Rat).SetString(resources.Milli(m).String())
		if !ok || got.Cmp(big.NewRat(m, 1000)) != 0 {
			t.Fatalf("Milli(%d) prints %q", m, resources.Milli(m))
		}
	})
}

func TestPlusStaysInRange(t *testing.T) {
	limit := func(x *big.Int) int64 {
		if !x.IsInt64() {
			if x.Sign() > 0 {
				return math.MaxInt64
			}
			return math.MinInt64
		}
		return x.Int64()
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		want := limit(new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
		if got := resources.Milli(a).Plus(resources.Milli(b)); int64(got) != want {
			t.Fatalf("%d + %d = %d, want %d", a, b, int64(got), want)
		}
	})
}

func TestFloorTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := resources.Milli(rapid.Int64Range(-1e15, 1e15).Draw(t, "m"))
		q := resources.Milli(rapid.Int64Range(1, 1e9).Draw(t, "q"))
		got := m.FloorTo(q)
		if got > m || m-got >= q || got%q != 0 {
			t.Fatalf("FloorTo(%d, %d) = %d", m, q, got)
		}
		if m.FloorTo(0) != m || m.FloorTo(-q) != m {
			t.Fatal("a quantum of zero or less must change nothing")
		}
	})
	if got := resources.Milli(math.MinInt64).FloorTo(1000); got != math.MinInt64 {
		t.Errorf("FloorTo of the least Milli = %d", got)
	}
}

func TestFloatsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := resources.Milli(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "m"))
		if got := resources.FloorMilli(m.Float()); got != m {
			t.Fatalf("FloorMilli(%v) = %d, want %d", m.Float(), got, m)
		}
		if got := resources.CeilMilli(m.Float()); got != m {
			t.Fatalf("CeilMilli(%v) = %d, want %d", m.Float(), got, m)
		}
		if got, ok := resources.FromWire(m.Float()); m >= 0 && (!ok || got != m) {
			t.Fatalf("FromWire(%v) = %d, %v, want %d", m.Float(), got, ok, m)
		}
	})
}

func TestFloorAndCeil(t *testing.T) {
	for _, tc := range []struct {
		units       float64
		floor, ceil resources.Milli
	}{
		{0.0672, 67, 68},
		{0.067, 67, 67},
		{1.0001, 1000, 1001},
		{-0.0001, -1, 0},
		{math.NaN(), 0, 0},
		{math.Inf(1), math.MaxInt64, math.MaxInt64},
		{math.Inf(-1), math.MinInt64, math.MinInt64},
		{1e300, math.MaxInt64, math.MaxInt64},
		{5e-324, 0, 1},
	} {
		if got := resources.FloorMilli(tc.units); got != tc.floor {
			t.Errorf("FloorMilli(%v) = %d, want %d", tc.units, got, tc.floor)
		}
		if got := resources.CeilMilli(tc.units); got != tc.ceil {
			t.Errorf("CeilMilli(%v) = %d, want %d", tc.units, got, tc.ceil)
		}
	}
}

func TestFromWireRefuses(t *testing.T) {
	for _, units := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -0.0001, 9223372036854776, 1e300} {
		if m, ok := resources.FromWire(units); ok {
			t.Errorf("FromWire(%v) = %d, want a refusal", units, m)
		}
	}
}

func TestQuantitiesKeepOrderAndSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q resources.Quantities
		sums := map[string]resources.Milli{}
		for range rapid.IntRange(0, 20).Draw(t, "adds") {
			name := rapid.SampledFrom([]string{"cpus", "mem", "disk", "a", "z"}).Draw(t, "name")
			amount := resources.Milli(rapid.Int64Range(0, 1e6).Draw(t, "amount"))
			q.Add(name, amount)
			sums[name] += amount
		}
		if len(q) != len(sums) {
			t.Fatalf("%v has not one entry per name", q)
		}
		for i, e := range q {
			if i > 0 && q[i-1].Name >= e.Name {
				t.Fatalf("%v is not sorted", q)
			}
			if e.Amount != sums[e.Name] {
				t.Fatalf("%s is %v, want %v", e.Name, e.Amount, sums[e.Name])
			}
		}
		c := q.Clone()
		c.Add("cpus", 1)
		if q.Get("cpus") != sums["cpus"] {
			t.Fatal("a clone shares with its origin")
		}
		for _, e := range q.Minus(c) {
			if e.Amount != 0 {
				t.Fatalf("more taken away than there is leaves %v", e)
			}
		}
		again, err := resources.Parse(q.String())
		if err != nil || again.String() != q.String() {
			t.Fatalf("%q reads back as %q, %v", q, again, err)
		}
	})
}
