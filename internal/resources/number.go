package resources

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// smallestNormal is the smallest double that is not subnormal.
const smallestNormal = 0x1p-1022

// parseScalar reads the number of a text entry as the agent does.
//
// The agent converts the text to the nearest double and that to thousandths
// with llround(value · 1000) (src/common/values.cpp, convertToFixed). The
// product is a double too, so a decimal half may go either way: 1.5015 becomes
// 1.502, but 0.5005 becomes 0.5. To get the agent's number for every input,
// this takes the same two steps on doubles: strconv and the C library round to
// the nearest alike, and so does the product.
func parseScalar(text string) (Milli, error) {
	v, ok := parseDouble(text)
	switch {
	case !ok || v < 0:
		return 0, fmt.Errorf("%w: %q is no number of zero or more", ErrSyntax, text)
	case v != 0 && v < smallestNormal:
		return 0, fmt.Errorf("%w: %q is too small (a subnormal number)", ErrSyntax, text)
	}
	return fixed(v, text)
}

// fixed converts a scalar's double; what is not zero must not become zero
// (src/common/resources.cpp:838, validate).
func fixed(v float64, text string) (Milli, error) {
	m, ok := FromWire(v)
	switch {
	case !ok:
		return 0, fmt.Errorf("%w: %q is out of the range of a scalar", ErrSyntax, text)
	case m == 0 && v != 0:
		return 0, fmt.Errorf("%w: %q rounds to zero, a scalar has three decimals", ErrSyntax, text)
	}
	return m, nil
}

// parseDouble reads the decimal numbers that boost::lexical_cast<double> does:
// an optional sign, digits with at most one point among or around them, an
// optional exponent. Not the other forms that strconv knows: hexadecimal,
// underscores, infinities, NaN. ok is false, too, when the number is too large
// for a double; one that is too small is zero.
func parseDouble(text string) (v float64, ok bool) {
	rest := strings.TrimLeft(text, "+-")
	if len(text)-len(rest) > 1 {
		return 0, false
	}
	whole, rest := cutDigits(rest)
	frac := 0
	if strings.HasPrefix(rest, ".") {
		frac, rest = cutDigits(rest[1:])
	}
	if whole+frac == 0 {
		return 0, false
	}
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return 0, false
		}
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		digits, tail := cutDigits(rest)
		if digits == 0 || tail != "" {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// cutDigits returns how many decimal digits s starts with and what follows.
func cutDigits(s string) (n int, rest string) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n, s[n:]
}

// parseWhole reads a bound of a range: decimal digits with an optional "+", or
// hexadecimal with "0x" (stout/numify.hpp).
func parseWhole(text string) (uint64, error) {
	digits, base := strings.TrimPrefix(text, "+"), 10
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		digits, base = text[2:], 16
	}
	if strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "-") {
		digits = ""
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: expecting a whole number of zero or more, not %q", ErrSyntax, text)
	}
	return n, nil
}
