package replay

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// ErrPrometheus is the class of errors of a Prometheus export that cannot be
// converted.
var ErrPrometheus = errors.New("unusable Prometheus export")

// PrometheusExport are answers of /api/v1/query_range, one column of a trace
// each; Memory's may be nil. A column may hold several answers one after the
// other: Prometheus gives 11000 samples of a series at a time.
type PrometheusExport struct {
	CPUUsed, CPUAllocated       io.Reader
	MemoryUsed, MemoryAllocated io.Reader
	// NodeLabels and ContainerLabels name the labels whose values, joined by
	// "/", are the ids. Series that agree in them are one.
	NodeLabels, ContainerLabels []string
}

// promAnswer is what /api/v1/query_range answers.
type promAnswer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// promKey is the ids of a series.
type promKey struct{ node, container string }

// promSeries are the samples of one column, in order of time.
type promSeries map[promKey][]promSample

// promSample is one sample; at is in seconds since 1970.
type promSample struct {
	at    int64
	value float64
}

// ConvertPrometheus writes the export as a trace. The whole export is in
// memory. A row is written where usage and allocation are known; an allocation
// holds until the next sample of it. Samples that are no finite number of at
// least 0 are left out.
func ConvertPrometheus(w io.Writer, e PrometheusExport) error {
	columns := make([]promSeries, 4)
	for i, source := range []io.Reader{e.CPUUsed, e.CPUAllocated, e.MemoryUsed, e.MemoryAllocated} {
		if source == nil {
			continue
		}
		series, err := e.read(source)
		if err != nil {
			name := strings.Split(Header, ",")[3+i]
			if file, ok := source.(interface{ Name() string }); ok {
				name += ": " + file.Name()
			}
			return fmt.Errorf("%s: %w", name, err)
		}
		columns[i] = series
	}
	keys := slices.SortedFunc(maps.Keys(columns[0]), func(a, b promKey) int {
		return cmp.Or(strings.Compare(a.node, b.node), strings.Compare(a.container, b.container))
	})
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintln(out, Header) // Flush has the error
	rows := 0
	for _, key := range keys {
		rows += writeSeries(out, key, columns)
	}
	if rows == 0 {
		return fmt.Errorf("%w: no sample of usage has an allocation; do the labels of both agree?", ErrPrometheus)
	}
	return out.Flush()
}

// read takes all answers of a column, and nothing else.
func (e *PrometheusExport) read(r io.Reader) (promSeries, error) {
	series := make(promSeries)
	answers := json.NewDecoder(r)
	for n := 1; ; n++ {
		at := answers.InputOffset()
		var answer promAnswer
		err := answers.Decode(&answer)
		if n > 1 && errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = e.add(series, &answer)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: answer %d, at byte %d: %w", ErrPrometheus, n, at, err)
		}
	}
	for key, samples := range series {
		slices.SortFunc(samples, func(a, b promSample) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) })
		samples = slices.Compact(samples)
		for i := 1; i < len(samples); i++ {
			if samples[i].at == samples[i-1].at {
				return nil, fmt.Errorf("%w: two series of %s on %s with other values at %d; name more container labels, or sum in the query",
					ErrPrometheus, key.container, key.node, samples[i].at)
			}
		}
		series[key] = samples
	}
	return series, nil
}

// add adds the samples of one answer. Series that are one container, as of a pod
// that was made anew, are put together.
func (e *PrometheusExport) add(series promSeries, answer *promAnswer) error {
	switch {
	case answer.Status != "success":
		return fmt.Errorf("status %q %s", answer.Status, answer.Error)
	case answer.Data.ResultType != model.ValMatrix.String():
		return fmt.Errorf("a %q, not the matrix of a range query", answer.Data.ResultType)
	}
	var matrix model.Matrix
	if err := json.Unmarshal(answer.Data.Result, &matrix); err != nil {
		return err
	}
	for _, s := range matrix {
		node, err := joinLabels(s.Metric, e.NodeLabels)
		if err != nil {
			return err
		}
		container, err := joinLabels(s.Metric, e.ContainerLabels)
		if err != nil {
			return err
		}
		key := promKey{node, container}
		samples := series[key] // nil when it has none yet
		for _, p := range s.Values {
			at, value := int64(math.Round(float64(p.Timestamp)/1e3)), float64(p.Value)
			if at < 0 || at >= 1e11 {
				return fmt.Errorf("sample at %d s", at)
			}
			if value >= 0 && value <= maxQuantity {
				samples = append(samples, promSample{at: at, value: value})
			}
		}
		series[key] = samples
	}
	return nil
}

// joinLabels is the id that the labels make.
func joinLabels(metric model.Metric, labels []string) (string, error) {
	parts := make([]string, len(labels))
	for i, label := range labels {
		v := string(metric[model.LabelName(label)])
		if !validID(v) {
			return "", fmt.Errorf("label %s=%q of a series cannot be an id", label, v)
		}
		parts[i] = v
	}
	return strings.Join(parts, "/"), nil
}

// writeSeries writes the rows of one container and returns their number.
func writeSeries(w io.Writer, key promKey, columns []promSeries) (rows int) {
	cpuAlloc, memUsed, memAlloc := columns[1][key], columns[2][key], columns[3][key]
	for _, used := range columns[0][key] {
		allocated := latest(cpuAlloc, used.at).value
		if !(allocated > 0) {
			continue
		}
		row := Row{At: used.at, CPU: Amounts{Used: used.value, Allocated: allocated, Present: true}}
		if u, a := latest(memUsed, used.at), latest(memAlloc, used.at).value; u.at == used.at && a > 0 {
			row.Memory = Amounts{Used: u.value, Allocated: a, Present: true}
		}
		_, _ = io.WriteString(w, row.text(key.node, key.container)) // Flush has the error
		rows++
	}
	return rows
}

// latest is the last sample no later than at; its time is −1 when there is none.
func latest(samples []promSample, at int64) promSample {
	i, found := slices.BinarySearchFunc(samples, at, func(s promSample, at int64) int { return cmp.Compare(s.at, at) })
	switch {
	case found:
		return samples[i]
	case i > 0:
		return samples[i-1]
	default:
		return promSample{at: -1}
	}
}
