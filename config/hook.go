package config

import (
	"path/filepath"
	"time"
)

// Hook is told of a kill before the kill is handed to the agent, so that a
// framework can save what it has. Exactly one of Command and Socket is set.
type Hook struct {
	// Command is a program, as an absolute path, and its arguments.
	Command []string
	// Socket is the absolute path of a Unix socket.
	Socket string
	// Deadline is when the kill goes on without an answer.
	Deadline time.Duration
}

// Limits of Hook.Deadline. While a kill waits, regular tasks wait with it.
const (
	leastDeadline   = 100 * time.Millisecond
	mostDeadline    = 30 * time.Second
	defaultDeadline = 2 * time.Second
)

// set reports whether anything is to be told.
func (h *Hook) set() bool { return len(h.Command) > 0 || h.Socket != "" }

// validate reports what does not fit together.
func (h *Hook) validate(bad func(field, reason string)) {
	switch {
	case (len(h.Command) > 0) == (h.Socket != ""):
		bad("", "needs exactly one of command and socket")
	case len(h.Command) > 0 && !filepath.IsAbs(h.Command[0]):
		bad(".command[0]", `"`+h.Command[0]+`" is not an absolute path`)
	case h.Socket != "" && !filepath.IsAbs(h.Socket):
		bad(".socket", `"`+h.Socket+`" is not an absolute path`)
	}
}
