package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// coder writes or reads one tick. Each method names a value and does the one
// or the other, so that the format stands in the code once and the two
// directions cannot differ. Writing never changes what it is shown.
type coder struct {
	// reading: values come from buf, which gets shorter; otherwise they are
	// appended to it.
	reading bool
	// version is that of the file that is read, or Version.
	version uint32
	buf     []byte
	strings *strTable
	// base, when writing, is the time from which others are measured.
	base time.Time
	// err is the first thing that went wrong; nothing is read after it.
	err error
}

var errShort = errors.New("ends too early")

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.buf = c.buf[:0]
}

// uvarint is a whole number, 7 bits to a byte (encoding/binary).
func (c *coder) uvarint(v *uint64) {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, *v)
		return
	}
	n, size := binary.Uvarint(c.buf)
	if size <= 0 {
		c.fail(errShort)
		*v = 0
		return
	}
	*v, c.buf = n, c.buf[size:]
}

// delta is a whole number by its difference from one that both sides know,
// zigzag: 0, -1, 1, -2 … are 0, 1, 2, 3 …. Differences wrap, so that any two
// numbers have one.
func (c *coder) delta(v *uint64, known uint64) {
	if c.reading {
		var z uint64
		c.uvarint(&z)
		*v = known + (z>>1 ^ -(z & 1))
		return
	}
	d := *v - known
	z := d<<1 ^ uint64(int64(d)>>63) //nolint:gosec // the sign bit is meant
	c.uvarint(&z)
}

func (c *coder) octet(v *byte) {
	if !c.reading {
		c.buf = append(c.buf, *v)
		return
	}
	if len(c.buf) == 0 {
		c.fail(errShort)
		*v = 0
		return
	}
	*v, c.buf = c.buf[0], c.buf[1:]
}

func (c *coder) flag(v *bool) {
	var b byte
	if *v {
		b = 1
	}
	c.octet(&b)
	if c.reading {
		if b > 1 {
			c.fail(fmt.Errorf("a flag of %d", b))
		}
		*v = b == 1
	}
}

// word is one of n values that are counted from 0.
func word[T ~uint8](c *coder, v *T, n int) {
	b := byte(*v)
	c.octet(&b)
	if c.reading {
		if int(b) >= n {
			c.fail(fmt.Errorf("%T of %d", *v, b))
			b = 0
		}
		*v = T(b)
	}
}

// int is a whole number by its difference from the one before.
func (c *coder) int(v *int, before int) {
	n := uint64(*v)             //nolint:gosec // the bits are meant
	c.delta(&n, uint64(before)) //nolint:gosec // the bits are meant
	if c.reading {
		*v = int(n) //nolint:gosec // inverse of the above
	}
}

// length is the length of a list; each entry takes a byte at least, so that no
// length can ask for more than there is.
func (c *coder) length(n int) int {
	v := uint64(n) //nolint:gosec // a length
	c.uvarint(&v)
	if c.reading && (v > maxEntries || v > uint64(len(c.buf))) {
		c.fail(fmt.Errorf("a list of %d", v))
		return 0
	}
	if v > maxEntries {
		c.fail(fmt.Errorf("%w: a list of %d", ErrTooLarge, v))
		return 0
	}
	return int(v) //nolint:gosec // at most maxEntries
}

// why is the reason of an absence.
func (c *coder) why(v *snapshot.Absence) {
	b := byte(*v)
	c.octet(&b)
	if c.reading {
		if int(b) >= snapshot.NumAbsences {
			c.fail(fmt.Errorf("an absence of %d", b))
			b = 0
		}
		*v = snapshot.Absence(b)
	}
}

// float is a number by its bits, exclusive-or those of a number that both sides
// know. What differs is mostly at the front, so the bytes are turned around.
func (c *coder) float(v *float64, known float64) {
	if c.reading {
		var x uint64
		c.uvarint(&x)
		*v = math.Float64frombits(math.Float64bits(known) ^ bits.ReverseBytes64(x))
		return
	}
	x := bits.ReverseBytes64(math.Float64bits(*v) ^ math.Float64bits(known))
	c.uvarint(&x)
}

// noTime is how the zero time is written.
const noTime = uint64(1) << 63

// stamp is a time as ns, in two's complement: those from the base by the
// monotonic clock where both have it, and of the base since 1970. So times that
// are read back are as far apart as those that were written, also where the
// clock was set between them.
func (c *coder) stamp(t time.Time) uint64 {
	if t.IsZero() {
		return noTime
	}
	since := t.Sub(c.base)
	if c.base.IsZero() || since == math.MaxInt64 || since == math.MinInt64 { // or too far from it
		return uint64(t.UnixNano()) //nolint:gosec // the bits are meant
	}
	return uint64(c.base.UnixNano() + int64(since)) //nolint:gosec // the bits are meant
}

// maxSeconds keeps times where UnixNano is defined: within 292 years of 1970.
const maxSeconds = math.MaxInt64/int64(time.Second) - 1

// time is a time by its difference from a stamp that both sides know.
func (c *coder) time(v *time.Time, known uint64) {
	if c.reading {
		var n uint64
		c.delta(&n, known)
		*v = time.Time{}
		if n != noTime {
			*v = time.Unix(0, int64(n)) //nolint:gosec // inverse of stamp
		}
		return
	}
	if s := v.Unix(); !v.IsZero() && (s > maxSeconds || s < -maxSeconds) {
		c.fail(fmt.Errorf("the time %v cannot be recorded", *v))
		return
	}
	n := c.stamp(*v)
	c.delta(&n, known)
}

func (c *coder) quantities(v *resources.Quantities) {
	n := c.length(len(*v))
	if c.reading {
		*v = nil
		if n > 0 {
			*v = make(resources.Quantities, n)
		}
	}
	for i := range *v {
		q := &(*v)[i]
		c.string(&q.Name)
		amount := uint64(q.Amount) //nolint:gosec // the bits are meant
		c.delta(&amount, 0)
		if c.reading {
			q.Amount = resources.Milli(amount) //nolint:gosec // inverse of the above
		}
	}
}

// strTable gives each string of a file a number the first time it comes.
type strTable struct {
	numbers map[string]uint64 // writing
	list    []string          // reading
	count   int
	bytes   int
}

// full reports whether it is time for a new file.
func (t *strTable) full() bool { return t.count > maxStrings/2 || t.bytes > maxStringBytes/2 }

// string is a string: 0, its length and its bytes the first time, after that
// its number, from 1.
func (c *coder) string(v *string) {
	if c.reading {
		c.readString(v)
		return
	}
	n, ok := c.strings.numbers[*v]
	if ok {
		c.uvarint(&n)
		return
	}
	t := c.strings
	if t.count >= maxStrings || t.bytes+len(*v) > maxStringBytes {
		c.fail(fmt.Errorf("%w: strings of %d bytes", ErrTooLarge, t.bytes+len(*v)))
		return
	}
	t.count, t.bytes = t.count+1, t.bytes+len(*v)
	t.numbers[*v] = uint64(t.count) //nolint:gosec // counts up from 1
	var literal uint64
	c.uvarint(&literal)
	size := uint64(len(*v))
	c.uvarint(&size)
	c.buf = append(c.buf, *v...)
}

func (c *coder) readString(v *string) {
	var n uint64
	c.uvarint(&n)
	t := c.strings
	if n > 0 {
		if n > uint64(len(t.list)) {
			c.fail(fmt.Errorf("string %d of %d", n, len(t.list)))
			return
		}
		*v = t.list[n-1]
		return
	}
	var size uint64
	c.uvarint(&size)
	if c.err != nil {
		return
	}
	if size > uint64(len(c.buf)) || len(t.list) >= maxStrings || t.bytes+int(size) > maxStringBytes { //nolint:gosec // bounded by the buffer
		c.fail(fmt.Errorf("a string of %d bytes", size))
		return
	}
	*v = string(c.buf[:size])
	c.buf = c.buf[size:]
	t.bytes += len(*v)
	t.list = append(t.list, *v)
}
