package predict

import (
	"fmt"
	"math"
)

// save implements keeper.
func (m *containerMax) save(c *Checkpoint) {
	c.Clocks = []ClockState{m.clock.state()}
	saveContainers(c, &m.roster, func(b *blockMax) []*blockMax { return []*blockMax{b} })
}

// load implements keeper.
func (m *containerMax) load(c *Checkpoint) error {
	if len(c.Clocks) != 1 {
		return fmt.Errorf("%w: %d windows, want 1", ErrCheckpoint, len(c.Clocks))
	}
	clock, err := m.clock.restored(c.Clocks[0], c.At)
	if err != nil {
		return err
	}
	r, err := loadContainers(c, func(b *blockMax) []*blockMax { return []*blockMax{b} })
	if err != nil {
		return err
	}
	m.clock, m.roster = clock, r
	return nil
}

func (t *tceContainer) maxima() []*blockMax { return []*blockMax{&t.hour, &t.six, &t.day} }

// save implements keeper.
func (t *tce) save(c *Checkpoint) {
	c.HorizonSeconds, c.Began = t.promises.horizon.Seconds(), t.began
	c.Clocks = []ClockState{t.hour.state(), t.six.state(), t.day.state()}
	saveContainers(c, &t.roster, (*tceContainer).maxima)
	c.Calibration = t.calibrator.state()
	c.Calibration.Tightness = append([]float64(nil), t.tightness[:]...)
}

// load implements keeper.
func (t *tce) load(c *Checkpoint) error {
	switch {
	case c.HorizonSeconds != t.promises.horizon.Seconds():
		return fmt.Errorf("%w: learned for a horizon of %v s, not %s", ErrCheckpoint, c.HorizonSeconds, t.promises.horizon)
	case c.Began.IsZero() || c.Began.After(c.At):
		return fmt.Errorf("%w: began %s, after its time %s", ErrCheckpoint, c.Began, c.At)
	case len(c.Clocks) != 3 || c.Calibration == nil || len(c.Calibration.Tightness) != experts:
		return fmt.Errorf("%w: incomplete", ErrCheckpoint)
	}
	fresh := *t
	var err error
	for i, clock := range []*blockClock{&fresh.hour, &fresh.six, &fresh.day} {
		if *clock, err = clock.restored(c.Clocks[i], c.At); err != nil {
			return err
		}
	}
	if fresh.roster, err = loadContainers(c, (*tceContainer).maxima); err != nil {
		return err
	}
	for k, share := range c.Calibration.Tightness {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%w: tightness %v", ErrCheckpoint, share)
		}
		fresh.tightness[k] = share
	}
	if err := fresh.calibrator.restore(c.Calibration); err != nil {
		return err
	}
	fresh.began, fresh.seq = c.Began, 1
	*t = fresh
	return nil
}

func (c *calibrator) state() *CalibrationState {
	s := &CalibrationState{Last: c.last, Samples: c.samples, Horizons: c.horizons, Experts: make([][]Residuals, experts)}
	for k := range c.residuals {
		h := &c.residuals[k]
		for b, w := range &h.weight {
			if w > 0 {
				s.Experts[k] = append(s.Experts[k], Residuals{Bucket: b, Weight: w / c.weight, Sum: h.sum[b] / c.weight})
			}
		}
	}
	return s
}

// restore takes s into a fresh calibrator.
func (c *calibrator) restore(s *CalibrationState) error {
	ok := func(v float64) bool { return v >= 0 && v < 1e9 }
	if len(s.Experts) != experts || !ok(s.Samples) || !ok(s.Horizons) || s.Horizons > s.Samples || s.Last.IsZero() != (s.Samples == 0) {
		return fmt.Errorf("%w: calibration of %d experts from %v samples of %v horizons", ErrCheckpoint, len(s.Experts), s.Samples, s.Horizons)
	}
	for k, buckets := range s.Experts {
		h := &c.residuals[k]
		for _, r := range buckets {
			if r.Bucket < 0 || r.Bucket >= residualBuckets || !ok(r.Weight) || math.IsNaN(r.Sum) || math.Abs(r.Sum) > 1e9 {
				return fmt.Errorf("%w: residuals %+v", ErrCheckpoint, r)
			}
			h.weight[r.Bucket] += r.Weight
			h.sum[r.Bucket] += r.Sum
			h.total += r.Weight
		}
		if math.Abs(h.total-s.Samples) > 1e-6*(1+s.Samples) {
			return fmt.Errorf("%w: an expert has %v samples of %v", ErrCheckpoint, h.total, s.Samples)
		}
	}
	c.last, c.samples, c.horizons, c.weight = s.Last, s.Samples, s.Horizons, 1
	return nil
}
