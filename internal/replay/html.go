package replay

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
)

//go:embed page.tmpl
var page string

// WriteHTML writes the report as one self-contained page with plots.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"percent": percent,
	}).Parse(page)
	if err != nil {
		return err
	}
	type plotted struct {
		Title string
		Plot  template.HTML
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
