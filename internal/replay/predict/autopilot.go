package predict

import (
	"cmp"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// Defaults of autopilot: the 98th percentile weighted by load, a half-life of
// 12 h and 10 % on top, as published for CPU limits (Rzadca et al., EuroSys
// 2020, §3.2.2).
const (
	autopilotPercentile = 0.98
	autopilotMargin     = 0.10
	autopilotHalfLife   = 12 * time.Hour
)

// newAutopilot makes a predictor like Autopilot's moving-window recommender:
// vpa with samples weighted by their load, so that the percentile is that of
// the work done rather than of the time. Uses Percentile (default 0.98), Margin
// (default 0.10) and Window as the half-life (default 12 h).
func newAutopilot(cfg predict.Config) (predict.Model, error) {
	return &vpa{
		percentile: cmp.Or(cfg.Percentile, autopilotPercentile), margin: cmp.Or(cfg.Margin, autopilotMargin),
		halfLife: cfg.WindowOr(autopilotHalfLife), byLoad: true,
	}, nil
}
