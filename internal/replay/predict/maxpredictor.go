package predict

import (
	"github.com/estimatord/estimatord/estimator/predict"
)

// maxNSigmaPercentile predicts the higher of n-sigma and percentile-sum: the
// "max predictor" that Bashir et al., EuroSys 2021, §4.3, recommend. Uses
// Interval, Window (of both), Margin as n of n-sigma, and Percentile.
type maxNSigmaPercentile struct{ a, b predict.Model }

func newMaxNSigmaPercentile(cfg predict.Config) (predict.Model, error) {
	a, err := newNSigma(cfg)
	if err != nil {
		return nil, err
	}
	cfg.Window = cfg.WindowOr(nSigmaWindow)
	cfg.Margin = 0
	b, err := newPercentileSum(cfg)
	if err != nil {
		return nil, err
	}
	return &maxNSigmaPercentile{a: a, b: b}, nil
}

func (m *maxNSigmaPercentile) Predict(v *predict.View) float64 {
	return max(m.a.Predict(v), m.b.Predict(v))
}
