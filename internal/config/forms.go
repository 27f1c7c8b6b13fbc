package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// ReadFile reads a whole file, as Read does.
type ReadFile func(name string) ([]byte, error)

// form is how a setting's text becomes a value and back.
type form struct {
	// name says what the text looks like.
	name string
	// list: in a file the value is a list.
	list bool
	set  func(c *Config, text string, read ReadFile) error
	get  func(c *Config) string
}

// parsed is the form of a value that parse makes from its text alone.
func parsed[T any](name string, field func(*Config) *T, parse func(string) (T, error), show func(T) string) form {
	return form{
		name: name,
		set: func(c *Config, text string, _ ReadFile) error {
			v, err := parse(text)
			if err == nil {
				*field(c) = v
			}
			return err
		},
		get: func(c *Config) string { return show(*field(c)) },
	}
}

func itself(s string) string { return s }

// anyText takes everything, the empty text included.
func anyText(name string, field func(*Config) *string) form {
	return parsed(name, field, func(s string) (string, error) { return s, noControl(s) }, itself)
}

// somePath takes everything but the empty text.
func somePath(field func(*Config) *string) form {
	return parsed("path", field, func(s string) (string, error) {
		if s == "" {
			return "", errors.New("is empty")
		}
		return s, noControl(s)
	}, itself)
}

// noControl refuses what cannot be part of a name, and would garble a log.
func noControl(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q holds a control character", s)
	}
	return nil
}

func choice[T ~string](field func(*Config) *T, of ...T) form {
	words := make([]string, len(of))
	for i, w := range of {
		words[i] = string(w)
	}
	list := strings.Join(words, "|")
	return parsed(list, field, func(s string) (T, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is not one of %s%s", s, list, Suggest(s, words))
		}
		return T(s), nil
	}, func(v T) string { return string(v) })
}

// duration takes Go's notation, between least and most.
func duration(field func(*Config) *time.Duration, least, most time.Duration) form {
	return parsed("duration", field, func(s string) (time.Duration, error) { return parseDuration(s, least, most) }, shortDuration)
}

func parseDuration(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && isNumber(s):
		return 0, fmt.Errorf("%q has no unit: write %ss, or ms, m, h", s, s)
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 5s or 1m30s", s)
	case d < least || d > most:
		return 0, fmt.Errorf("%q is not between %s and %s", s, shortDuration(least), shortDuration(most))
	}
	return d, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// shortDuration leaves out the zeros that Duration.String ends with: 5m, not
// 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// whole takes whole numbers between least and most.
func whole(field func(*Config) *int, least, most int) form {
	return parsed("number", field, func(s string) (int, error) { return parseWhole(s, least, most) }, strconv.Itoa)
}

func parseWhole(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a whole number", s)
	case n < least || n > most:
		return 0, fmt.Errorf("%q is not between %d and %d", s, least, most)
	}
	return n, nil
}

// number takes numbers between least and most.
func number(field func(*Config) *float64, least, most float64) form {
	return parsed("number", field, func(s string) (float64, error) { return parseNumber(s, least, most) }, printNumber)
}

// Limits of a promise: no estimator kept a rarer violation than one in 500, and
// a predictor of what happens half of the time predicts no peak.
const (
	leastTarget = 0.002
	mostTarget  = 0.5
)

// target takes the share of time in which a promise may be broken, as a number
// or in percent.
func target(field func(*Config) *float64) form {
	return parsed("share", field, func(s string) (float64, error) {
		number, percent := strings.CutSuffix(s, "%")
		v, err := parseNumber(strings.TrimSpace(number), 0, math.MaxFloat64)
		if err != nil {
			return 0, fmt.Errorf("%q is no share, such as 0.01 or 1%%", s)
		}
		if percent {
			v /= 100
		}
		if v < leastTarget || v > mostTarget {
			return 0, fmt.Errorf("%q is not between %s and %s", s, printShare(leastTarget), printShare(mostTarget))
		}
		return v, nil
	}, printShare)
}

// printShare prints percents with the digits of the share: 0.01 is 1%.
func printShare(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e4, 'f', -1, 64) + "%"
}

func printNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// parseNumber takes a finite decimal number.
func parseNumber(s string, least, most float64) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, math.IsNaN(v), math.IsInf(v, 0), strings.ContainsAny(s, "xX_"):
		return 0, fmt.Errorf("%q is not a number", s)
	case v < least && most >= math.MaxFloat64:
		return 0, fmt.Errorf("%q is less than %s", s, printNumber(least))
	case v < least || v > most:
		return 0, fmt.Errorf("%q is not between %s and %s", s, printNumber(least), printNumber(most))
	}
	return v, nil
}

// Off is the value of Config.Listen that opens no port.
const Off = "off"

// address takes host:port, or Off.
func address(field func(*Config) *string) form {
	return parsed("host:port|"+Off, field, func(s string) (string, error) {
		if s == Off {
			return s, nil
		}
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", fmt.Errorf("%q is not host:port or %s", s, Off)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return "", fmt.Errorf("%q has no port number between 0 and 65535", s)
		}
		return s, noControl(s)
	}, itself)
}

// words takes a list: in a file a YAML list, elsewhere separated by commas.
func words(field func(*Config) *[]string, of ...string) form {
	f := wordsOrNone(field, of...)
	orNone := f.set
	f.set = func(c *Config, s string, read ReadFile) error {
		if s == "" {
			return errors.New("is empty")
		}
		return orNone(c, s, read)
	}
	return f
}

// wordsOrNone takes a list that may be empty.
func wordsOrNone(field func(*Config) *[]string, of ...string) form {
	f := parsed("list", field, func(s string) ([]string, error) {
		var out []string
		for w := range strings.SplitSeq(s, ",") {
			w = strings.TrimSpace(w)
			switch {
			case s == "":
				return nil, nil
			case !slices.Contains(of, w):
				return nil, fmt.Errorf("%q is not one of %s%s", w, strings.Join(of, ", "), Suggest(w, of))
			case slices.Contains(out, w):
				return nil, fmt.Errorf("%q is listed twice", w)
			}
			out = append(out, w)
		}
		return out, nil
	}, func(v []string) string { return strings.Join(v, ",") })
	f.list = true
	return f
}

// amounts takes Mesos resource text of unreserved scalars.
func amounts(field func(*Config) *resources.Quantities) form {
	return parsed("resources", field, resources.Parse, resources.Quantities.String)
}

// amountsOrFile takes what the agent's own --resources does: the text, JSON, or
// the URL (file://) or absolute path of a file that holds either.
func amountsOrFile(field func(*Config) *resources.Quantities) form {
	return form{
		name: "resources",
		set: func(c *Config, text string, read ReadFile) error {
			if text == "" {
				*field(c) = nil
				return nil
			}
			name, isURL := strings.CutPrefix(text, "file://")
			if isURL && !strings.HasPrefix(name, "/") {
				return fmt.Errorf("%q is not an absolute path", text)
			}
			in := ""
			if isURL || strings.HasPrefix(text, "/") {
				data, err := read(name)
				if err != nil {
					return err
				}
				text, in = strings.TrimSpace(string(data)), name+": "
			}
			q, err := resources.Parse(text)
			if err != nil {
				return fmt.Errorf("%s%w", in, err)
			}
			if q.IsZero() { // the agent drops zeros, and no cap is not a cap of zero
				return fmt.Errorf("%s%q names no amount above zero (mode noop offers nothing)", in, text)
			}
			*field(c) = q
			return nil
		},
		get: func(c *Config) string { return field(c).String() },
	}
}
