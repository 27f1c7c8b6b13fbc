package qos

import (
	"strconv"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// within reports whether an age is within its limit. One that is as much
// below zero comes from a clock that was set, and is not believed either.
func within(age, limit time.Duration) bool { return -limit <= age && age <= limit }

// appendNumber prints v with that many decimals, -1 for as many as it has.
func appendNumber(b []byte, v float64, decimals int) []byte {
	return strconv.AppendFloat(b, v, 'f', decimals, 64)
}

// appendPercent prints a share: "97 %", "97.5 %".
func appendPercent(b []byte, share float64) []byte {
	b = strconv.AppendFloat(b, share*100, 'f', 1, 64)
	if n := len(b); n > 2 && b[n-2] == '.' && b[n-1] == '0' {
		b = b[:n-2]
	}
	return append(b, " %"...)
}

// appendSeconds prints d in seconds: "5 s", "0.5 s".
func appendSeconds(b []byte, d time.Duration) []byte {
	b = strconv.AppendFloat(b, d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64)
	return append(b, " s"...)
}

// appendAmount prints an amount of a resource: "1.50 CPUs", "512 MB".
func appendAmount(b []byte, res Resource, x float64) []byte {
	if res == CPU {
		b = appendNumber(b, x, 2)
		return append(b, " CPUs"...)
	}
	b = appendNumber(b, x/resources.MemUnitBytes, 0)
	return append(b, " MB"...)
}
