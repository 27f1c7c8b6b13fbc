package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// ErrInvalid is the class of everything that Load and ParsePolicy refuse.
var ErrInvalid = errors.New("invalid configuration")

// Error is one thing that is wrong with the configuration.
type Error struct {
	// Where is the name of the file, of the environment variable, or of the
	// flag with its dashes.
	Where string
	// Line and Column count from 1; 0: not in a file, or not known.
	Line, Column int
	// Key is the setting's place in the file, "" where Where says it all.
	Key string
	// Reason says what is wrong, with the text that is.
	Reason string
	// Err is the error behind it, nil when there is none.
	Err error
}

// Error is "file:line:column: key: reason", without what is not known.
func (f *Error) Error() string {
	var b strings.Builder
	b.WriteString(f.Where)
	if f.Line > 0 {
		b.WriteString(":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(max(1, f.Column)))
	}
	if f.Key != "" {
		b.WriteString(": " + f.Key)
	}
	b.WriteString(": " + f.Reason)
	return b.String()
}

// Is makes every Error an ErrInvalid.
func (f *Error) Is(target error) bool { return target == ErrInvalid }

// Unwrap is the error behind f.
func (f *Error) Unwrap() error { return f.Err }

// Errors are all that is wrong, in the order of the text.
type Errors []*Error

// Error is one line per fault.
func (fs Errors) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults to errors.Is and errors.As.
func (fs Errors) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// err is fs as an error, nil when it is empty.
func (fs Errors) err() error {
	if len(fs) == 0 {
		return nil
	}
	slices.SortStableFunc(fs, func(a, b *Error) int {
		if a.Where != b.Where {
			return 0
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return fs
}
