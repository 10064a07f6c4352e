package browse_test

import (
	"fmt"

	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// The browser opens at the buckets. Enter opens the bucket under the cursor.
func Example() {
	server := tuitest.NewServer("ada", "finance-team")
	server.Put("company-reports/annual/2025.pdf", 4_213_904, "2026-03-14 09:12")
	p, err := browse.New(browse.Deps{
		Env:     &pane.Env{Theme: theme.New(theme.Options{}), Me: &pane.Me{Online: true}},
		Backend: server, Now: tuitest.Epoch,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.View(80, 20) // sets the sizes of the lists
	tuitest.Drive(p.Handle, p.Start(pane.Target{}))
	tuitest.Drive(p.Handle, p.Do(keys.Enter))
	fmt.Println(p.Target().Path())
	// Output: company-reports/
}
