package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrMarker is returned when a document has no place for a generated section.
var ErrMarker = errors.New("no such generated section")

// replaceSection returns doc with what stands between the two marker lines of
// the section replaced by text:
//
//	<!-- generated: NAME -->
//	<!-- end: NAME -->
func replaceSection(doc []byte, name string, text []byte) ([]byte, error) {
	begin, end := []byte("<!-- generated: "+name+" -->\n"), []byte("<!-- end: "+name+" -->")
	before, rest, found := bytes.Cut(doc, begin)
	_, after, closed := bytes.Cut(rest, end)
	if !found || !closed {
		return nil, fmt.Errorf("%w: %q", ErrMarker, name)
	}
	return bytes.Join([][]byte{before, begin, text, end, after}, nil), nil
}

// updateFile replaces a section of the document at path by the report.
func updateFile(path, name string, r *Report) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var tables bytes.Buffer
	if err := r.WriteMarkdown(&tables); err != nil {
		return err
	}
	doc, err = replaceSection(doc, name, tables.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replaceFile(path, func(w io.Writer) error {
		_, err := w.Write(doc)
		return err
	})
}
