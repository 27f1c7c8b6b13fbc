package replay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answer is what Prometheus says to a range query.
func answer(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func series(node, pod, values string) string {
	return `{"metric":{"__name__":"m","node":"` + node + `","pod":"` + pod + `"},"values":[` + values + `]}`
}

func convert(e PrometheusExport) (string, error) {
	var b bytes.Buffer
	e.NodeLabels, e.ContainerLabels = []string{"node"}, []string{"pod"}
	err := ConvertPrometheus(&b, e)
	return b.String(), err
}

func TestConvertPrometheus(t *testing.T) {
	t.Parallel()
	used := answer(
		series("n1c8", "web", `[300,"0.5"],[600,"0.25"],[900,"NaN"],[1200,"1e-3"]`),
		series("n0c4", "db", `[300.2,"1"],[600.4,"2"]`),
		series("n0c4", "orphan", `[300,"1"]`),
		series("n0c4", "a", `[600,"0.125"]`),
	)
	allocated := answer(
		series("n1c8", "web", `[300,"2"],[1200,"4"]`),
		series("n0c4", "db", `[600,"2"]`),
		series("n0c4", "a", `[0,"1"]`),
		series("n0c4", "idle", `[0,"1"]`),
	)
	memory := answer(series("n1c8", "web", `[300,"512"],[900,"600"],[1200,"700"]`))
	memoryAllocated := answer(series("n1c8", "web", `[300,"1024"]`))
	got, err := convert(PrometheusExport{
		CPUUsed: strings.NewReader(used), CPUAllocated: strings.NewReader(allocated),
		MemoryUsed: strings.NewReader(memory), MemoryAllocated: strings.NewReader(memoryAllocated),
	})
	if err != nil {
		t.Fatal(err)
	}
	// The allocation of db is not known at 300, nor is that of orphan ever; web
	// used no number at 900 and no memory is known at 600.
	want := Header + `
600,n0c4,a,0.125,1,,
600,n0c4,db,2,2,,
300,n1c8,web,0.5,2,512,1024
600,n1c8,web,0.25,2,,
1200,n1c8,web,0.001,4,700,1024
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Answers are put together, those that share their ends and those of a pod that
// was made anew included.
func TestConvertPrometheusTakesAllAnswers(t *testing.T) {
	t.Parallel()
	used := answer(series("n", "p", `[300,"1"],[600,"2"]`)) + "\n" + answer(series("n", "p", `[600,"2"],[900,"3"]`), series("n", "q", `[900,"1"]`)) + "\n"
	anew := func(uid, values string) string {
		return `{"metric":{"node":"n","pod":"p","uid":"` + uid + `"},"values":[` + values + `]}`
	}
	allocated := answer(anew("b", `[600,"5"],[900,"5"]`), anew("a", `[300,"4"]`), series("n", "q", `[300,"1"]`))
	got, err := convert(PrometheusExport{CPUUsed: strings.NewReader(used), CPUAllocated: strings.NewReader(allocated)})
	want := Header + `
300,n,p,1,4,,
600,n,p,2,5,,
900,n,p,3,5,,
900,n,q,1,1,,
`
	if err != nil || got != want {
		t.Errorf("got\n%s%v\nwant\n%s", got, err, want)
	}
}

func TestConvertPrometheusRefuses(t *testing.T) {
	t.Parallel()
	good := answer(series("n", "p", `[300,"1"]`))
	for name, tc := range map[string]struct{ used, says string }{
		"no JSON":                          {`<html>`, "cpu_used"},
		"an error":                         {`{"status":"error","error":"query timed out"}`, "query timed out"},
		"an instant query":                 {`{"status":"success","data":{"resultType":"vector","result":[]}}`, "vector"},
		"a label missing":                  {answer(`{"metric":{"node":"n"},"values":[]}`), `pod=""`},
		"a comma in an id":                 {answer(series("n", "a,b", "")), `pod="a,b"`},
		"two series":                       {answer(series("n", "p", `[300,"1"]`), series("n", "p", `[300,"2"]`)), "two series of p on n with other values at 300"},
		"nothing at all":                   {"", "answer 1, at byte 0: EOF"},
		"garbage after it":                 {good + "\n}", fmt.Sprintf("answer 2, at byte %d: invalid character", len(good))},
		"a second answer that is an error": {good + `{"status":"error","error":"query timed out"}`, "answer 2, at byte"},
		"a second answer that is cut off":  {good + good[:20], "answer 2, at byte"},
		"two answers that do not agree":    {good + answer(series("n", "p", `[300,"2"]`)), "two series"},
		"a sample before 1970":             {answer(series("n", "p", `[-5,"1"]`)), "sample at -5 s"},
		"a sample that is none": {
			answer(series("n", "p", `[300,1]`)), "sample",
		},
		"a value that is none":      {answer(series("n", "p", `[300,"x"]`)), `"x"`},
		"nothing has an allocation": {answer(series("n", "q", `[300,"1"]`)), "labels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := convert(PrometheusExport{CPUUsed: strings.NewReader(tc.used), CPUAllocated: strings.NewReader(good)})
			if !errors.Is(err, ErrPrometheus) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want %v that says %q", err, ErrPrometheus, tc.says)
			}
		})
	}
}

func TestImportCommandMakesATrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	used := file("used.json", answer(series("n0c4", "web", `[300,"1"],[600,"2"],[900,"1"]`)))
	allocated := file("alloc.json", answer(series("n0c4", "web", `[300,"2"]`)))
	garbage := file("garbage.json", answer(series("n0c4", "web", `[300,"1"]`))+"}")
	refused := Command()
	refused.SilenceErrors, refused.SilenceUsage = true, true
	refused.SetArgs([]string{"import-prometheus", "--cpu-used", garbage, "--cpu-alloc", allocated, "--out", filepath.Join(dir, "none.csv"), "--container-label", "pod"})
	if err := refused.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), garbage+": unusable Prometheus export: answer 2, at byte ") {
		t.Errorf("garbage after an answer: %v; want the file and the byte", err)
	}
	for _, name := range []string{"trace.csv", "trace.csv.gz"} {
		out := filepath.Join(dir, name)
		cmd := Command()
		cmd.SetArgs([]string{
			"import-prometheus", "--cpu-used", used, "--cpu-alloc", allocated, "--out", out, "--container-label", "pod",
		})
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		trace, err := OpenTrace(out, TraceOptions{})
		if err != nil || trace.Rows != 3 || trace.HasMemory {
			t.Errorf("%s: %+v, %v; want three rows without memory", name, trace, err)
		}
	}
}

func FuzzConvertPrometheus(f *testing.F) {
	f.Add(answer(series("n", "p", `[300,"1"],[600,"2"]`)))
	f.Add(answer(series("n", "p", `[-1,"1"],[1e300,"Inf"]`)))
	f.Add(`{"status":"success","data":{"resultType":"matrix","result":[{}]}}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		got, err := convert(PrometheusExport{CPUUsed: strings.NewReader(text), CPUAllocated: strings.NewReader(text)})
		if err != nil {
			if !errors.Is(err, ErrPrometheus) {
				t.Fatalf("error %v is not %v", err, ErrPrometheus)
			}
			return
		}
		path := filepath.Join(dir, "fuzz.csv")
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenTrace(path, TraceOptions{}); err != nil && !errors.Is(err, ErrEmpty) {
			t.Fatalf("what was written cannot be read: %v\n%s", err, got)
		}
	})
}
