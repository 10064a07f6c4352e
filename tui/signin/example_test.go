package signin_test

import (
	"context"
	"fmt"

	"usher/session"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// Done is the last message of a sign-in. The root then opens the browser.
func Example() {
	pool := tuitest.Pool{"ada": {Password: "Analytical-42", First: session.Done}}
	p, err := signin.New(signin.Deps{
		Env:   &pane.Env{Theme: theme.New(theme.Options{}), Me: &pane.Me{}},
		New:   func() (signin.Flow, error) { return pool.Flow(), nil },
		Store: func(context.Context, session.Step) error { return nil }, Server: "files.example.com", User: "ada",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, letter := range "Analytical-42" {
		p.Key(tuitest.Key(string(letter)))
	}
	sent := tuitest.Drive(p.Handle, p.Key(tuitest.Key("enter")))
	fmt.Printf("%T\n", sent[len(sent)-1])
	// Output: signin.Done
}
