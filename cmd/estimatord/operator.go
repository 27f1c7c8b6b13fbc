package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
)

// operatorSocketOf is where operators are listened to: by default beside the
// agent's socket.
func operatorSocketOf(cfg *config.Config) string {
	if cfg.OperatorSocket == "" {
		return filepath.Join(filepath.Dir(cfg.Socket), "operator.sock")
	}
	return cfg.OperatorSocket
}

// listenToOperators opens their socket and returns what is to run for it.
func (a *assembly) listenToOperators(cfg *config.Config) ([]func(context.Context) error, error) {
	if cfg.OperatorSocket == config.Off {
		return nil, nil
	}
	srv := control.New(control.Config{
		Socket: operatorSocketOf(cfg), ProcRoot: cfg.ProcRoot, Version: build().Version, Mode: string(cfg.Mode),
		Sources: control.Sources{Last: a.loop.last, Policy: a.policy.Status, InFlight: a.srv.InFlight, Held: a.hands.last},
		Desk:    &a.desk, Log: a.log, Now: time.Now,
	})
	if err := srv.Listen(); err != nil {
		return nil, fmt.Errorf("operator_socket: %w", err)
	}
	return []func(context.Context) error{srv.Serve}, nil
}
