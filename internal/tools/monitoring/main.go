// Command monitoring writes the Grafana dashboards of deploy/monitoring.
//
// It is a module of its own: neither the SDK that the dashboards are typed with nor
// the parser of PromQL that its tests read them with is in the daemon's go.mod.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: monitoring DIR")
		os.Exit(2)
	}
	files, err := render()
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(os.Args[1], name), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

// render makes the files of all dashboards, by name.
func render() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, build := range map[string]func() *dashboard.DashboardBuilder{"node.json": node, "fleet.json": fleet} {
		d, err := build().Build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for i := range d.Panels { // links to one panel go by its id
			if p := &d.Panels[i]; p.RowPanel != nil {
				p.RowPanel.Id = uint32(i + 1)
			} else {
				p.Panel.Id = new(uint32(i + 1))
			}
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = append(text, '\n')
	}
	return files, nil
}
