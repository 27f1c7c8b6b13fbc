package scheduler

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadRecord(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   []string
		err    error
	}{
		{"", nil, io.EOF},
		{"2\n{}", []string{"{}"}, io.EOF},
		{"3\n{}\n1\na", []string{"{}\n", "a"}, io.EOF},
		{"0\n2\n{}", []string{"", "{}"}, io.EOF},
		{"2\n{}2", []string{"{}"}, ErrRecord},
		{"5\n{}", nil, ErrRecord},
		{"-1\n{}", nil, ErrRecord},
		{"+2\n{}", nil, ErrRecord},
		{"2\r\n{}", nil, ErrRecord},
		{"\n{}", nil, ErrRecord},
		{"{}", nil, ErrRecord},
		{"67108865\n{}", nil, ErrRecord},
		{"9999999999\n{}", nil, ErrRecord},
		{"HTTP/1.1 500", nil, ErrRecord},
	} {
		r := bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.stream)))
		var got []string
		for {
			record, err := readRecord(r)
			if err != nil {
				if !errors.Is(err, c.err) {
					t.Errorf("%q: %v, want %v", c.stream, err, c.err)
				}
				break
			}
			got = append(got, string(record))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: %q, want %q", c.stream, got, c.want)
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add([]byte("20\n{\"type\":\"HEARTBEAT\"}"))
	f.Add([]byte("9\n{\"type\":1"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bufio.NewReader(bytes.NewReader(stream))
		for range 100 {
			e, err := readEvent(r)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrRecord) {
					t.Fatalf("%q: %v", stream, err)
				}
				return
			}
			if !e.whole() {
				t.Fatalf("%q: %+v is not whole", stream, e)
			}
		}
	})
}

func frame(text string) string { return fmt.Sprintf("%d\n%s", len(text), text) }
