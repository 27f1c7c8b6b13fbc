//go:build !man

package main

import "github.com/spf13/cobra"

// forPackages are the commands that only a build for packages has: see man.go.
func forPackages() []*cobra.Command { return nil }
