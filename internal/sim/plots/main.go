// Command plots draws the stories of package sim into a directory, for
// docs/evidence/ladder.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/estimatord/estimatord/internal/sim"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: plots DIRECTORY")
		os.Exit(2)
	}
	if err := draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "plots:", err)
		os.Exit(1)
	}
}

func draw(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, sc := range sim.Scenarios() {
		rows, err := sim.Run(sc)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.Name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, sc.Name+".svg"), sim.Plot(&sc, rows), 0o644); err != nil {
			return err
		}
	}
	return nil
}
