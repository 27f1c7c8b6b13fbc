// Command plots draws the stories of package simnode into a directory, for
// docs/evidence/ladder.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/estimatord/estimatord/internal/replay/simnode"
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
	for _, sc := range simnode.Scenarios() {
		rows, err := simnode.Run(sc)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.Name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, sc.Name+".svg"), simnode.Plot(&sc, rows), 0o644); err != nil {
			return err
		}
	}
	return nil
}
