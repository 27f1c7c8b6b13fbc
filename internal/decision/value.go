package decision

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// errNumber is what a number of a Line may not be.
var errNumber = errors.New("not a number of this kind")

// Seconds is a time as a decimal number of seconds, exact to the nanosecond.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) { return appendFixed(nil, int64(s), 9), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(b []byte) error { return parseFixed(b, 9, (*int64)(s)) }

// Amount is an amount of a resource as a decimal number, exact to the
// thousandth.
type Amount resources.Milli

// MarshalJSON implements json.Marshaler.
func (a Amount) MarshalJSON() ([]byte, error) { return appendFixed(nil, int64(a), 3), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (a *Amount) UnmarshalJSON(b []byte) error { return parseFixed(b, 3, (*int64)(a)) }

// appendFixed appends v, which counts units of 10^-digits, without zeros at the
// end.
func appendFixed(b []byte, v int64, digits int) []byte {
	u := uint64(v) //nolint:gosec // the bits are meant
	if v < 0 {
		b = append(b, '-')
		u = -u // also right for the smallest int64
	}
	unit := uint64(math.Pow10(digits))
	b = strconv.AppendUint(b, u/unit, 10)
	frac := u % unit
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for frac != 0 {
		unit /= 10
		b = append(b, byte('0'+frac/unit)) //nolint:gosec // a digit
		frac %= unit
	}
	return b
}

// parseFixed is the inverse of appendFixed; more digits than that are refused.
func parseFixed(b []byte, digits int, v *int64) error {
	text := string(b)
	whole, frac, _ := strings.Cut(text, ".")
	if len(frac) > digits || len(whole) > 20 {
		return fmt.Errorf("%w: %q", errNumber, text)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", digits-len(frac)), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %q", errNumber, text)
	}
	*v = n
	return nil
}

// Instant is a time by the calendar, in ns since 1970, written as RFC 3339 in
// UTC with nine decimals.
type Instant int64

const instantForm = "2006-01-02T15:04:05.000000000Z"

// Time is the same as a time.Time, in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, int64(i)).UTC() }

// MarshalJSON implements json.Marshaler.
func (i Instant) MarshalJSON() ([]byte, error) { return i.append(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (i *Instant) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+instantForm+`"`, string(b))
	if err != nil {
		return err
	}
	*i = Instant(t.UnixNano())
	return nil
}

// Value is a reading: a number, or {"why": reason} where there is none. Its zero
// value was not read and is left out.
type Value snapshot.Value

// valueOf is v as it can be written: what is no finite number never was a
// reading.
func valueOf(v snapshot.Value) Value {
	if !v.OK() {
		return Value{Why: v.Why}
	}
	if math.IsNaN(v.V) || math.IsInf(v.V, 0) {
		return Value{Why: snapshot.Malformed}
	}
	return Value(v)
}

func countOf(c snapshot.Count) Value {
	return valueOf(snapshot.Value{V: float64(c.N), Why: c.Why})
}

// finite is x, or 0 where it cannot be written.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// OK reports whether there is a number.
func (v Value) OK() bool { return v.Why == snapshot.Present }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.OK() && (math.IsNaN(v.V) || math.IsInf(v.V, 0)) {
		return nil, errNumber
	}
	return v.append(nil), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		v.Why = snapshot.Present
		return json.Unmarshal(b, &v.V)
	}
	var absent struct {
		Why string `json:"why"`
	}
	if err := json.Unmarshal(b, &absent); err != nil {
		return err
	}
	for i := range snapshot.NumAbsences {
		if a := snapshot.Absence(i); a != snapshot.Present && a.String() == absent.Why { //nolint:gosec // few
			*v = Value{Why: a}
			return nil
		}
	}
	return fmt.Errorf("%w: a reading that is absent for %q", errNumber, absent.Why)
}
