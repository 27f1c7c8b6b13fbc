package daemon

import (
	"log/slog"
	"sync"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/agentapi/prekill"
	"github.com/estimatord/estimatord/internal/config"
)

// prekillHook is who is warned before a kill, by the policy in force.
type prekillHook struct {
	policies *config.PolicySource
	log      *slog.Logger

	mu     sync.Mutex
	hook   *config.Hook
	warner *prekill.Warner
}

// current is the warning that the policy in force asks for.
func (w *prekillHook) current() agentapi.Warning {
	file := w.policies.File()
	if file == nil || file.Hook == nil {
		return agentapi.Warning{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hook != file.Hook {
		warner, err := prekill.New(*file.Hook, w.log)
		if err != nil { // the file was judged, so this is not reached
			w.log.Error("nobody is warned before a kill", "err", err)
			return agentapi.Warning{}
		}
		w.hook, w.warner = file.Hook, warner
	}
	return agentapi.Warning{Warn: w.warner.Warn, For: file.Hook.Deadline}
}
