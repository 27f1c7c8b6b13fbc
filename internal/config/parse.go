package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/agentclient"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/resources"
)

// The parsers say what is wrong with a text. They quote no more of it than a
// line can hold, and nothing that would garble a terminal.
var quote = printable.Quote

// noControl refuses what cannot be part of a name, and would garble a log.
func noControl(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%s holds a control character", quote(s))
	}
	return nil
}

// oneOf refuses what is not one of the words.
func oneOf(s string, words []string, separator string) error {
	if slices.Contains(words, s) {
		return nil
	}
	return fmt.Errorf("%s is not one of %s%s", quote(s), strings.Join(words, separator), Suggest(s, words))
}

func parseBool(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("%s is not true or false", quote(s))
	}
	return s == "true", nil
}

func parseDuration(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	_, noUnit := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && noUnit == nil:
		return 0, fmt.Errorf("%s has no unit: write %ss, or ms, m, h", quote(s), s)
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration such as 500ms, 5s or 1m30s", quote(s))
	case d < least || d > most:
		return 0, fmt.Errorf("%s is not between %s and %s", quote(s), shortDuration(least), shortDuration(most))
	}
	return d, nil
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

func parseWhole(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a whole number", quote(s))
	case n < least || n > most:
		return 0, fmt.Errorf("%s is not between %d and %d", quote(s), least, most)
	}
	return n, nil
}

// parseNumber takes a finite decimal number.
func parseNumber(s string, least, most float64) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, math.IsNaN(v), math.IsInf(v, 0), strings.ContainsAny(s, "xX_"):
		return 0, fmt.Errorf("%s is not a number", quote(s))
	case v < least || v > most:
		return 0, fmt.Errorf("%s is not between %s and %s", quote(s), printNumber(least), printNumber(most))
	}
	return v, nil
}

func printNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// ParseShare takes a part of one, as a number or in percent.
func ParseShare(s string) (float64, error) { return parseShare(s, 0, 1) }

func parseShare(s string, least, most float64) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := parseNumber(strings.TrimSpace(number), 0, unlimited)
	if err != nil {
		return 0, fmt.Errorf("%s is no share, such as 0.01 or 1%%", quote(s))
	}
	if percent {
		v /= 100
	}
	if v < least || v > most {
		return 0, fmt.Errorf("%s is not between %s and %s", quote(s), printShare(least), printShare(most))
	}
	return v, nil
}

// printShare prints percents with the digits of the share: 0.01 is 1%.
func printShare(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e4, 'f', -1, 64) + "%"
}

// Off is the value of a setting that turns its part of the daemon off.
const Off = "off"

// checkAddress refuses what is neither host:port nor Off.
func checkAddress(s string) error {
	if s == Off {
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%s is not host:port or %s", quote(s), Off)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s has no port number between 0 and 65535", quote(s))
	}
	return noControl(s)
}

// checkAgentURL refuses what is neither the URL of an agent nor empty.
func checkAgentURL(s string) error {
	if s == "" {
		return nil
	}
	_, err := agentclient.ParseURL(s)
	return err
}

// checkPath refuses what names no file of this host: the address of a gRPC
// server would make directories called "unix:".
func checkPath(s string) error {
	if scheme, rest, isURL := strings.Cut(s, ":/"); isURL && !strings.Contains(scheme, "/") {
		return fmt.Errorf("%s is an address, where a path is expected: write %s", quote(s), quote("/"+strings.TrimLeft(rest, "/")))
	}
	return noControl(s)
}

func checkFilledPath(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	return checkPath(s)
}

// offerable are the resources that can be offered. A resource of another name, as
// an agent may have, is in nobody's power to take back.
var offerable = []string{resources.CPUs, resources.Mem, "disk"}

// aka are what people call them, beside misspellings.
var aka = map[string]string{
	"core": "cpus", "cores": "cpus", "vcpu": "cpus", "vcpus": "cpus", "memory": "mem", "ram": "mem", "storage": "disk",
}

func parseAmounts(s string) (resources.Quantities, error) {
	q, err := resources.Parse(s)
	for _, e := range q {
		if !slices.Contains(offerable, e.Name) {
			meant, _, _ := strings.Cut(strings.ToLower(e.Name), "{") // "cpus{REV}" is how the agent prints it
			meant = cmp.Or(aka[meant], nearest(meant, offerable))
			return nil, fmt.Errorf("%s is not one of %s%s", quote(e.Name), strings.Join(offerable, ", "), didYouMean(meant))
		}
	}
	return q, err
}

// totals takes what the agent's own --resources does: text, JSON, or the URL of
// a file that holds either. Of a file nothing is repeated: it may be another
// one than was meant.
func totals(to *resources.Quantities, read ReadFile) value {
	v := amounts(to)
	v.set = func(s string) error {
		where := ""
		if name, isURL := strings.CutPrefix(s, "file://"); isURL {
			if !strings.HasPrefix(name, "/") {
				return fmt.Errorf("%s is not an absolute path", quote(s))
			}
			data, err := read(name)
			if err != nil {
				return err
			}
			s, where = strings.TrimSpace(string(data)), name+": "
		} else if strings.HasPrefix(s, "/") {
			return fmt.Errorf("%s looks like a path: write file://%s to read amounts from it", quote(s), s)
		}
		q, err := parseAmounts(s)
		var entry *resources.Error
		switch {
		case where != "" && errors.As(err, &entry):
			return fmt.Errorf("%sentry %d: %s", where, entry.Entry, entry.Reason)
		case err != nil:
			return fmt.Errorf("%s%w", where, err)
		case q.IsZero() && (s != "" || where != ""): // the agent drops zeros, and no cap is not a cap of zero
			return fmt.Errorf("%snames no amount above zero (mode noop offers nothing)", where)
		}
		*to = q
		return nil
	}
	return v
}

// checkLendable takes the name of a scalar resource that can be offered
// of reservations.
func checkLendable(s string) error {
	if slices.Contains(offerable, s) {
		return nil
	}
	if _, err := resources.Parse(s + ":1"); err != nil {
		return err
	}
	if meant := cmp.Or(aka[strings.ToLower(s)], nearest(strings.ToLower(s), offerable)); meant != "" {
		return fmt.Errorf("%s is not one of %s%s", quote(s), strings.Join(offerable, ", "), didYouMean(meant))
	}
	return nil
}

// checkRolePattern takes the name of a role, or one with /* for all below.
func checkRolePattern(s string) error {
	if err := resources.CheckRole(strings.TrimSuffix(s, "/*")); err != nil {
		return fmt.Errorf("role %s %w", quote(s), err)
	}
	if s == "*" {
		return errors.New(`"*" is what is reserved to nobody: the master offers it as regular`)
	}
	return nil
}

// parseKeep reads role=amounts or role=share.
func parseKeep(s string) (k estimator.Keep, err error) {
	role, what, found := strings.Cut(s, "=")
	if !found {
		return k, fmt.Errorf("%s is not role=amounts or role=share, such as web=cpus:1 or web=20%%", quote(s))
	}
	if err := checkRolePattern(role); err != nil {
		return k, err
	}
	k.Role = role
	if strings.Contains(what, ":") {
		k.Amounts, err = resources.Parse(what)
	} else {
		k.Share, err = ParseShare(what)
	}
	if err != nil {
		return k, fmt.Errorf("what is kept for %s: %w", quote(role), err)
	}
	return k, nil
}

// Roles is which reservations are offered.
func (a *Allocation) Roles() estimator.RoleFilter {
	f := estimator.RoleFilter{Include: a.Include, Exclude: a.Exclude}
	for _, text := range a.Keep {
		if k, err := parseKeep(text); err == nil { // loading refuses others
			f.Keep = append(f.Keep, k)
		}
	}
	return f
}
