package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
)

// ParseEstimator reads an estimator from the command line: the name of a
// predictor, and its settings after colons, as in "node-max:window=24h:margin=0.1".
func ParseEstimator(text string) (Estimator, error) {
	name, rest, _ := strings.Cut(text, ":")
	var settings []func(*predict.Config)
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ":")
		set, err := parseSetting(pair)
		if err != nil {
			return Estimator{}, fmt.Errorf("%w: estimator %q: %w", ErrOptions, text, err)
		}
		settings = append(settings, set)
	}
	set := func(cfg *predict.Config) {
		for _, s := range settings {
			s(cfg)
		}
	}
	e := Estimator{Label: text, Name: name, Set: set, New: func(cfg predict.Config) (predict.Predictor, error) {
		set(&cfg)
		return compared.Predictors().New(name, cfg)
	}}
	// Refuse at the command line what would be refused at the first node.
	if _, err := e.New(predict.Config{Interval: time.Minute, Horizon: time.Minute}); err != nil {
		return Estimator{}, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return e, nil
}

func parseSetting(pair string) (func(*predict.Config), error) {
	key, value, ok := strings.Cut(pair, "=")
	if !ok {
		return nil, fmt.Errorf("%q is not key=value", pair)
	}
	switch key {
	case "window", "horizon":
		d, err := time.ParseDuration(value)
		if err != nil {
			return nil, err
		}
		if key == "window" {
			return func(c *predict.Config) { c.Window = d }, nil
		}
		return func(c *predict.Config) { c.Horizon = d }, nil
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is not a number", key, value)
	}
	switch key {
	case "margin":
		return func(c *predict.Config) { c.Margin = v }, nil
	case "share":
		return func(c *predict.Config) { c.Share = v }, nil
	case "percentile":
		return func(c *predict.Config) { c.Percentile = v }, nil
	case "target":
		return func(c *predict.Config) { c.TargetViolation = v }, nil
	case "early":
		return func(c *predict.Config) { c.EarlyTarget = v }, nil
	default:
		return nil, fmt.Errorf("unknown setting %q (known: window, horizon, margin, share, percentile, target, early)", key)
	}
}
