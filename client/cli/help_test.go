package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
)

// The help of every command fits 80 columns, has no cut line, and shows the type of
// each value.
func TestHelpFits(t *testing.T) {
	var out strings.Builder
	a := &app{Program: Program{Out: &out, Err: &out, Getenv: func(string) string { return "" }}}
	eachCommand(a.root(), func(c *cobra.Command) {
		out.Reset()
		a.help(c)
		for line := range strings.Lines(out.String()) {
			if w := ansi.StringWidth(strings.TrimRight(line, "\n")); w > 80 || strings.Contains(line, "…") {
				t.Errorf("%s --help: %d cells: %s", c.CommandPath(), w, line)
			}
		}
		if c.Example == "" && c.Runnable() && c.HasParent() && c.Name() != "help" && c.Parent().Name() != "completion" && c.Name() != "completion" {
			t.Logf("%s has no example", c.CommandPath())
		}
	})
	out.Reset()
	get, _, err := a.root().Find([]string{"get"})
	if err != nil {
		t.Fatal(err)
	}
	a.help(get)
	for _, want := range []string{"--include pattern", "--min-size size", "--newer-than time", "--parallel int", "--from file"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("get --help has no %q", want)
		}
	}
}

// Every command has a manual page.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if err := writePages((&app{}).root(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usher.1", "usher-ls.1", "usher-grants-add.1"} {
		if text, err := os.ReadFile(dir + "/" + name); err != nil || !strings.HasPrefix(string(text), ".") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
