package recording

import (
	"encoding"
	"fmt"
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// codec translates the ticks of one frame between the daemon's types and the
// messages of the recording. Each method is for one type and works in both
// directions, so that they cannot differ. Writing never changes what it is
// shown.
type codec struct {
	// reading: from the message to the daemon's type; else the other way.
	reading bool
	// base is the time from which others are measured, when writing: see stamp.
	base time.Time
	// at is the stamp of the tick, before that of the tick before.
	at, before int64
	// usage is the report of the frame; executors are the places in it, from 1
	// on, when writing.
	usage     *snapshot.Usage
	executors map[*snapshot.Executor]uint32
	// host and containers are those of the tick before in the frame, or as many
	// that are empty. Readings are written as differences from them.
	host       []snapshot.Host
	containers []snapshot.Container
	// err is the first thing that went wrong.
	err error
}

// begin forgets the ticks before; the first of the frame has n containers.
func (c *codec) begin(n int) {
	c.host, c.containers = make([]snapshot.Host, 1), make([]snapshot.Container, n)
}

// failed is what went wrong since the last call.
func (c *codec) failed() error {
	err := c.err
	c.err = nil
	return err
}

func (c *codec) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// noTime stands for the zero time.
const noTime = math.MinInt64

// maxSeconds keeps times where UnixNano is defined: within 292 years of 1970.
const maxSeconds = math.MaxInt64/int64(time.Second) - 1

// stamp is t in ns since 1970: by the calendar of base, and by the monotonic
// clock since, where both have it. So two stamps are as far apart as the daemon
// saw them, also when the clock of the machine was set between them.
func (c *codec) stamp(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	if s := t.Unix(); s > maxSeconds || s < -maxSeconds {
		c.fail(fmt.Errorf("the time %v cannot be recorded", t))
		return noTime
	}
	since := t.Sub(c.base)
	if c.base.IsZero() || since == math.MaxInt64 || since == math.MinInt64 { // or too far from it
		return t.UnixNano()
	}
	return c.base.UnixNano() + int64(since)
}

func timeOf(stamp int64) time.Time {
	if stamp == noTime {
		return time.Time{}
	}
	return time.Unix(0, stamp)
}

// time is a time since 1970.
func (c *codec) time(field *int64, t *time.Time) {
	if c.reading {
		*t = timeOf(*field)
		return
	}
	*field = c.stamp(*t)
}

// after is a time relative to that of the tick.
func (c *codec) after(field *int64, t *time.Time) {
	switch {
	case !c.reading && t.IsZero():
		*field = noTime
	case !c.reading:
		*field = c.stamp(*t) - c.at
	case *field == noTime:
		*t = time.Time{}
	default:
		*t = timeOf(c.at + *field)
	}
}

// calendar is a time as the calendar shows it.
func (c *codec) calendar(field *int64, t *time.Time) {
	plain := codec{reading: c.reading}
	plain.time(field, t)
	if plain.err != nil {
		c.fail(plain.err)
	}
}

// same is a value that is stored as it is.
func same[T any](c *codec, field, value *T) {
	if c.reading {
		*value = *field
		return
	}
	*field = *value
}

// text is what others have named: any bytes.
func (c *codec) text(field *[]byte, value *string) {
	if c.reading {
		*value = string(*field)
		return
	}
	*field = []byte(*value)
}

// number is a whole number of another type.
func number[F, V ~int | ~int64](c *codec, field *F, value *V) {
	if c.reading {
		*value = V(*field)
		return
	}
	*field = F(*value)
}

// word is a value of an enumeration.
func (c *codec) word(field *string, value interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
},
) {
	if c.reading {
		if err := value.UnmarshalText([]byte(*field)); err != nil {
			c.fail(err)
		}
		return
	}
	text, err := value.MarshalText()
	if err != nil {
		c.fail(err)
	}
	*field = string(text)
}

// optional makes the message or the value that the other one asks for, and
// reports whether there is one.
func optional[P, V any](c *codec, message **P, value **V) bool {
	switch {
	case c.reading && *message != nil:
		*value = new(V)
	case c.reading:
		*value = nil
	case *value != nil:
		*message = new(P)
	}
	return *message != nil
}

// list translates a list, entry by entry; room is used again where it is large
// enough.
func list[P, V any](c *codec, messages *[]*P, values *[]V, entry func(*P, *V)) {
	if c.reading {
		*values = resized(*values, len(*messages))
	} else if n := len(*values); n > 0 {
		room := make([]P, n)
		*messages = make([]*P, n)
		for i := range room {
			(*messages)[i] = &room[i]
		}
	}
	for i := range *values {
		entry((*messages)[i], &(*values)[i])
	}
}

// resized is a list of n zero values, in the room of list if it has enough.
func resized[T any](list []T, n int) []T {
	clear(list)
	return append(list[:0], make([]T, n)...)
}
