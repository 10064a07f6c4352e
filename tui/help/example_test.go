package help_test

import (
	"fmt"

	"usher/tui/help"
	"usher/tui/pane"
	"usher/tui/tuitest"
)

// The palette finds a command by some letters of its name, and enter runs it.
func ExamplePalette() {
	palette := help.NewPalette([]help.Command{
		{Name: "Download marked files", Key: "d", Run: pane.Send("download")},
		{Name: "Unmark all", Key: "u", Run: pane.Send("unmark")},
	}, help.Path{})
	for _, letter := range []string{"u", "n", "m"} {
		palette.Key(tuitest.Key(letter))
	}
	closed, cmd := palette.Key(tuitest.Key("enter"))
	fmt.Println(closed, cmd())
	// Output: true unmark
}
