package config

import (
	"path/filepath"

	"github.com/estimatord/estimatord/agentapi/prekill"
)

// Hook is who is told of a kill before the kill is handed to the agent, so that
// a framework can save what it has.
type Hook = prekill.Hook

// isSet reports whether anything is to be told.
func isSet(h *Hook) bool { return len(h.Command) > 0 || h.Socket != "" }

// checkHook reports what does not fit together.
func checkHook(h *Hook, bad func(field, reason string)) {
	switch {
	case (len(h.Command) > 0) == (h.Socket != ""):
		bad("", "needs exactly one of command and socket")
	case len(h.Command) > 0 && !filepath.IsAbs(h.Command[0]):
		bad(".command[0]", `"`+h.Command[0]+`" is not an absolute path`)
	case h.Socket != "" && !filepath.IsAbs(h.Socket):
		bad(".socket", `"`+h.Socket+`" is not an absolute path`)
	}
}
