package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/client/places"
	"usher/session"
)

// setLine is a named set of marks.
type setLine struct {
	Name  string   `json:"name"`
	Paths []string `json:"paths"`
}

func (a *app) marksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "marks", SuggestFor: []string{"sets", "set"}, Short: "Sets of marked files that the browser has saved", GroupID: "files",
		Long: `Named sets of files and folders. The page of marks in the browser saves and loads them too (M, then w and o). A set has paths only: "usher get --set NAME" requests each file from the server, and names those that are gone. Sets are kept on this machine, per person and server.`,
		Example: `
usher marks list
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return unknown(cmd, args, "a command: list, show, save or remove")
		}),
	}
	named := func(use, short, long, example string, least, most int, sentence string, run func(places.Store, []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Long: long, Example: example,
			RunE: a.run(func(cmd *cobra.Command, args []string) error {
				if err := checkArgs(cmd, args, least, most, sentence); err != nil {
					return err
				}
				store, err := a.marks(cmd.Context())
				if err != nil {
					return err
				}
				return run(store, args)
			}),
		}
	}
	list := named("list", "List the sets", `List the sets with the number of their paths. With --json: {"name","paths"} for each.`, `
usher marks list
`, 0, 0, "marks list takes no arguments.", a.listMarks)
	show := named("show NAME", "Print the paths of a set", `Print the paths of a set, one a line, as get --from reads them. With --json: {"name","paths"}.`, `
usher marks show q3
`, 1, 1, "marks show takes the NAME of a set. usher marks list shows them.", a.showMarks)
	save := named("save NAME PATH...", "Save a set", `Save a set of files and folders (PATH ends in "/"). A set of the same name is replaced. The paths are stored as they are; no call is made.`, `
usher marks save q3 company-reports/quarterly/2025-q3/
`, 2, -1, "marks save takes a NAME and the PATHs of files and folders.", a.saveMarks)
	remove := named("remove NAME", "Remove a set", "Remove a set. Files stay.", "", 1, 1, "marks remove takes the NAME of a set. usher marks list shows them.", a.removeMarks)
	cmd.AddCommand(list, show, save, remove)
	return cmd
}

// marks returns the store with the sets of the signed-in person.
func (a *app) marks(ctx context.Context) (places.Store, error) {
	p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
	if err != nil {
		return places.Store{}, err
	}
	conn, err := a.connectTo(p, p.Config.AuditLog.Key, a.transport()) // no call: the sets are on this machine
	if err != nil {
		return places.Store{}, err
	}
	person, _, signedIn := conn.session.Person()
	if !signedIn {
		return places.Store{}, session.ErrSignedOut
	}
	return places.New(a.Folders, p.Place(), person.Sub), nil
}

func (a *app) listMarks(store places.Store, _ []string) error {
	state := store.Load()
	var t table
	for _, name := range state.SetNames() {
		if a.json {
			a.writeJSON(a.Out, setLine{name, state.Sets[name]})
			continue
		}
		t.add(safe(name), fmt.Sprint(len(state.Sets[name])))
	}
	if len(state.Sets) == 0 {
		a.hint("There are no sets. In the browser, mark files and press M and w, or run usher marks save.")
	}
	a.writeTable(&t)
	return nil
}

// setNamed returns the paths of a set.
func setNamed(store places.Store, name string) ([]string, error) {
	paths, ok := store.Load().Sets[name]
	if !ok {
		return nil, usagef("There is no set %s. usher marks list shows the sets.", safe(name))
	}
	return paths, nil
}

func (a *app) showMarks(store places.Store, args []string) error {
	paths, err := setNamed(store, args[0])
	switch {
	case err != nil:
		return err
	case a.json:
		a.writeJSON(a.Out, setLine{args[0], paths})
		return nil
	}
	for _, p := range paths {
		fmt.Fprintln(a.Out, safe(p))
	}
	return nil
}

func (a *app) saveMarks(store places.Store, args []string) error {
	name, paths := args[0], args[1:]
	if err := store.Load().Fits(name, paths); err != nil {
		return usagef("The set is not saved: %s.", err)
	}
	if err := store.Save(places.Change{Sets: map[string][]string{name: paths}}); err != nil {
		return err
	}
	a.hint("The set %s is saved. usher get --set downloads it.", safe(name))
	return nil
}

func (a *app) removeMarks(store places.Store, args []string) error {
	if _, err := setNamed(store, args[0]); err != nil {
		return err
	}
	if err := store.Save(places.Change{Sets: map[string][]string{args[0]: nil}}); err != nil {
		return err
	}
	a.hint("The set %s is removed.", safe(args[0]))
	return nil
}
