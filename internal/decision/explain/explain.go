// Package explain answers questions about the past from the decision log alone:
// why the offer is what it is, why a container was killed, and why one was not.
// It works when the daemon is dead.
package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/qos/policy"
)

// Classes of errors, for errors.Is.
var (
	// ErrNothing: the log has nothing about that.
	ErrNothing = errors.New("nothing in the decision log")
	// ErrAmbiguous: several containers are meant.
	ErrAmbiguous = errors.New("several containers match")
)

// Log is a decision log up to a time.
type Log struct {
	reader *decisionlog.Reader
	// until is the time after which nothing is looked at; zero: all is.
	until time.Time
}

// Open opens the log in dir; until is the time about which is asked, zero for
// the end of the log.
func Open(dir string, until time.Time) (*Log, error) {
	r, err := decisionlog.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Log{reader: r, until: until}, nil
}

// Skipped is how many lines could not be read so far.
func (l *Log) Skipped() int { return l.reader.Skipped() }

// empty says why the log has no line at all to go by.
func (l *Log) empty() error {
	switch {
	case !l.until.IsZero():
		return fmt.Errorf("%w before that time", ErrNothing)
	case l.Skipped() > 0:
		return fmt.Errorf("%w that can be read", ErrNothing)
	}
	return ErrNothing
}

// back visits the records that q asks for up to the time in question, the newest
// first, until visit returns false.
func (l *Log) back(q decisionlog.Query, visit func(decisionlog.Place, *decision.Record) bool) {
	if q.Until.IsZero() {
		q.Until = l.until
	}
	for at, r := range l.reader.Backward(q) {
		if !visit(at, r) {
			return
		}
	}
}

// last is the newest record that q asks for, nil for none.
func (l *Log) last(q decisionlog.Query) (found *decision.Record) {
	l.back(q, func(_ decisionlog.Place, r *decision.Record) bool {
		found = r
		return false
	})
	return found
}

// policy is the one that r was decided by, an empty one where the log does not
// go back to it.
func (l *Log) policy(at decisionlog.Place, r *decision.Record) *policy.Policy {
	if r.Policy != nil {
		return r.Policy
	}
	p := &policy.Policy{}
	l.back(decisionlog.Query{Before: at, Texts: []string{`"policy":"` + r.PolicyHash + `"`, `"policy_document":`}}, func(_ decisionlog.Place, with *decision.Record) bool {
		p = with.Policy
		return false
	})
	return p
}

// matches reports whether a container is what name names: its id or the
// beginning of it, its executor or one of its tasks.
func matches(name, id, executor string, tasks []string) bool {
	return strings.HasPrefix(id, name) || executor == name || slices.Contains(tasks, name)
}

// oneOf is the only one of ids, which is in order of first mention; the one that
// is name itself counts alone.
func oneOf(name string, ids []string) (string, error) {
	switch {
	case slices.Contains(ids, name):
		return name, nil
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) == 0:
		return "", fmt.Errorf("%w about a container, executor or task %q", ErrNothing, name)
	}
	for i, id := range ids {
		ids[i] = strings.ReplaceAll(id, "\n", "?") // or it would look like another one
	}
	return "", fmt.Errorf("%w %q:\n  %s", ErrAmbiguous, name, strings.Join(ids, "\n  "))
}

func add(ids []string, id string) []string {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// resolve is the id of the container that name names among those that were
// weighed: of the newest weighing that knows one.
func (l *Log) resolve(name string) (id string, err error) {
	err = fmt.Errorf("%w about a container, executor or task %q", ErrNothing, name)
	l.back(decisionlog.Query{About: name}, func(_ decisionlog.Place, r *decision.Record) bool {
		id, err = resolveIn(r, name)
		return errors.Is(err, ErrNothing)
	})
	return id, err
}

// resolveIn is the id of the container that name names among those that r weighed.
func resolveIn(r *decision.Record, name string) (string, error) {
	var ids []string
	for i := range r.Eligible {
		e := &r.Eligible[i]
		if matches(name, e.ID, e.ExecutorID, e.Tasks) {
			ids = add(ids, e.ID)
		}
	}
	return oneOf(name, ids)
}
