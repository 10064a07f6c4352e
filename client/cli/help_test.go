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

// A line with an indent keeps its columns, and the second of two columns goes on below
// itself. Other lines have single spaces.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		width            int
	}{
		{"a paragraph", "one  two three four five six seven", "one two three four\nfive six seven", 22},
		{"columns that fit", "  a: 1    one\n  long: 2 two", "  a: 1    one\n  long: 2 two", 22},
		{"two columns", "  mouse: on   the wheel moves, a click selects", "  mouse: on   the wheel moves,\n              a click selects", 30},
		{"a column without room", "  transfers.remove: x  here", "  transfers.remove: x\n  here", 22},
		{"terms", "  who:NAME  ip:A  id:E  size:>1", "  who:NAME  ip:A  id:E\n  size:>1", 22},
		{"a long word", "  {aaaaaaaaa,bbbbbbbbb,cccccccc}", "  {aaaaaaaaa,\n  bbbbbbbbb,cccccccc}", 22},
	} {
		if got := wrap(c.text, c.width); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
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
