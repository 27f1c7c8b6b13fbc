package replay

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrPrometheus is the class of errors of a Prometheus export that cannot be
// converted.
var ErrPrometheus = errors.New("unusable Prometheus export")

// PrometheusExport are the answers of /api/v1/query_range, one per column of a
// trace; Memory's may be nil.
type PrometheusExport struct {
	CPUUsed, CPUAllocated       io.Reader
	MemoryUsed, MemoryAllocated io.Reader
	// NodeLabels and ContainerLabels name the labels whose values, joined by
	// "/", are the ids. Series that agree in them are one.
	NodeLabels, ContainerLabels []string
}

// promSample is one value of a range: [1700000000.123, "0.42"].
type promSample struct {
	at    int64
	value float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *promSample) UnmarshalJSON(b []byte) error {
	var pair [2]any
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	at, isNumber := pair[0].(float64)
	text, isText := pair[1].(string)
	if !isNumber || !isText || !(at >= 0 && at < 1e11) {
		return fmt.Errorf("%w: sample %s", ErrPrometheus, clip(b))
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%w: value %q", ErrPrometheus, text)
	}
	s.at, s.value = int64(math.Round(at)), v
	return nil
}

// promAnswer is what /api/v1/query_range answers.
type promAnswer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string `json:"metric"`
			Values []promSample      `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// promKey is the ids of a series.
type promKey struct{ node, container string }

// promSeries are the samples of one column, in order of time.
type promSeries map[promKey][]promSample

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
			return fmt.Errorf("%s: %w", strings.Split(Header, ",")[3+i], err)
		}
		columns[i] = series
	}
	var keys []promKey
	for key := range columns[0] {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b promKey) int {
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

// read takes one answer.
func (e *PrometheusExport) read(r io.Reader) (promSeries, error) {
	var answer promAnswer
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrometheus, err)
	}
	switch {
	case answer.Status != "success":
		return nil, fmt.Errorf("%w: status %q %s", ErrPrometheus, answer.Status, answer.Error)
	case answer.Data.ResultType != "matrix":
		return nil, fmt.Errorf("%w: a %q, not the matrix of a range query", ErrPrometheus, answer.Data.ResultType)
	}
	series := make(promSeries)
	for _, s := range answer.Data.Result {
		node, err := joinLabels(s.Metric, e.NodeLabels)
		if err != nil {
			return nil, err
		}
		container, err := joinLabels(s.Metric, e.ContainerLabels)
		if err != nil {
			return nil, err
		}
		key := promKey{node, container}
		if series[key] != nil {
			return nil, fmt.Errorf("%w: two series of %s on %s; name more container labels, or sum in the query", ErrPrometheus, container, node)
		}
		samples := slices.DeleteFunc(s.Values, func(p promSample) bool { return !(p.value >= 0 && p.value <= maxQuantity) })
		slices.SortFunc(samples, func(a, b promSample) int { return cmp.Compare(a.at, b.at) })
		series[key] = samples
	}
	return series, nil
}

// joinLabels is the id that the labels make.
func joinLabels(metric map[string]string, labels []string) (string, error) {
	parts := make([]string, len(labels))
	for i, label := range labels {
		v := metric[label]
		if v == "" || strings.ContainsAny(v, ",\r\n") {
			return "", fmt.Errorf("%w: label %s=%q of a series cannot be an id", ErrPrometheus, label, v)
		}
		parts[i] = v
	}
	return strings.Join(parts, "/"), nil
}

// writeSeries writes the rows of one container and returns their number.
func writeSeries(w io.Writer, key promKey, columns []promSeries) (rows int) {
	cpuAlloc, memUsed, memAlloc := columns[1][key], columns[2][key], columns[3][key]
	last := int64(-1)
	for _, used := range columns[0][key] {
		allocated := held(cpuAlloc, used.at)
		if !(allocated > 0) || used.at == last {
			continue
		}
		last = used.at
		_, _ = fmt.Fprintf(w, "%d,%s,%s,%s,%s,", used.at, key.node, key.container, plain(used.value), plain(allocated))
		if u, a := exactly(memUsed, used.at), held(memAlloc, used.at); u >= 0 && a > 0 {
			_, _ = fmt.Fprintf(w, "%s,%s", plain(u), plain(a))
		} else {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = io.WriteString(w, "\n")
		rows++
	}
	return rows
}

// held is the value of the last sample no later than at; −1: there is none.
func held(samples []promSample, at int64) float64 {
	i, found := slices.BinarySearchFunc(samples, at, func(s promSample, at int64) int { return cmp.Compare(s.at, at) })
	switch {
	case found:
		return samples[i].value
	case i > 0:
		return samples[i-1].value
	default:
		return -1
	}
}

// exactly is the value of the sample at that time; −1: there is none.
func exactly(samples []promSample, at int64) float64 {
	i, found := slices.BinarySearchFunc(samples, at, func(s promSample, at int64) int { return cmp.Compare(s.at, at) })
	if !found {
		return -1
	}
	return samples[i].value
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
