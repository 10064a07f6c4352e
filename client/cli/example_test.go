package cli_test

import (
	"fmt"

	"usher/client/cli"
)

// Root is used to generate pages about the commands.
func ExampleRoot() {
	for _, c := range cli.Root(cli.Program{}).Commands() {
		if c.Name() == "get" {
			fmt.Println(c.Name(), "-", c.Short)
		}
	}
	// Output:
	// get - Download files and folders
}
