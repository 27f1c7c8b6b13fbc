package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// line is one line of the daemon's log, as --log-format json writes it.
type line struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Msg   string    `json:"msg"`
	// Resource to Why belong to "offer"; amounts are texts.
	Resource  string `json:"resource"`
	Free      string `json:"free"`
	Gross     string `json:"gross"`
	Slack     string `json:"slack"`
	Why       string `json:"why"`
	Rule      string `json:"rule"`
	Container string `json:"container"`
	Executor  string `json:"executor"`
	Listen    string `json:"listen"`
	Err       string `json:"err"`
}

func parseLine(text []byte) (line, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return line{}, fmt.Errorf("log line %q: %w", text, err)
	}
	return l, nil
}

// String is the line for people: what the daemon decided, and why.
func (l line) String() string {
	switch l.Msg {
	case "offer":
		return fmt.Sprintf("daemon: offers %s %s, promises %s in all (%s)", l.Free, l.Resource, l.Gross, words(l.Why))
	case "kill":
		return fmt.Sprintf("daemon: kill %s: %s", l.Executor, l.Why)
	}
	parts := []string{"daemon: " + l.Msg}
	for _, part := range []string{l.Why, l.Err} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// words makes a reason code readable.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }
