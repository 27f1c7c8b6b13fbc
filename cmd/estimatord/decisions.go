package main

import (
	"log/slog"

	"github.com/estimatord/estimatord/internal/config"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
)

// openDecisions begins to log decisions, nil when that is not wanted.
func openDecisions(cfg *config.Config, log *slog.Logger) (*decisionlog.Writer, error) {
	if cfg.Decisions.Dir == "" {
		return nil, nil
	}
	return decisionlog.Create(cfg.Decisions.Dir, decisionlog.Options{MaxBytes: int64(cfg.Decisions.MaxMiB) << 20}, log)
}
