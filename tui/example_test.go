package tui_test

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/session"
	"usher/tui"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// Without a session, the program begins with the sign-in. tea.NewProgram runs the
// model in a terminal. The user name is known here, so the password has the focus.
func Example() {
	pool := tuitest.Pool{"ada": {Password: "Analytical-42", First: session.Done}}
	m, err := tui.New(tui.Deps{
		Backend: tuitest.NewServer("ada"), Transfers: &tuitest.Engine{Now: tuitest.Epoch}, Now: tuitest.Epoch, Server: "files.example.com",
		NewSignIn:   func() (signin.Flow, error) { return pool.Flow(), nil },
		SignedIn:    func(context.Context, session.Step) error { return nil },
		DownloadDir: "/home/ada/usher", User: "ada",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	for line := range strings.Lines(ansi.Strip(m.View().Content)) {
		if strings.Contains(line, "User") || strings.Contains(line, "Password") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
	// Output:
	// User ada
	// ▌Password
}
