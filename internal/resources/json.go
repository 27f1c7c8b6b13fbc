package resources

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// MarshalJSON writes m as a decimal number of the resource's own unit: 1500 is
// 1.5. The number is exact.
func (m Milli) MarshalJSON() ([]byte, error) { return m.Append(nil), nil }

// UnmarshalJSON reads what MarshalJSON writes: a number of at most three
// decimals, without an exponent. Anything else is an error, never a rounding.
func (m *Milli) UnmarshalJSON(text []byte) error {
	whole, decimals, _ := strings.Cut(string(text), ".")
	if len(decimals) > 3 {
		return fmt.Errorf("amount %s has more than three decimals", text)
	}
	milli, err := strconv.ParseInt(whole+(decimals + "000")[:3], 10, 64)
	if err != nil {
		return fmt.Errorf("amount %s is no decimal number in the range of a scalar", text)
	}
	*m = Milli(milli)
	return nil
}

// MarshalJSON writes an object of names and amounts: {"cpus":1.5,"mem":512}.
func (q Quantities) MarshalJSON() ([]byte, error) {
	amounts := make(map[string]Milli, len(q))
	for _, e := range q {
		amounts[e.Name] = e.Amount
	}
	return json.Marshal(amounts)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (q *Quantities) UnmarshalJSON(text []byte) error {
	var amounts map[string]Milli
	if err := json.Unmarshal(text, &amounts); err != nil {
		return err
	}
	*q = nil
	for name, amount := range amounts {
		q.Set(name, amount)
	}
	return nil
}
