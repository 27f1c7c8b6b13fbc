package replay

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseRow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		line string
		want parsedRow
		err  error
	}{
		"cpu and memory": {
			line: "300,n0c32,a,0.5,2,814,2048",
			want: parsedRow{
				Row: Row{
					At: 300, CPU: Amounts{Used: 0.5, Allocated: 2, Present: true},
					Memory: Amounts{Used: 814, Allocated: 2048, Present: true},
				},
				node: []byte("n0c32"), container: []byte("a"),
			},
		},
		"cpu only": {
			line: "300,n,a,0,2,,",
			want: parsedRow{
				Row:  Row{At: 300, CPU: Amounts{Allocated: 2, Present: true}},
				node: []byte("n"), container: []byte("a"),
			},
		},
		"usage above the allocation is as it is": {
			line: "0,n,a,3,2,,",
			want: parsedRow{
				Row:  Row{CPU: Amounts{Used: 3, Allocated: 2, Present: true}},
				node: []byte("n"), container: []byte("a"),
			},
		},
		"too few fields":        {line: "300,n,a,1,2,", err: ErrRow},
		"too many fields":       {line: "300,n,a,1,2,,,", err: ErrRow},
		"empty":                 {line: "", err: ErrRow},
		"time is no number":     {line: "x,n,a,1,2,,", err: ErrRow},
		"time is a fraction":    {line: "1.5,n,a,1,2,,", err: ErrRow},
		"time is negative":      {line: "-1,n,a,1,2,,", err: ErrRow},
		"time overflows":        {line: "9223372036854775807,n,a,1,2,,", err: ErrRow},
		"no node":               {line: "1,,a,1,2,,", err: ErrRow},
		"no container":          {line: "1,n,,1,2,,", err: ErrRow},
		"negative usage":        {line: "1,n,a,-1,2,,", err: ErrRow},
		"usage NaN":             {line: "1,n,a,NaN,2,,", err: ErrRow},
		"usage infinite":        {line: "1,n,a,Inf,2,,", err: ErrRow},
		"no allocation":         {line: "1,n,a,1,0,,", err: ErrRow},
		"allocation missing":    {line: "1,n,a,1,,,", err: ErrRow},
		"memory usage missing":  {line: "1,n,a,1,2,,2048", err: ErrRow},
		"neither cpu nor mem":   {line: "1,n,a,,,,", err: ErrRow},
		"a space is no padding": {line: "1,n,a, 1,2,,", err: ErrRow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRow([]byte(tc.line))
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if tc.err == nil && (got.Row != tc.want.Row || !bytes.Equal(got.node, tc.want.node) || !bytes.Equal(got.container, tc.want.container)) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func FuzzParseRow(f *testing.F) {
	for _, seed := range []string{"300,n0c32,a,0.5,2,814,2048", "300,n,a,0,2,,", ",,,,,,", "1,n,a,1e300,1,,", "0x1,n,a,0x1p2,2,,"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRow(line)
		if err != nil {
			if !errors.Is(err, ErrRow) {
				t.Fatalf("error %v is not %v", err, ErrRow)
			}
			return
		}
		for _, a := range []Amounts{r.CPU, r.Memory} {
			if a.Present && !(a.Used >= 0 && a.Used <= maxQuantity && a.Allocated > 0 && a.Allocated <= maxQuantity) {
				t.Fatalf("accepted %+v", a)
			}
		}
		s, err := newSpool()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.close() }()
		const rows = chunkRows + 1 // from the file, and from what is pending
		for range rows {
			if err := s.add("a", r.Row); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.out.Flush(); err != nil {
			t.Fatal(err)
		}
		c := cursor{column: s.columns[0]}
		for i := range rows + 1 {
			if ok, err := s.advance(&c); err != nil || ok != (i < rows) || c.row != r.Row {
				t.Fatalf("spooled %+v, row %d read as %+v, %v, %v", r.Row, i, c.row, ok, err)
			}
		}
	})
}

// write makes a trace of lines in a file and returns its path.
func write(t testing.TB, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	text := strings.Join(append([]string{Header}, lines...), "\n") + "\n"
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		text = b.String()
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenTraceRefuses(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(write(t, "whole.csv.gz", manyRows(2000)...))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.csv.gz")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	headless := filepath.Join(t.TempDir(), "headless.csv")
	if err := os.WriteFile(headless, []byte("300,n,a,1,2,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path string
		want error
		says string
	}{
		"no such file":        {"no-such-file.csv", os.ErrNotExist, "no-such-file.csv"},
		"no header":           {headless, ErrHeader, "300,n,a"},
		"no rows":             {write(t, "empty.csv"), ErrEmpty, "no rows"},
		"one row":             {write(t, "one.csv", "300,n,a,1,2,,"), ErrEmpty, "no interval"},
		"malformed row":       {write(t, "bad.csv", "300,n,a,1,2,,", "600,n,a,x,2,,"), ErrRow, "line 3"},
		"time goes back":      {write(t, "back.csv", "600,n,a,1,2,,", "300,n,a,1,2,,"), ErrOrder, "line 3"},
		"a time twice":        {write(t, "twice.csv", "600,n,a,1,2,,", "600,n,a,1,2,,"), ErrOrder, "line 3"},
		"container again":     {write(t, "again.csv", "300,n,a,1,2,,", "300,n,b,1,2,,", "600,n,a,1,2,,"), ErrOrder, "line 4"},
		"node again":          {write(t, "node.csv", "300,n,a,1,2,,", "300,m,a,1,2,,", "600,n,a,1,2,,"), ErrOrder, "line 4"},
		"gzip cut off":        {cut, io.ErrUnexpectedEOF, "cut off"},
		"a line without end":  {write(t, "long.csv", strings.Repeat("x", maxLine+1)), nil, "too long"},
		"header in the midst": {write(t, "header.csv", Header), ErrRow, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenTrace(tc.path, TraceOptions{})
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want %v that says %q", err, tc.want, tc.says)
			}
		})
	}
}

func manyRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = strconv.Itoa(300*(i+1)) + ",n0c32,a," + strconv.Itoa(i%7) + ".5,8,,"
	}
	return rows
}

func TestSkipMalformedCounts(t *testing.T) {
	t.Parallel()
	path := write(t, "some.csv", "300,n,a,1,2,,\r", "", "oops", "600,n,a,1,2,,", "600,n,a,9,2,,", "900,n,a,1,2,,")
	trace, err := OpenTrace(path, TraceOptions{SkipMalformed: true})
	if err != nil {
		t.Fatal(err)
	}
	if trace.Rows != 3 || trace.Skipped != 2 {
		t.Errorf("%d rows used and %d skipped, want 3 and 2", trace.Rows, trace.Skipped)
	}
	var lines []int
	for _, s := range trace.SkippedRows {
		lines = append(lines, s.Line)
	}
	if !slices.Equal(lines, []int{4, 6}) {
		t.Errorf("skipped lines %v, want 4 and 6", lines)
	}
}

func TestTraceFacts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"facts.csv", "facts.csv.gz"} {
		trace, err := OpenTrace(write(t, name,
			"300,n0c32,a,1,2,10,20", "900,n0c32,a,1,2,10,20", "1200,n0c32,a,1,2,10,20",
			"600,n0c32,b,1,2,10,20", "300,n1c16,a,1,2,,"), TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if trace.Dataset != "facts" || trace.Interval != 5*time.Minute || trace.Start != 300 || trace.End != 1200 ||
			trace.Rows != 5 || trace.Nodes != 2 || trace.Containers != 3 || !trace.HasCPU || !trace.HasMemory {
			t.Errorf("%s: %+v", name, trace)
		}
		if trace.Span() != 20*time.Minute {
			t.Errorf("%s: span %s, want 20 min", name, trace.Span())
		}
	}
}

func TestCoresOf(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]float64{"gg00c32": 32, "c8": 8, "ec2-node7c128": 128, "node": 0, "c": 0, "": 0, "nc-4": 0, "c99999999": 0} {
		if got := coresOf(id); got != want {
			t.Errorf("coresOf(%q) = %v, want %v", id, got, want)
		}
	}
}

// A node's rows come by container, and go by time: whatever the lives of the
// containers, the steps hold what a map by time would.
func TestNodeReplaysByTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := map[int64][]string{}
		lines := []string{Header}
		for _, id := range []string{"c", "a", "d", "b"} {
			at := int64(0)
			for range rapid.IntRange(1, 150).Draw(t, "rows of "+id) {
				at += 300 * int64(rapid.SampledFrom([]int{1, 1, 1, 2, 9}).Draw(t, "gap"))
				lines = append(lines, strconv.FormatInt(at, 10)+",n0c32,"+id+",0.5,2,,")
				want[at] = append(want[at], id)
			}
		}
		path := filepath.Join(dir, "merge.csv")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		trace, err := OpenTrace(path, TraceOptions{})
		if errors.Is(err, ErrEmpty) {
			t.Skip("no two rows")
		}
		if err != nil {
			t.Fatal(err)
		}
		err = trace.EachNode(func(n *Node) error {
			var s Step
			last := int64(0)
			for {
				more, err := n.Next(&s)
				if err != nil || !more {
					return err
				}
				ids := want[s.At]
				slices.Sort(ids)
				if s.At <= last || !slices.Equal(s.IDs, ids) || len(s.Rows) != len(ids) {
					t.Fatalf("step at %d after %d has %v, want %v", s.At, last, s.IDs, ids)
				}
				last = s.At
				delete(want, s.At)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(want) > 0 {
			t.Fatalf("steps missing: %v", want)
		}
	})
}
