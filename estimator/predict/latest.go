package predict

// latest predicts
//
//	P = (1+margin)·Σ_i u_i
//
// the present demand plus a share of it: what an estimator without memory
// knows. Uses Margin.
type latest struct{ margin float64 }

func newLatest(cfg Config) (model, error) { return latest{margin: cfg.Margin}, nil }

func (m latest) predict(v *view) float64 { return v.used * (1 + m.margin) }
