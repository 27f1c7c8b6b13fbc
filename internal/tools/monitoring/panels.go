package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Uids are what dashboards are linked by.
const (
	nodeUID  = "estimatord-node"
	fleetUID = "estimatord-fleet"
)

// Units as Grafana calls them. It has none of cores.
const (
	unitNone    = "none"
	unitCores   = "suffix: cores"
	unitBytes   = "bytes"
	unitSeconds = "s"
	unitRatio   = "percentunit"
)

// Colors of the same quantity are the same in all panels.
const (
	good, warn, bad = "green", "orange", "red"
	regularColor    = "blue"
	revocableColor  = "orange"
	offeredColor    = "green"
)

// The grid of a dashboard is 24 wide.
const (
	statHeight, statWidth   = 4, 3
	panelHeight, panelWidth = 8, 12
)

// line is a query and how its result is shown; legend is a template over its labels.
type line struct {
	expr, legend string
	// stacked is an area on top of the ones before, color one of its own.
	stacked bool
	color   string
}

// newDashboard has what all of them have: the data source and the job to choose. The
// SDK prefers version 2 of the schema by now, which only the newest Grafana reads.
func newDashboard(uid, title, description string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).Uid(uid).Description(description).
		Tags([]string{"estimatord"}).Time("now-6h", "now").Refresh("1m").Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).Readonly().
		Link(dashboard.NewDashboardLinkBuilder("estimatord").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"estimatord"}).AsDropdown(true).IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(choice("job", "Job", "label_values(estimatord_build_info, job)"))
}

// choice is a variable whose values are those of a label.
func choice(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).
		Query(dashboard.StringOrMap{String: &query}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc)
}

// source is the data source that the reader has chosen.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

func row(title string) *dashboard.RowBuilder { return dashboard.NewRowBuilder(title) }

// graph shows lines over time.
func graph(title, unit, description string, lines ...line) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Unit(unit).Min(0).
		Datasource(source()).Height(panelHeight).Span(panelWidth).
		Targets(queries(lines)).LineWidth(1).FillOpacity(0).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti))
	for _, l := range lines {
		var properties []dashboard.DynamicConfigValue
		if l.stacked {
			properties = append(properties,
				dashboard.DynamicConfigValue{Id: "custom.stacking", Value: map[string]any{"mode": "normal", "group": "A"}},
				dashboard.DynamicConfigValue{Id: "custom.fillOpacity", Value: 40})
		}
		if l.color != "" {
			properties = append(properties, dashboard.DynamicConfigValue{
				Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": l.color},
			})
		}
		if properties != nil {
			p.OverrideByName(l.legend, properties)
		}
	}
	return p
}

// timeline shows lines of 0 and 1 as bars.
func timeline(title, description string, lines ...line) *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().Title(title).Description(description).
		Datasource(source()).Height(panelHeight).Span(panelWidth).Targets(queries(lines)).
		ShowValue(common.VisibilityModeNever).MergeValues(true).
		Mappings(states("no", "yes")).Thresholds(steps(good, 1, bad)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds))
}

// number shows the newest value of an expression.
func number(title, unit, description, expr string) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(description).Unit(unit).
		Datasource(source()).Height(statHeight).Span(statWidth).
		Targets(queries([]line{{expr: expr}})).GraphMode(common.BigValueGraphModeNone).
		ColorMode(common.BigValueColorModeValue).Thresholds(steps(good, 0, good)).NoValue("–")
}

// state shows 0 and 1 in words, one of which is bad.
func state(title, description, expr string, zero, one string, badAt float64) *stat.PanelBuilder {
	below, from := good, bad
	if badAt == 0 {
		below, from = bad, good
	}
	return number(title, unitNone, description, expr).Mappings(states(zero, one)).Thresholds(steps(below, 1, from))
}

// list shows the labels of what an expression finds, one row each.
func list(title, description string, columns ...column) *table.PanelBuilder {
	p := table.NewPanelBuilder().Title(title).Description(description).Datasource(source()).
		Height(panelHeight).Span(panelWidth).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}))
	hide := map[string]any{"Time": true, "__name__": true, "job": true}
	rename := map[string]any{}
	for i, c := range columns {
		id := string(rune('A' + i))
		p.WithTarget(prometheus.NewDataqueryBuilder().Datasource(source()).RefId(id).Expr(c.expr).
			Instant().Format(prometheus.PromQueryFormatTable))
		value := "Value #" + id
		if len(columns) == 1 {
			value = "Value"
		}
		if c.title == "" {
			hide[value] = true
			continue
		}
		rename[value] = c.title
		p.OverrideByName(c.title, []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}})
	}
	if len(columns) > 1 {
		p.WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}})
	}
	return p.WithTransformation(dashboard.DataTransformerConfig{
		Id: "organize", Options: map[string]any{"excludeByName": hide, "renameByName": rename},
	})
}

// column is one value of a list; without a title it is not shown.
type column struct{ title, unit, expr string }

func queries(lines []line) (all []cog.Builder[variants.Dataquery]) {
	for i, l := range lines {
		q := prometheus.NewDataqueryBuilder().Datasource(source()).RefId(string(rune('A' + i))).
			Expr(l.expr).LegendFormat(l.legend).Range()
		all = append(all, q)
	}
	return all
}

// states are the words for 0 and 1.
func states(zero, one string) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{
		Type: dashboard.MappingTypeValueToText, Options: map[string]dashboard.ValueMappingResult{"0": {Text: &zero}, "1": {Text: &one}},
	}}}
}

// steps are two colors, the second from a value on.
func steps(below string, from float64, above string) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: below}, {Value: &from, Color: above}})
}
