package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// What the guest says between the output of the tests.
const (
	markRun    = "@@cgroup2vm run"
	markExit   = "@@cgroup2vm exit"
	markFailed = "@@cgroup2vm failed"
	markDone   = "@@cgroup2vm done"
)

// report makes sense of what comes over the serial line.
type report struct {
	out io.Writer
	// results are by package.
	results map[string]*result
	current *result
	failed  string // what the guest itself failed with
	done    bool
}

// result is what one test binary came to.
type result struct {
	passed, failed, skipped int
	exited                  bool
	code                    int
}

func newReport(out io.Writer) *report { return &report{out: out, results: map[string]*result{}} }

// read passes the tests' output on until the guest is off.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.line(strings.TrimRight(lines.Text(), "\r"))
	}
	return lines.Err()
}

func (r *report) line(text string) {
	// What a killed test leaves of a line may stand before a mark.
	if i := strings.Index(text, "@@cgroup2vm "); i > 0 {
		r.line(text[:i])
		text = text[i:]
	}
	switch {
	case strings.HasPrefix(text, markRun):
		name := strings.TrimSpace(strings.TrimPrefix(text, markRun))
		r.current = &result{}
		r.results[name] = r.current
		_, _ = fmt.Fprintf(r.out, "\n## %s\n", name)
	case strings.HasPrefix(text, markExit):
		fields := strings.Fields(strings.TrimPrefix(text, markExit))
		if len(fields) == 2 && r.results[fields[0]] != nil {
			if code, err := strconv.Atoi(fields[1]); err == nil {
				r.results[fields[0]].exited, r.results[fields[0]].code = true, code
			}
		}
		r.current = nil
	case strings.HasPrefix(text, markFailed):
		r.failed = strings.TrimSpace(strings.TrimPrefix(text, markFailed))
	case strings.HasPrefix(text, markDone):
		r.done = true
	default:
		r.count(text)
		if r.current != nil || text != "" {
			_, _ = fmt.Fprintln(r.out, text)
		}
	}
}

// count counts whole tests, whose lines are not indented.
func (r *report) count(text string) {
	if r.current == nil {
		return
	}
	switch {
	case strings.HasPrefix(text, "--- PASS: "):
		r.current.passed++
	case strings.HasPrefix(text, "--- FAIL: "):
		r.current.failed++
	case strings.HasPrefix(text, "--- SKIP: "):
		r.current.skipped++
	}
}

// verdict writes a line per package and is an error unless each of them ran
// and passed.
func (r *report) verdict(packages []string) error {
	var errs []error
	_, _ = fmt.Fprintln(r.out)
	for _, name := range packages {
		got := r.results[name]
		word := "ok"
		switch {
		case got == nil:
			word, got = "DID NOT RUN", &result{}
		case !got.exited:
			word = "DID NOT END"
		case got.code != 0 || got.failed > 0:
			word = fmt.Sprintf("FAILED (exit code %d)", got.code)
		case got.passed == 0 && got.skipped > 0:
			word = "ok, but all skipped"
		}
		_, _ = fmt.Fprintf(r.out, "%-60s %3d passed %3d skipped %3d failed  %s\n", name, got.passed, got.skipped, got.failed, word)
		if !strings.HasPrefix(word, "ok") {
			errs = append(errs, fmt.Errorf("%s: %s", name, word))
		}
	}
	if r.failed != "" {
		errs = append(errs, fmt.Errorf("the guest: %s", r.failed))
	}
	if !r.done {
		errs = append(errs, errors.New("the guest did not get to its end"))
	}
	return errors.Join(errs...)
}
