package estimator

import "github.com/estimatord/estimatord/estimator/predict"

// Graded is how one predictor has kept its promises so far.
type Graded struct {
	Resource, Predictor string
	predict.Grade
}

// rival is a predictor with its judge: the one whose answer counts, or a
// shadow. Without a horizon it promises nothing, and has no judge.
type rival struct {
	name      string
	predictor predict.Predictor
	judge     *predict.Judge
}

func newRival(name string, cfg predict.Config) (rival, error) {
	r := rival{name: name}
	var err error
	if r.predictor, err = predict.New(name, cfg); err != nil || cfg.Horizon == 0 {
		return r, err
	}
	r.judge, err = predict.NewJudge(cfg)
	return r, err
}

// predict asks the predictor and remembers what it said, to be judged when the
// horizon is over.
func (r *rival) predict(step predict.Step) float64 {
	p := r.predictor.Predict(step)
	if r.judge != nil {
		r.judge.Observe(step, p)
	}
	return p
}

// grades are those of the rivals that promise something.
func (r *slack) grades(to []Graded) []Graded {
	for i := range r.rivals {
		if one := &r.rivals[i]; one.judge != nil {
			to = append(to, Graded{Resource: r.cfg.Name, Predictor: one.name, Grade: one.judge.Grade()})
		}
	}
	return to
}
