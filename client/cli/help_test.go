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

// Every command has a manual page. Its name is that of its file, and its date that of
// SOURCE_DATE_EPOCH.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	var a app
	a.Getenv = func(string) string { return "1700000000" }
	date, err := a.pageDate()
	if err != nil {
		t.Fatal(err)
	}
	if err := writePages(a.root(), dir, date); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(dir + "/usher-grants-add.1")
	for _, want := range []string{`.TH USHER-GRANTS-ADD 1 "2023-11-14"`, "\nusher-grants-add - ", `\fBusher grants add\fP [`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q: %v", want, err)
		}
	}
	a.Getenv = func(string) string { return "yesterday" }
	if _, err := a.pageDate(); err == nil {
		t.Error("SOURCE_DATE_EPOCH=yesterday is accepted")
	}
	for _, name := range []string{"usher.1", "usher-ls.1", "usher-grants-add.1"} {
		if text, err := os.ReadFile(dir + "/" + name); err != nil || !strings.HasPrefix(string(text), ".") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
