package main

import (
	"fmt"
	"slices"
	"time"
)

// quantile is that of sorted values, by the nearest rank.
func quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func median[T any](all []T, of func(T) float64) float64 {
	values := valuesOf(all, of)
	if n := len(values); n > 0 && n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return quantile(values, 0.5)
}

func valuesOf[T any](all []T, of func(T) float64) []float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = of(all[i])
	}
	slices.Sort(values)
	return values
}

func withLeast[T any](all []T, of func(T) float64) string {
	return fmt.Sprintf("%.2f (%.2f)", median(all, of), quantile(valuesOf(all, of), 0))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
