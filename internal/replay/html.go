package replay

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
)

//go:embed page.tmpl
var page string

// plotted is a chart with its title.
type plotted struct {
	Title string
	Plot  template.HTML
}

// WriteHTML writes the report as one self-contained page with plots.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"percent": percent,
	}).Parse(page)
	if err != nil {
		return err
	}
	var timelines []plotted
	for _, tl := range r.Timelines {
		timelines = append(timelines, plotted{
			Title: fmt.Sprintf("%s, node %s, %s, %s ahead, %s", tl.Dataset, tl.Node, tl.Resource, Span(tl.Horizon), tl.Estimator),
			Plot:  tl.plot(),
		})
	}
	totals := r.Totals()
	return t.Execute(w, struct {
		Report    *Report
		Totals    []Total
		Frontier  template.HTML
		Timelines []plotted
	}{r, totals, frontier(totals, r.Target), timelines})
}

// fleetPage writes the fleets as one self-contained page with plots.
func fleetPage(fleets []*FleetReport) func(io.Writer) error {
	var doc struct {
		Heads []string
		Rows  [][]string
		Plots []plotted
	}
	for _, c := range fleetColumns {
		doc.Heads = append(doc.Heads, c.head)
	}
	for _, r := range fleets {
		row := make([]string, len(fleetColumns))
		for k := range row {
			row[k] = fleetColumns[k].cell(r)
		}
		doc.Rows = append(doc.Rows, row)
		doc.Plots = append(doc.Plots, plotted{Title: fmt.Sprintf("%d nodes", r.Nodes), Plot: r.plot()})
	}
	return func(w io.Writer) error {
		t, err := template.New("page").Funcs(template.FuncMap{"percent": percent}).Parse(page)
		if err != nil {
			return err
		}
		return t.ExecuteTemplate(w, "fleet", doc)
	}
}

// plot draws what the master hears, minute by minute.
func (r *FleetReport) plot() template.HTML {
	curves := []curve{{class: "updates"}, {class: "rescinds"}}
	var at []float64
	for i := 0; i+60 <= len(r.seconds); i += 60 {
		updates, rescinds := 0, 0
		for _, c := range r.seconds[i : i+60] {
			updates += c.Updates
			rescinds += c.Rescinds
		}
		at = append(at, float64(i))
		curves[0].values = append(curves[0].values, float64(updates)/60)
		curves[1].values = append(curves[1].values, float64(rescinds)/60)
	}
	return chart("a second", at, curves)
}
