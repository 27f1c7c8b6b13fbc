package estimator

import "github.com/estimatord/estimatord/estimator/predict"

// PredictorScore is how well one predictor has done so far.
type PredictorScore struct {
	Resource, Predictor string
	predict.Score
}

// scored is a predictor with its evaluator: the one whose answer counts, or a
// shadow. Without a horizon it promises nothing, and has no evaluator.
type scored struct {
	name      string
	predictor predict.Predictor
	evaluator *predict.Evaluator
}

func newScored(table predict.Table, name string, cfg predict.Config) (scored, error) {
	s := scored{name: name}
	var err error
	if s.predictor, err = table.New(name, cfg); err != nil || cfg.Horizon == 0 {
		return s, err
	}
	s.evaluator, err = predict.NewEvaluator(cfg)
	return s, err
}

// predict asks the predictor and remembers what it said, to be scored when the
// horizon is over.
func (s *scored) predict(step predict.Step) float64 {
	p := s.predictor.Predict(step)
	if s.evaluator != nil {
		s.evaluator.Observe(step, p)
	}
	return p
}

// scores are those of the predictors that promise something.
func (r *slack) scores(to []PredictorScore) []PredictorScore {
	for i := range r.predictors {
		if p := &r.predictors[i]; p.evaluator != nil {
			to = append(to, PredictorScore{Resource: r.cfg.Name, Predictor: p.name, Score: p.evaluator.Score()})
		}
	}
	return to
}
