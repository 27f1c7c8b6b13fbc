// Package printable makes text of others fit for a terminal.
//
// Ids and labels are chosen by whoever starts a task. Control characters (C0 and
// C1) move a terminal's cursor or worse, and bidirectional ones let a text read
// otherwise than it is.
package printable

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is s with a question mark for every character that is not printed. Line
// breaks stay: whoever prints lines of others takes them apart before.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Quote quotes text for a message, with what is not printed escaped, and no more
// of it than a reader needs.
func Quote(text string) string {
	const most = 60 // bytes
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// JSON is a writer to w that writes such characters of JSON texts as escape
// sequences, which say the same. Encoders do so with C0 themselves. Each
// write must hold whole characters.
func JSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

// Write implements io.Writer.
func (j jsonWriter) Write(b []byte) (int, error) {
	var out []byte
	done := 0 // of b
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if (size > 1 || r == 0x7f) && !unicode.IsPrint(r) {
			out = append(out, b[done:i]...)
			if r > 0xffff {
				out = fmt.Appendf(out, `\u%04x`, 0xd800+(r-0x10000)>>10)
				r = 0xdc00 + (r-0x10000)&0x3ff
			}
			out = fmt.Appendf(out, `\u%04x`, r)
			done = i + size
		}
		i += size
	}
	if _, err := j.w.Write(append(out, b[done:]...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Wrap puts words into lines of at most so many characters. A word that is longer is
// cut.
func Wrap(words []string, width int) (lines []string) {
	line := ""
	for _, word := range words {
		for r := []rune(word); len(r) > width; r = []rune(word) {
			if line != "" {
				lines = append(lines, line)
			}
			lines, line, word = append(lines, string(r[:width])), "", string(r[width:])
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
