// Package predict holds predictors that are only compared with those of the
// daemon: what others run, and what the literature proposes. Most of them keep
// more per container than a node should pay for.
package predict

import "github.com/estimatord/estimatord/estimator/predict"

// Predictors lists those of the daemon and those of this package.
func Predictors() predict.Table {
	return append(predict.Predictors(), predict.Table{
		{Name: "latest", Brief: "present demand, plus a share", Make: newLatest},
		{Name: "ema", Brief: "sum of moving averages, plus a share (Serenity)", Make: newEMA},
		{Name: "percentile-sum", Brief: "sum of each container's percentile over the window (Resource Central)", Make: newPercentileSum},
		{Name: "vpa", Brief: "sum of percentiles of decaying histograms, plus a share (vertical pod autoscaler)", Make: newVPA},
		{Name: "koordinator", Brief: "the higher of container and node percentiles, plus a share (Koordinator)", Make: newKoordinator},
		{Name: "autopilot", Brief: "sum of load-weighted percentiles, plus a share (Autopilot)", Make: newAutopilot},
		{Name: "n-sigma", Brief: "mean plus n deviations of the present containers' demand", Make: newNSigma},
		{Name: "max-nsigma-percentile", Brief: "the higher of n-sigma and percentile-sum (EuroSys 2021)", Make: newMaxNSigmaPercentile},
	}...)
}
