package log

import (
	"errors"
	"fmt"
	"time"
)

// Classes of errors, for errors.Is.
var (
	// ErrNoLog: there is no log there.
	ErrNoLog = errors.New("no decision log")
	// ErrOptions: the options contradict each other.
	ErrOptions = errors.New("decision log options")
)

// Options say how much is kept. The zero value of a field stands for its
// default.
type Options struct {
	// MaxBytes is what all files may take together; the oldest go first.
	MaxBytes int64
	// MaxFileBytes is the size at which the written file is compressed and
	// another is begun.
	MaxFileBytes int64
	// MaxFileAge is the age at which that happens at the latest.
	MaxFileAge time.Duration
	// RetryAfter is how long nothing is written after an error of the disk.
	RetryAfter time.Duration
	// Queue is the number of records that wait for the disk at most.
	Queue int
}

// Defaults of Options. The evidence is in docs/reference/decision-log.md: a node of ten
// containers takes some MB a day, so that the total is weeks of it.
const (
	DefaultMaxBytes   = 256 << 20
	DefaultMaxFileAge = 24 * time.Hour
	DefaultRetryAfter = 10 * time.Second
	DefaultQueue      = 64

	// maxFileBytes is the default of MaxFileBytes where the total allows it:
	// what one question has to unpack at least.
	maxFileBytes = 16 << 20
	// filesPerTotal is how many files the total holds at least: one that is
	// written, one that is being compressed, and what is left when the oldest
	// is removed.
	filesPerTotal = 4
	// MinBytes is the least that MaxBytes can be.
	MinBytes = 1 << 20
)

func (o Options) withDefaults() (Options, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = min(maxFileBytes, o.MaxBytes/(2*filesPerTotal))
	}
	if o.MaxFileAge == 0 {
		o.MaxFileAge = DefaultMaxFileAge
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = DefaultRetryAfter
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	switch {
	case o.MaxFileBytes < 0, o.MaxFileAge < 0, o.RetryAfter < 0, o.Queue < 0:
		return o, fmt.Errorf("%w: none may be negative", ErrOptions)
	case o.MaxBytes < MinBytes:
		return o, fmt.Errorf("%w: %d bytes in all are less than %d", ErrOptions, o.MaxBytes, MinBytes)
	case o.MaxBytes < filesPerTotal*o.MaxFileBytes:
		return o, fmt.Errorf("%w: %d bytes in all must hold %d files of %d", ErrOptions, o.MaxBytes, filesPerTotal, o.MaxFileBytes)
	}
	return o, nil
}
