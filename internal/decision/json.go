package decision

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// writer appends JSON as encoding/json would, which a test holds it to, without
// reflection: a line is written every second, and this is a tenth of the cost.
type writer struct {
	b []byte
	// first: nothing stands in the object or list yet.
	first bool
}

func (w *writer) open(c byte) {
	w.b = append(w.b, c)
	w.first = true
}

func (w *writer) close(c byte) {
	w.b = append(w.b, c)
	w.first = false
}

func (w *writer) next() {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
}

// key begins a field.
func (w *writer) key(name string) {
	w.next()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// object is a field that is an object; list one that is a list of objects.
func (w *writer) object(name string, fields func()) {
	w.key(name)
	w.open('{')
	fields()
	w.close('}')
}

func list[T any](w *writer, name string, all []T, fields func(*writer, *T)) {
	if len(all) == 0 {
		return
	}
	w.key(name)
	w.open('[')
	for i := range all {
		w.next()
		w.open('{')
		fields(w, &all[i])
		w.close('}')
	}
	w.close(']')
}

func (w *writer) strings(name string, all []string) {
	if len(all) == 0 {
		return
	}
	w.key(name)
	w.open('[')
	for _, s := range all {
		w.next()
		w.b = appendString(w.b, s)
	}
	w.close(']')
}

func (w *writer) text(name, v string) {
	w.key(name)
	w.b = appendString(w.b, v)
}

func (w *writer) int(name string, v int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, v, 10)
}

func (w *writer) uint(name string, v uint64) {
	w.key(name)
	w.b = strconv.AppendUint(w.b, v, 10)
}

func (w *writer) float(name string, v float64) {
	w.key(name)
	w.b = appendFloat(w.b, v)
}

func (w *writer) seconds(name string, v Seconds) {
	w.key(name)
	w.b = appendFixed(w.b, int64(v), 9)
}

func (w *writer) amount(name string, v Amount) {
	w.key(name)
	w.b = appendFixed(w.b, int64(v), 3)
}

// The ones that are left out when they are zero.

func (w *writer) someText(name, v string) {
	if v != "" {
		w.text(name, v)
	}
}

func (w *writer) someInt(name string, v int) {
	if v != 0 {
		w.int(name, int64(v))
	}
}

func (w *writer) someUint(name string, v uint64) {
	if v != 0 {
		w.uint(name, v)
	}
}

func (w *writer) someFloat(name string, v float64) {
	if v != 0 {
		w.float(name, v)
	}
}

func (w *writer) someSeconds(name string, v Seconds) {
	if v != 0 {
		w.seconds(name, v)
	}
}

func (w *writer) maybeSeconds(name string, v *Seconds) {
	if v != nil {
		w.seconds(name, *v)
	}
}

func (w *writer) flag(name string, v bool) {
	if v {
		w.key(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *writer) value(name string, v Value) {
	if v == (Value{}) {
		return
	}
	w.key(name)
	w.b = v.append(w.b)
}

func (v Value) append(b []byte) []byte {
	if v.OK() {
		return appendFloat(b, v.V)
	}
	b = append(b, `{"why":"`...)
	b = append(b, v.Why.String()...)
	return append(b, `"}`...)
}

// appendFloat appends the shortest text that is read as the same number.
func appendFloat(b []byte, v float64) []byte {
	if a := math.Abs(v); a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendString appends a string with what JSON does not allow in one, and the
// line ends that JavaScript knows, escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(append(b, s[from:i]...), `\ufffd`...)
			case r == '\u2028', r == '\u2029':
				b = append(append(b, s[from:i]...), `\u202`...)
				b = append(b, hexDigits[r&0xf])
			default:
				i += size
				continue
			}
			i += size
			from = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
