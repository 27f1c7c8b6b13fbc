#!/bin/sh
# Reproduces the comparison in docs/evidence/estimators.md from the public traces.
#
#   replay/report.sh ESTIMATORD TRACES [PAGE]
#
# ESTIMATORD is the program, TRACES the directory with agents, bitbrains, google
# and planetlab (.csv.gz). The tables go into docs/evidence/estimators.md, a page with
# plots to PAGE when it is given.
set -eu
cd "$(dirname "$0")/../.."

program=$1
traces=$2
page=${3:-}
doc=docs/evidence/estimators.md

replay() {
	"$program" replay \
		--trace "$traces/agents.csv.gz" --trace "$traces/bitbrains.csv.gz" \
		--trace "$traces/google.csv.gz" --trace "$traces/planetlab.csv.gz" "$@"
}

# The first is also printed.
replay --update "$doc#comparison" ${page:+--html "$page"} --estimator \
	tce,tce:target=0.005,tce:target=0.002,node-max,container-max:window=24h,koordinator,autopilot,vpa,percentile-sum,node-percentile,n-sigma,max-nsigma-percentile,ema,latest,fixed-share
replay --update "$doc#one-instance" --one-instance --estimator tce,node-max >/dev/null
replay --update "$doc#first-day" --burn-in 0s --until 25h --estimator \
	tce,tce:early=0.01,tce:target=0.002,node-max,koordinator >/dev/null
replay --update "$doc#whole-loop" --policy configs/policy.yaml --tick 15s --until 24h --resource cpus --horizon 5m --estimator \
	tce,tce:target=0.02,node-max:window=24h:margin=0.1,koordinator,container-max:window=2h:margin=0.25 >/dev/null
