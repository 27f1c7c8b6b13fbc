package main

import (
	"log/slog"

	"github.com/estimatord/estimatord/config"
	"github.com/estimatord/estimatord/decisionlog"
)

// openDecisions begins to log decisions, nil when that is not wanted.
func openDecisions(cfg *config.Config, log *slog.Logger) (*decisionlog.Writer, error) {
	if cfg.Decisions.Dir == "" {
		return nil, nil
	}
	return decisionlog.Create(cfg.Decisions.Dir, decisionlog.Options{MaxBytes: int64(cfg.Decisions.MaxMiB) << 20}, log)
}
