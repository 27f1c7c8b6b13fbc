// Package enum gives the enumerations of shared values their words: the text of
// a value in the decision log, the API, metric labels and settings.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// Words are the words of an enumeration, each at the index of its value.
type Words []string

// String is the word of value v, "invalid" when there is none.
func (w Words) String(v uint8) string {
	if int(v) < len(w) {
		return w[v]
	}
	return "invalid"
}

// Marshal is the word of value v; a value without one is an error.
func (w Words) Marshal(v uint8) ([]byte, error) {
	if int(v) >= len(w) {
		return nil, fmt.Errorf("%d is no value of %s", v, strings.Join(w, ", "))
	}
	return []byte(w[v]), nil
}

// Unmarshal is the value of the word text; a word that is not there is an error.
func Unmarshal[E ~uint8](w Words, text []byte, to *E) error {
	i := slices.Index(w, string(text))
	if i < 0 {
		return fmt.Errorf("%q is none of %s", text, strings.Join(w, ", "))
	}
	*to = E(i) //nolint:gosec // enumerations have less than 256 values
	return nil
}
