package simnode

import (
	"fmt"
	"html"
	"strings"

	"github.com/estimatord/estimatord/qos/policy"
)

// The size of a plot and of its parts, in pixels: the curves, and below them the
// rungs.
const (
	plotWidth, plotHeight = 900.0, 330.0
	plotLeft, plotRight   = 44.0, 12.0
	curvesTop, curvesEnd  = 36.0, 230.0
	rungsTop, rungsEnd    = 246.0, 302.0
)

// curve is one line of a plot.
type curve struct {
	name, color, dash string
	of                func(r *Row) float64
}

var curves = []curve{
	{"regular wants", "#9db4d8", "", func(r *Row) float64 { return r.Wanted }},
	{"regular uses", "#1f4e9c", "", func(r *Row) float64 { return r.Used }},
	{"revocable use", "#2e8b57", "", func(r *Row) float64 { return r.Revocable }},
	{"limit", "#d2691e", "5 3", func(r *Row) float64 { return r.Limit }},
	{"revocable total", "#8a2be2", "2 3", func(r *Row) float64 { return r.RevocableTotal }},
}

// Plot draws a story as SVG.
func Plot(sc *Scenario, rows []Row) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="11" fill="none">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="#fff"/>`+"\n", html.EscapeString(sc.Name+": "+sc.About))
	p := plot{b: &b, top: sc.CPUs, span: float64(len(rows))}
	p.axes()
	p.rungs(rows)
	x := plotLeft
	for _, c := range curves {
		p.draw(&c, rows)
		p.line(x, 18, x+18, 18, c.color, c.dash, 2)
		p.text(x+23, 22, "start", c.name)
		x += 118
	}
	labels := 0.0
	for i := range rows {
		if rows[i].Kills > 0 {
			labels++
			p.line(p.x(i), curvesTop, p.x(i), rungsEnd, "#c00", "", 1)
			p.text(p.x(i)+3, curvesTop+10*labels, "start", fmt.Sprintf("kills %d", rows[i].Kills))
		}
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

type plot struct {
	b         *strings.Builder
	top, span float64
}

func (p *plot) x(second int) float64 {
	return plotLeft + (plotWidth-plotLeft-plotRight)*float64(second)/p.span
}

func (p *plot) y(cores float64) float64 {
	return curvesEnd - (curvesEnd-curvesTop)*min(cores, p.top)/p.top
}

func (p *plot) axes() {
	for cores := 0.0; cores <= p.top; cores += 2 {
		p.line(plotLeft, p.y(cores), plotWidth-plotRight, p.y(cores), "#e4e4e4", "", 1)
		p.text(plotLeft-6, p.y(cores)+4, "end", fmt.Sprintf("%g", cores))
	}
	step := 60
	for p.span/float64(step) > 12 {
		step *= 2
	}
	for at := 0; at < int(p.span); at += step {
		p.text(p.x(at), rungsEnd+18, "middle", fmt.Sprintf("%d s", at))
	}
	p.text(plotLeft-6, rungsEnd+2, "end", "rung")
}

// draw leaves gaps where there is no value, and draws corners only.
func (p *plot) draw(c *curve, rows []Row) {
	for i := 0; i < len(rows); {
		if c.of(&rows[i]) == 0 {
			i++
			continue
		}
		var points []string
		for ; i < len(rows) && c.of(&rows[i]) != 0; i++ {
			v := c.of(&rows[i])
			inside := i > 0 && i+1 < len(rows) && c.of(&rows[i-1]) == v && c.of(&rows[i+1]) == v
			if !inside {
				points = append(points, fmt.Sprintf("%.1f,%.1f", p.x(i), p.y(v)))
			}
		}
		fmt.Fprintf(p.b, `<polyline points="%s" stroke="%s" stroke-width="1.6"%s/>`+"\n", strings.Join(points, " "), c.color, dashed(c.dash))
	}
}

// rungs draws a bar for each stretch of time on a rung, higher ones taller.
func (p *plot) rungs(rows []Row) {
	colors := [...]string{policy.StopOffering: "#ffe9a8", policy.Throttle: "#ffc36b", policy.Freeze: "#7cc4e8", policy.Kill: "#e05a4a"}
	names := map[policy.Rung]bool{}
	for i := 0; i < len(rows); {
		begin, rung := i, rows[i].Rung
		for i < len(rows) && rows[i].Rung == rung {
			i++
		}
		if rung == policy.None {
			continue
		}
		top := rungsEnd - (rungsEnd-rungsTop)*float64(rung)/float64(policy.Kill)
		fmt.Fprintf(p.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", p.x(begin), top, max(1, p.x(i)-p.x(begin)), rungsEnd-top, colors[rung])
		if !names[rung] && p.x(i)-p.x(begin) > 70 {
			p.text(p.x(begin)+4, top+10, "start", rung.String())
			names[rung] = true
		}
	}
	p.line(plotLeft, rungsEnd, plotWidth-plotRight, rungsEnd, "#888", "", 1)
}

func (p *plot) line(x1, y1, x2, y2 float64, color, dash string, width float64) {
	fmt.Fprintf(p.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"%s/>`+"\n", x1, y1, x2, y2, color, width, dashed(dash))
}

func (p *plot) text(x, y float64, anchor, s string) {
	fmt.Fprintf(p.b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#333">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
}

func dashed(dash string) string {
	if dash == "" {
		return ""
	}
	return ` stroke-dasharray="` + dash + `"`
}
