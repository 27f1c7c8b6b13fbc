package predict

// fixedShare predicts
//
//	P = share·A
//
// whatever is used: what Borg did by default (share 0.9; Bashir et al.,
// EuroSys 2021, §5), and the safe thing to fall back to. Uses Share
// (default 0.9).
type fixedShare struct{ share float64 }

func newFixedShare(cfg Config) (model, error) { return fixedShare{share: or(cfg.Share, 0.9)}, nil }

func (m fixedShare) predict(v *view) float64 { return v.allocated * m.share }
