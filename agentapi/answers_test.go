package agentapi

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Answers that no estimator should give.

func unordered(estimator.Offer, *snapshot.Usage, time.Time) resources.Quantities {
	return resources.Quantities{
		{Name: "mem", Amount: 512_000},
		{Name: "disk", Amount: 0},
		{Name: "cpus", Amount: 1500},
		{Name: "gpus", Amount: -1},
		{Name: "a;b", Amount: 1},
		{Name: "", Amount: 1},
		{Name: "c(role)", Amount: 1},
		{Name: "big", Amount: math.MaxInt64},
	}
}

func panics(estimator.Offer, *snapshot.Usage, time.Time) resources.Quantities { panic("boom") }
