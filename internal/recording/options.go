package recording

import (
	"errors"
	"fmt"
	"time"
)

// Options say how much is kept and how soon it is on disk. The zero value of a
// field stands for its default.
type Options struct {
	// MaxFileBytes is when a new file is begun. Smaller: less is lost with a
	// damaged one.
	MaxFileBytes int64
	// MaxTotalBytes is when the oldest file is removed.
	MaxTotalBytes int64
	// MaxAge is when a file is removed: this long after its last tick; 0 for never.
	MaxAge time.Duration
	// FlushEvery is how long ticks are collected before they are compressed and
	// written. Longer: smaller files, since each frame says anew which
	// containers there are; shorter: a process that is killed loses less.
	FlushEvery time.Duration
	// SyncEvery is how often the file is forced to the disk: what a power
	// failure may take.
	SyncEvery time.Duration
	// RetryAfter is how long nothing is recorded after an error of the disk.
	RetryAfter time.Duration
	// Queue is the number of frames that wait for the disk at most.
	Queue int
}

// Defaults of Options.
const (
	DefaultMaxFileBytes  = 16 << 20
	DefaultMaxTotalBytes = 1 << 30
	DefaultFlushEvery    = 15 * time.Second
	DefaultSyncEvery     = time.Minute
	DefaultRetryAfter    = 10 * time.Second
	DefaultQueue         = 4
)

var errOptions = errors.New("recording options")

func (o Options) withDefaults() (Options, error) {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.MaxFileBytes, DefaultMaxFileBytes)
	def(&o.MaxTotalBytes, DefaultMaxTotalBytes)
	def((*int64)(&o.FlushEvery), int64(DefaultFlushEvery))
	def((*int64)(&o.SyncEvery), int64(DefaultSyncEvery))
	def((*int64)(&o.RetryAfter), int64(DefaultRetryAfter))
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	switch {
	case o.MaxFileBytes < 0, o.MaxTotalBytes < 0, o.MaxAge < 0, o.FlushEvery < 0, o.SyncEvery < 0, o.RetryAfter < 0, o.Queue < 0:
		return o, fmt.Errorf("%w: none may be negative", errOptions)
	case o.MaxTotalBytes < 2*o.MaxFileBytes:
		return o, fmt.Errorf("%w: %d bytes in total must hold two files of %d", errOptions, o.MaxTotalBytes, o.MaxFileBytes)
	}
	return o, nil
}
