package predict

import "cmp"

// fixedShare predicts
//
//	P = share·A
//
// whatever is used: what Borg did by default (share 0.9; Bashir et al.,
// EuroSys 2021, §5), and the safe thing to fall back to. Uses Share
// (default 0.9).
type fixedShare struct{ share float64 }

func newFixedShare(cfg Config) (Model, error) { return fixedShare{share: cmp.Or(cfg.Share, 0.9)}, nil }

func (m fixedShare) Predict(v *View) float64 { return v.Allocated * m.share }
