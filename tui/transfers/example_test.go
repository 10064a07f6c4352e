package transfers_test

import (
	"fmt"

	"usher/client/download"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/transfers"
	"usher/tui/tuitest"
)

// A snapshot of the engine refreshes the page.
func Example() {
	p, err := transfers.New(transfers.Deps{
		Env:    &pane.Env{Theme: theme.New(theme.Options{}), Me: &pane.Me{}},
		Engine: &tuitest.Engine{Now: tuitest.Epoch}, Lister: tuitest.NewServer("ada"), Dir: "/home/ada/usher",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	running := download.Transfer{ID: 1, Bucket: "company-reports", Key: "2025.pdf", Size: 200, Done: 50, State: download.Running}
	p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Transfers: []download.Transfer{running}, Running: 1, Files: 1, Bytes: 200, BytesDone: 50}})
	title, _ := p.Window()
	fmt.Println(title)
	fmt.Println(transfers.Short(running))
	// Output:
	// 25%, 1 download
	// 25%
}
