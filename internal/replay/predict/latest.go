package predict

import (
	"github.com/estimatord/estimatord/estimator/predict"
)

// latest predicts
//
//	P = (1+margin)·Σ_i u_i
//
// the present demand plus a share of it: what an estimator without memory
// knows. Uses Margin.
type latest struct{ margin float64 }

func newLatest(cfg predict.Config) (predict.Model, error) { return latest{margin: cfg.Margin}, nil }

func (m latest) Predict(v *predict.View) float64 { return v.Used * (1 + m.margin) }
