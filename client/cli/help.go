package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	mango "github.com/muesli/mango-cobra"
	"github.com/muesli/roff"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"usher/client/cells"
)

// The width of help, in cells.
const (
	narrowHelp = 80 // without a terminal
	widestHelp = 100
)

// helpWidth returns the width of the terminal, within bounds.
func (a *app) helpWidth() int {
	width := 0
	if a.OutTTY {
		width = terminalWidth(a.Out)
	} else if w, err := strconv.Atoi(a.Getenv("COLUMNS")); err == nil {
		width = w
	}
	if width <= 0 {
		width = narrowHelp
	}
	return min(max(width, 20), widestHelp)
}

// help prints the help of a command. Each line fits the terminal; nothing is cut
// but the lines of examples that are wider.
func (a *app) help(c *cobra.Command) {
	width := a.helpWidth()
	title := func(s string) string {
		if a.OutTTY && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" {
			return ansi.Style{}.Bold().Styled(s)
		}
		return s
	}
	var b strings.Builder
	section := func(name, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n%s\n%s\n", title(name), text)
		}
	}
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	fmt.Fprintln(&b, wrap(strings.TrimSpace(about), width))
	use := "  " + c.UseLine()
	if c.HasAvailableSubCommands() && !c.Runnable() {
		use = "  " + c.CommandPath() + " COMMAND"
	}
	section("Usage", use)
	section("Examples", indent(c.Example))
	for _, g := range append(c.Groups(), &cobra.Group{Title: "commands"}) {
		section(strings.ToUpper(g.Title[:1])+g.Title[1:], commandList(c, g.ID, width))
	}
	section("Flags", c.LocalFlags().FlagUsagesWrapped(width))
	section("Global flags", c.InheritedFlags().FlagUsagesWrapped(width))
	fmt.Fprint(a.Out, b.String())
}

// wrap breaks lines at spaces, and words that are wider than a line after commas
// or, without one, anywhere. It keeps the indent of a line, and the gaps between the
// columns of an indented line.
func wrap(text string, width int) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, wrapLine(line, width)...)
	}
	return strings.Join(out, "\n")
}

func wrapLine(line string, width int) (out []string) {
	rest := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(rest)]
	next := continued(lead, rest, width)
	have, empty := lead, true
	for rest != "" {
		word := strings.TrimLeft(rest, " ")
		gap := len(rest) - len(word)
		if lead == "" {
			gap = min(gap, 1)
		}
		word, _, _ = strings.Cut(word, " ")
		rest = strings.TrimLeft(rest, " ")[len(word):]
		if !empty && cells.Width(have)+gap+cells.Width(word) > width {
			out, have, empty = append(out, have), next, true
		}
		if !empty {
			have += strings.Repeat(" ", gap)
		}
		for have += word; cells.Width(have) > width; {
			cut := cells.Truncate(have, width, "")
			if i := strings.LastIndexByte(cut, ','); i > len(next) {
				cut = cut[:i+1]
			}
			out, have = append(out, cut), next+have[len(cut):]
		}
		empty = false
	}
	return append(out, have)
}

// continued returns the indent of the further lines of a line: that of its second and
// last column, if it has one and the column has room, or that of the line.
func continued(lead, rest string, width int) string {
	name, text, ok := strings.Cut(rest, "  ")
	text = strings.TrimLeft(text, " ")
	at := len(lead) + len(rest) - len(text)
	if lead == "" || !ok || name == "" || text == "" || strings.Contains(text, "  ") || at > width/2 {
		return lead
	}
	return strings.Repeat(" ", at)
}

func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = "  " + l
		}
	}
	return strings.Join(lines, "\n")
}

// commandList lists the commands of a group.
func commandList(c *cobra.Command, group string, width int) string {
	var b strings.Builder
	for _, sub := range c.Commands() {
		if sub.GroupID != group || !sub.IsAvailableCommand() && sub.Name() != "help" {
			continue
		}
		name := fmt.Sprintf("  %-12s ", sub.Name())
		text := strings.Split(wrap(sub.Short, width-len(name)), "\n")
		fmt.Fprintln(&b, name+strings.Join(text, "\n"+strings.Repeat(" ", len(name))))
	}
	return b.String()
}

// helpCommand makes the help of an unknown command an error. That of cobra takes the
// word for a PATH, and prints the help of usher.
func (a *app) helpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Run, c.RunE = nil, a.run(func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("%s", noCommand(root, strings.Join(args, " ")))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		})
	}
}

func (a *app) manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "man [COMMAND...]", Short: "Print a manual page", GroupID: "machine",
		Long: `Print the manual page of usher or of a command. --dir writes the pages of all commands to a folder, as usher.1, usher-ls.1 and so on. With --json the output is the description of all JSON output, docs/json.md.`,
		Example: `
usher man | man -l -
usher man get > usher-get.1
`,
		RunE: a.run(func(_ *cobra.Command, args []string) error {
			root := Root(a.Program) // without the state of this run
			date, err := a.pageDate()
			if err != nil {
				return err
			}
			if a.json {
				fmt.Fprint(a.Out, JSONDoc())
				return nil
			}
			if dir != "" {
				return writePages(root, dir, date)
			}
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("%s", noCommand(root, strings.Join(args, " ")))
			}
			page, err := manPage(c, date)
			if err != nil {
				return err
			}
			fmt.Fprint(a.Out, page)
			return nil
		}),
	}
	cmd.Flags().Var(textFlag{&dir, "folder"}, "dir", "write all pages to this folder")
	return cmd
}

// pageDate returns the date of a manual page: today, or SOURCE_DATE_EPOCH in a build
// with reproducible files.
//
// SPEC: reproducible-builds.org, SOURCE_DATE_EPOCH: seconds since 1970, in decimal.
func (a *app) pageDate() (time.Time, error) {
	text := a.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return a.Now(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH is a number of seconds since 1970, not %s.", safe(text))
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// manual is a manual page with a given date. Its synopsis has the command as typed.
type manual struct {
	*roff.Document
	command string
	date    time.Time
}

func (m manual) Heading(section uint, title, description string, _ time.Time) {
	m.Document.Heading(section, title, description, m.date)
}

func (m manual) TextBold(text string) {
	if text == pageName(m.command) {
		text = m.command
	}
	m.Document.TextBold(text)
}

// pageName returns the name of the page of a command, such as usher-profiles-list.
func pageName(command string) string { return strings.ReplaceAll(command, " ", "-") }

// manPage returns the manual page of a command.
func manPage(c *cobra.Command, date time.Time) (string, error) {
	page, err := mango.NewManPage(1, c)
	if err != nil {
		return "", fmt.Errorf("writing the manual page: %w", err)
	}
	page.Root.Name = pageName(c.CommandPath())
	return page.Build(manual{roff.NewDocument(), c.CommandPath(), date}), nil
}

// writePages writes the pages of a command and all below it.
func writePages(c *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	page, err := manPage(c, date)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, pageName(c.CommandPath())+".1"), []byte(page), 0o666); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			if err := writePages(sub, dir, date); err != nil {
				return err
			}
		}
	}
	return nil
}
