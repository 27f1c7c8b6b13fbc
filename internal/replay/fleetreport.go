package replay

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// FleetReport is what a fleet did to its master, and what came of it.
type FleetReport struct {
	Nodes int  `json:"nodes"`
	Span  Span `json:"span_s"`
	// CutShort: the simulation was ended before its time.
	CutShort bool `json:"cut_short,omitempty"`
	// Updates and Rescinds are per second, at the master: of all seconds the mean
	// and the 99th percentile, and the most within a minute after a failover and
	// within the ten minutes of a rise.
	UpdatesMean     float64 `json:"updates_per_second_mean"`
	UpdatesP99      float64 `json:"updates_per_second_p99"`
	UpdatesFailover float64 `json:"updates_per_second_most_after_failover"`
	UpdatesRise     float64 `json:"updates_per_second_most_at_rise"`
	RescindsMean    float64 `json:"rescinds_per_second_mean"`
	RescindsP99     float64 `json:"rescinds_per_second_p99"`
	// UpdatesPerNodeHour is what one node sends.
	UpdatesPerNodeHour float64 `json:"updates_per_node_hour"`
	// RegularRescindedShare is the share of the offers with regular resources
	// that were rescinded.
	RegularRescindedShare float64 `json:"regular_offers_rescinded_share"`
	// RevocableHours and RegularHours are core-hours of best-effort tasks that
	// completed, LostHours of those that were killed.
	RevocableHours float64 `json:"best_effort_hours_completed"`
	RegularHours   float64 `json:"regular_hours_completed"`
	LostHours      float64 `json:"best_effort_hours_lost"`
	// WaitP50 and WaitP99 are how long tasks waited to be launched.
	WaitP50        float64 `json:"revocable_wait_s_p50"`
	WaitP99        float64 `json:"revocable_wait_s_p99"`
	RegularWaitP50 float64 `json:"regular_wait_s_p50"`
	RegularWaitP99 float64 `json:"regular_wait_s_p99"`
	Kills          int     `json:"kills"`
	// KillsTogether is the largest share of the nodes that killed within one
	// interval of the daemons.
	KillsTogether float64 `json:"nodes_killing_together_share_max"`
	// Fairness is Jain's index of the best-effort roles' dominant shares by
	// weight: 1 when all have the same. RegularFairness is that of what they have
	// of regular resources.
	Fairness        float64 `json:"fairness"`
	RegularFairness float64 `json:"fairness_regular"`

	seconds             []masterCounts
	kills               []int
	fairness, regularly []float64
}

// count takes a second of the master into the report.
func (f *fleet) count(now int) {
	if !f.counting() {
		for _, n := range f.nodes {
			n.killed, n.score = 0, WholeScore{}
		}
		return
	}
	r := &f.report
	r.seconds = append(r.seconds, f.master.counts)
	killing := 0
	if tick := int(f.req.Tick / time.Second); now%tick == tick-1 {
		for _, n := range f.nodes {
			if n.killed > 0 {
				killing++
			}
			r.Kills += n.killed
			n.killed = 0
		}
		r.kills = append(r.kills, killing)
	}
	if now%60 == 0 {
		var all, regular []float64
		for _, b := range f.batch {
			all = append(all, b.role.share(&f.master.total))
			regular = append(regular, ratio(float64(b.role.allocated.cpus), float64(f.master.total.cpus))/b.role.weight)
		}
		r.fairness, r.regularly = append(r.fairness, jain(all)), append(r.regularly, jain(regular))
	}
}

// jain is Jain's index of fairness: 1 when all are equal, 1/n when one has all.
func jain(shares []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}

func (f *fleet) finish() {
	r := &f.report
	r.Nodes, r.Span = len(f.nodes), Span(time.Duration(len(r.seconds))*time.Second)
	rate := func(get func(*masterCounts) int, from, to int) (values []float64) {
		for i := max(0, from); i < min(to, len(r.seconds)); i++ {
			values = append(values, float64(get(&r.seconds[i])))
		}
		return values
	}
	all, updates := len(r.seconds), func(c *masterCounts) int { return c.Updates }
	rescinds := func(c *masterCounts) int { return c.Rescinds }
	r.UpdatesMean, r.UpdatesP99 = mean64(rate(updates, 0, all)), quantile(rate(updates, 0, all), 0.99)
	r.RescindsMean, r.RescindsP99 = mean64(rate(rescinds, 0, all)), quantile(rate(rescinds, 0, all), 0.99)
	if at := int(f.req.Failover / time.Second); f.req.Failover >= 0 {
		r.UpdatesFailover = quantile(rate(updates, at, at+60), 1)
	}
	if at := int(f.req.Rise / time.Second); f.req.Rise >= 0 {
		r.UpdatesRise = quantile(rate(updates, at, at+int(riseFor/time.Second)), 1)
	}
	r.UpdatesPerNodeHour = 3600 * ratio(r.UpdatesMean, float64(r.Nodes))
	var offered, rescinded int
	for i := range r.seconds {
		offered += r.seconds[i].RegularOffers
		rescinded += r.seconds[i].RegularRescinds
	}
	r.RegularRescindedShare = ratio(float64(rescinded), float64(offered))
	for _, n := range f.nodes {
		r.RevocableHours += n.score.completed
		r.LostHours += n.score.LostHours
	}
	for kind, to := range [][2]*float64{{&r.WaitP50, &r.WaitP99}, {&r.RegularWaitP50, &r.RegularWaitP99}} {
		var waits []float64
		for _, b := range f.batch {
			waits = append(waits, b.waits[kind]...)
			for _, since := range b.waiting[kind] { // still
				waits = append(waits, float64(f.master.now-since))
			}
		}
		*to[0], *to[1] = quantile(waits, 0.5), quantile(waits, 0.99)
	}
	for _, k := range r.kills {
		r.KillsTogether = max(r.KillsTogether, ratio(float64(k), float64(r.Nodes)))
	}
	r.Fairness, r.RegularFairness = mean64(r.fairness), mean64(r.regularly)
}

func mean64(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return ratio(sum, float64(len(v)))
}

// quantile is the least value that a share p of the values is not above.
func quantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(p*float64(len(v))))]
}

// fleetColumns are the columns of the table of fleets, in order.
var fleetColumns = []struct {
	head string
	cell func(r *FleetReport) string
}{
	{"nodes", func(r *FleetReport) string { return strconv.Itoa(r.Nodes) }},
	{"updates/s, mean (p99)", func(r *FleetReport) string { return fmt.Sprintf("%.2f (%.0f)", r.UpdatesMean, r.UpdatesP99) }},
	{"a node and hour", func(r *FleetReport) string { return fmt.Sprintf("%.2f", r.UpdatesPerNodeHour) }},
	{"most after failover, at a rise", func(r *FleetReport) string { return fmt.Sprintf("%.0f, %.0f", r.UpdatesFailover, r.UpdatesRise) }},
	{"rescinds/s, mean (p99)", func(r *FleetReport) string { return fmt.Sprintf("%.2f (%.0f)", r.RescindsMean, r.RescindsP99) }},
	{"regular offers rescinded", func(r *FleetReport) string { return percent(r.RegularRescindedShare) }},
	{"core-hours done (lost)", func(r *FleetReport) string { return fmt.Sprintf("%.0f (%.0f)", r.RevocableHours, r.LostHours) }},
	{"wait p50, p99: revocable", func(r *FleetReport) string { return fmt.Sprintf("%.0f s, %.0f s", r.WaitP50, r.WaitP99) }},
	{"regular", func(r *FleetReport) string { return fmt.Sprintf("%.0f s, %.0f s", r.RegularWaitP50, r.RegularWaitP99) }},
	{"killing together, most", func(r *FleetReport) string { return percent(r.KillsTogether) }},
	{"Jain: all, regular", func(r *FleetReport) string { return fmt.Sprintf("%.3f, %.3f", r.Fairness, r.RegularFairness) }},
}

// writeFleets writes a line for each fleet: a table for people, or of Markdown.
func writeFleets(w io.Writer, fleets []*FleetReport, markdown bool) error {
	before, between, after, out := "", "\t", "\n", io.Writer(tabwriter.NewWriter(w, 0, 0, 2, ' ', 0))
	if markdown {
		before, between, after, out = "| ", " | ", " |\n", w
	}
	put := func(cell func(k int) string) {
		cells := make([]string, len(fleetColumns))
		for k := range cells {
			cells[k] = cell(k)
		}
		_, _ = io.WriteString(out, before+strings.Join(cells, between)+after) // a short write shows below
	}
	put(func(k int) string { return fleetColumns[k].head })
	if markdown {
		put(func(int) string { return "---" })
	}
	for _, r := range fleets {
		put(func(k int) string { return fleetColumns[k].cell(r) })
	}
	if tw, ok := out.(*tabwriter.Writer); ok {
		return tw.Flush()
	}
	return nil
}

// Rescinds are those of the whole span.
func (r *FleetReport) Rescinds() (sum int) {
	for i := range r.seconds {
		sum += r.seconds[i].Rescinds
	}
	return sum
}
