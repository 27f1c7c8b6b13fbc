package replay

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// importCommand is the command "replay import-prometheus".
func importCommand() *cobra.Command {
	var paths [4]string
	var nodes, containers []string
	var out string
	cmd := &cobra.Command{
		Use:   "import-prometheus --cpu-used FILE --cpu-alloc FILE --out FILE",
		Short: "Make a trace of Prometheus range exports",
		Long: `Make a trace of what Prometheus answers to range queries
(/api/v1/query_range, JSON), a file per column: usage in cores and MiB, and what
is allocated. All with the same step, which becomes that of the trace. A file
may hold several answers one after the other: Prometheus gives 11000 samples of
a series at a time.`,
		Example: "  estimatord replay import-prometheus --cpu-used used.json --cpu-alloc alloc.json --out node.csv.gz",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			e := PrometheusExport{NodeLabels: nodes, ContainerLabels: containers}
			var files []*os.File
			defer func() {
				for _, f := range files {
					_ = f.Close() // only read from
				}
			}()
			for i, to := range []*io.Reader{&e.CPUUsed, &e.CPUAllocated, &e.MemoryUsed, &e.MemoryAllocated} {
				if paths[i] == "" {
					continue
				}
				file, err := os.Open(paths[i])
				if err != nil {
					return err
				}
				files = append(files, file)
				*to = file
			}
			return writeTrace(out, func(w io.Writer) error { return ConvertPrometheus(w, e) })
		},
	}
	f := cmd.Flags()
	for i, name := range []string{"cpu-used", "cpu-alloc", "mem-used", "mem-alloc"} {
		f.StringVar(&paths[i], name, "", "answers of the query for the column "+strings.ReplaceAll(name, "-", "_"))
	}
	f.StringSliceVar(&nodes, "node-label", []string{"node"}, "labels that identify the node")
	f.StringSliceVar(&containers, "container-label", []string{"namespace", "pod", "container"}, "labels that identify the container on its node")
	f.StringVar(&out, "out", "", "trace to write; gzipped when it ends in .gz")
	for _, name := range []string{"cpu-used", "cpu-alloc", "out"} {
		_ = cmd.MarkFlagRequired(name) // the flag is defined above
	}
	cmd.MarkFlagsRequiredTogether("mem-used", "mem-alloc")
	return cmd
}
