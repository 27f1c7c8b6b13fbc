package predict

import (
	"fmt"
	"math"
	"time"
)

// maxWindow bounds how far back a predictor may be asked to look; beyond a
// quarter of a year the past says nothing about the next hour.
const maxWindow = 90 * 24 * time.Hour

// check refuses what no predictor can work with.
func (c Config) check() error {
	switch {
	case c.Interval < 0:
		return fmt.Errorf("%w: interval %s is negative", ErrConfig, c.Interval)
	case c.Window < 0 || c.Window > maxWindow:
		return fmt.Errorf("%w: window %s is not between 0 and %s", ErrConfig, c.Window, maxWindow)
	case !(c.Margin >= 0) || math.IsInf(c.Margin, 0):
		return fmt.Errorf("%w: margin %v is not a finite number of at least 0", ErrConfig, c.Margin)
	case c.Horizon < 0:
		return fmt.Errorf("%w: horizon %s is negative", ErrConfig, c.Horizon)
	case !(c.TargetViolation >= 0 && c.TargetViolation < 1):
		return fmt.Errorf("%w: target violation %v is not between 0 and 1", ErrConfig, c.TargetViolation)
	case !(c.EarlyTarget >= 0 && c.EarlyTarget < 1):
		return fmt.Errorf("%w: early target %v is not between 0 and 1", ErrConfig, c.EarlyTarget)
	case !(c.Share >= 0 && c.Share <= 1):
		return fmt.Errorf("%w: share %v is not between 0 and 1", ErrConfig, c.Share)
	case !(c.Percentile >= 0 && c.Percentile <= 1):
		return fmt.Errorf("%w: percentile %v is not between 0 and 1", ErrConfig, c.Percentile)
	default:
		return nil
	}
}

// WindowOr is the window, or def when none is set. It is at least one interval.
func (c Config) WindowOr(def time.Duration) time.Duration {
	if c.Window == 0 {
		return def
	}
	return max(c.Window, c.Interval)
}
