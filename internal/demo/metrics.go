package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// errMetrics is what an answer of /metrics that cannot be used gives.
var errMetrics = errors.New("unusable metrics")

// metrics are the daemon's samples, by name with labels as in the text:
// `estimatord_slack_cores{resource="cpus"}`.
type metrics map[string]float64

// cpus is the amount of that name for cpus.
func (m metrics) cpus(name string) (float64, bool) {
	v, ok := m["estimatord_"+name+`_cores{resource="cpus"}`]
	return v, ok
}

// scrape reads /metrics of the daemon.
func scrape(ctx context.Context, client *http.Client, addr string) (metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s", errMetrics, response.Status)
	}
	return parseMetrics(response.Body)
}

// parseMetrics reads the daemon's own samples from the text format
// (prometheus.io/docs/instrumenting/exposition_formats), which has one per
// line: name, labels, value. Other names are left out.
func parseMetrics(r io.Reader) (metrics, error) {
	m := metrics{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		if !strings.HasPrefix(text, "estimatord_") {
			continue
		}
		i := strings.LastIndexByte(text, ' ')
		if i < 0 {
			return nil, fmt.Errorf("%w: %q", errMetrics, text)
		}
		v, err := strconv.ParseFloat(text[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", errMetrics, text)
		}
		m[text[:i]] = v
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errMetrics, err)
	}
	return m, nil
}
