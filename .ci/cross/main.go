// Command cross checks the program and its tests for other systems: types, and the
// analyzers of go vet that need one package alone.
//
// A build for a system without a cache compiles every dependency, which takes
// minutes. This command reads the same files and checks the same types, but it
// compiles nothing, and it skips the bodies of functions in dependencies. make
// release builds for the same systems.
//
// Usage: go run . FOLDER OS/ARCH…
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: cross FOLDER OS/ARCH…")
		os.Exit(64)
	}
	failed := false
	for _, platform := range os.Args[2:] {
		system, arch, _ := strings.Cut(platform, "/")
		faults, checked, err := check(os.Args[1], system, arch)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", platform, err)
			os.Exit(1)
		}
		for _, f := range faults {
			fmt.Printf("%s: %s\n", platform, f)
			failed = true
		}
		fmt.Printf("%s: %d packages with their tests\n", platform, checked)
	}
	if failed {
		os.Exit(1)
	}
}
