package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"usher/backend/sandbox/cognito/hosted/hostedtest"
)

// playBrowser is a program for $BROWSER in the scripts: browser NAME FILE URL. It
// signs a person in with the password in a file. With the name "closed" it makes
// the file and never returns to usher.
func playBrowser() {
	if len(os.Args) != 4 {
		os.Exit(64)
	}
	if os.Args[1] == "closed" {
		if os.WriteFile(os.Args[2], nil, 0o600) != nil {
			os.Exit(1)
		}
		return
	}
	password, err := os.ReadFile(os.Args[2])
	if err == nil {
		err = signInAs(os.Args[1], strings.TrimSpace(string(password)), os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func signInAs(name, password, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := hostedtest.New()
	if err != nil {
		return err
	}
	p, err := b.SignIn(ctx, address, name, password)
	if err == nil && !strings.Contains(p.Body, "Continue in your terminal.") {
		err = fmt.Errorf("the last page is %s: %d", p.URL.Path, p.Status)
	}
	return err
}
