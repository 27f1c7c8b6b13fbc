package replay

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// The size of a plot and of its margins, in pixels.
const (
	plotWidth, plotHeight   = 960.0, 320.0
	plotLeft, plotRight     = 84.0, 16.0
	plotTop, plotBottom     = 28.0, 34.0
	frontierHeight          = 440.0
	leastViolation          = 1e-4 // the left end of the frontier's axis; 0 is drawn there
	labelHeight, labelWidth = 18.0, 8.5
)

// frontier plots each estimator's savings over its worst cell's violation rate.
func frontier(totals []Total, target float64) template.HTML {
	var b strings.Builder
	open(&b, frontierHeight)
	x := func(rate float64) float64 {
		return plotLeft + (plotWidth-plotLeft-plotRight)*math.Log(max(rate, leastViolation)/leastViolation)/math.Log(1/leastViolation)
	}
	y := func(savings float64) float64 { return scaleY(savings, 1, frontierHeight) }
	for rate := leastViolation; rate < 1.01; rate *= 10 {
		line(&b, "grid", x(rate), plotTop, x(rate), frontierHeight-plotBottom)
		label := fmt.Sprintf("%g%%", math.Round(rate*1e6)/1e4)
		if rate == leastViolation {
			label = "≤ " + label
		}
		text(&b, "", "middle", min(x(rate), plotWidth-30), frontierHeight-12, label)
	}
	for s := 0.0; s < 1.01; s += 0.2 {
		line(&b, "grid", plotLeft, y(s), plotWidth-plotRight, y(s))
		text(&b, "", "end", plotLeft-8, y(s)+4, fmt.Sprintf("%.1f", s))
	}
	text(&b, "name", "start", 4, plotTop-8, "savings; below, violations in the worst cell")
	if target > 0 {
		line(&b, "target", x(target), plotTop, x(target), frontierHeight-plotBottom)
	}
	for _, family := range families(totals) {
		b.WriteString(`<polyline class="family" points="`)
		for _, t := range family {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(t.WorstViolationRate), y(t.Savings))
		}
		b.WriteString(`"/>`)
	}
	var labels []box
	for i, t := range totals {
		class := "dot"
		if i == 0 {
			class = "dot first"
		}
		cx, cy := x(t.WorstViolationRate), y(t.Savings)
		fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="5"><title>%s: savings %.3f, worst cell %s</title></circle>`,
			class, cx, cy, template.HTMLEscapeString(t.Estimator), t.Savings, percent(t.WorstViolationRate))
		l := place(cx, cy, t.Estimator, labels)
		labels = append(labels, l)
		text(&b, "name", "start", l.x, l.y, t.Estimator)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // built here, labels are escaped
}

// families are the settings of one predictor each, by violation rate, of those
// that have more than one.
func families(totals []Total) [][]Total {
	var names []string
	by := make(map[string][]Total)
	for _, t := range totals {
		name, _, _ := strings.Cut(t.Estimator, ":")
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], t)
	}
	var out [][]Total
	for _, name := range names {
		if family := by[name]; len(family) > 1 {
			slices.SortStableFunc(family, func(a, b Total) int { return cmp.Compare(a.WorstViolationRate, b.WorstViolationRate) })
			out = append(out, family)
		}
	}
	return out
}

// box is where a label is.
type box struct{ x, y, width float64 }

// place finds room for a label beside a dot, moving it down where another is.
func place(cx, cy float64, name string, taken []box) box {
	l := box{x: cx + 9, y: cy + 4, width: labelWidth * float64(len(name))}
	if l.x+l.width > plotWidth-plotRight {
		l.x = cx - 9 - l.width
	}
	for moved := true; moved; {
		moved = false
		for _, t := range taken {
			if math.Abs(t.y-l.y) < labelHeight && l.x < t.x+t.width && t.x < l.x+l.width {
				l.y = t.y + labelHeight
				moved = true
			}
		}
	}
	return l
}

// curve is one line of a chart, of the class that its colour has.
type curve struct {
	class  string
	values []float64
}

// plot draws allocation, usage and prediction over time.
func (t *Timeline) plot() template.HTML {
	curves := []curve{{class: "allocated"}, {class: "predicted"}, {class: "used"}}
	seconds := make([]float64, 0, len(t.Points))
	for i := range t.Points {
		p := &t.Points[i]
		seconds = append(seconds, p.At.Sub(t.Points[0].At).Seconds())
		for k, v := range []float64{p.Allocated, p.Predicted, p.Used} {
			curves[k].values = append(curves[k].values, v)
		}
	}
	unit := "cores"
	if t.Resource == Memory {
		unit = "MiB"
	}
	return chart(unit, seconds, curves)
}

// chart draws curves over time, in a unit.
func chart(unit string, seconds []float64, curves []curve) template.HTML {
	var b strings.Builder
	open(&b, plotHeight)
	top := 0.0
	for _, c := range curves {
		for _, v := range c.values {
			top = max(top, v)
		}
	}
	if len(seconds) < 2 || top <= 0 {
		text(&b, "", "middle", plotWidth/2, plotHeight/2, "nothing to show")
		b.WriteString("</svg>")
		return template.HTML(b.String()) //nolint:gosec // constant
	}
	span := seconds[len(seconds)-1]
	wide := plotWidth - plotLeft - plotRight
	for i := range 5 {
		part := float64(i) / 4
		y := scaleY(top*part, top, plotHeight)
		line(&b, "grid", plotLeft, y, plotWidth-plotRight, y)
		text(&b, "", "end", plotLeft-8, y+4, fmt.Sprintf("%.4g", top*part))
		text(&b, "", "middle", min(plotLeft+wide*part, plotWidth-40), plotHeight-10, hours(span*part))
	}
	text(&b, "name", "start", 4, plotTop-8, unit)
	for _, c := range curves {
		fmt.Fprintf(&b, `<polyline class="%s" points="`, c.class)
		for i, v := range c.values {
			fmt.Fprintf(&b, "%.1f,%.1f ", plotLeft+wide*seconds[i]/span, scaleY(v, top, plotHeight))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers, and constants
}

func hours(s float64) string {
	switch h := s / 3600; {
	case h >= 48:
		return fmt.Sprintf("%.1f d", h/24)
	case h >= 1 || h == 0:
		return fmt.Sprintf("%.3g h", h)
	default:
		return fmt.Sprintf("%.0f min", h*60)
	}
}

func scaleY(v, top, height float64) float64 {
	return height - plotBottom - (height-plotTop-plotBottom)*v/top
}

func open(b *strings.Builder, height float64) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %.0f %.0f" role="img">`, plotWidth, height)
}

func line(b *strings.Builder, class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func text(b *strings.Builder, class, anchor string, x, y float64, s string) {
	fmt.Fprintf(b, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, template.HTMLEscapeString(s))
}
