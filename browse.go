//go:build !lambda.norpc

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"usher/client/cli"
	"usher/client/download"
	"usher/client/history"
	"usher/session/browser"
	"usher/session/keyring"
	"usher/tui"
)

// browserParts is the full-screen program and the engine of its downloads.
type browserParts struct {
	engine *download.PerUser
	past   *past
	model  *tui.Model
}

// build builds the program.
func (p *browserParts) build(b cli.Browser) (err error) {
	person, _, _ := b.Session.Person()
	gate := b.Watch.Gate(b.Client)
	p.past = &past{b: b}
	p.engine, err = download.NewPerUser(person.Sub, func(owner string) (*download.Engine, error) {
		c := download.Config{
			Releaser: gate, Lister: gate, S3Hosts: b.Profile.Config.S3Hosts, Report: true, Limit: b.Limit,
			AllowHTTP: strings.HasPrefix(b.Profile.Server, "http://"), // loopback only: profiles accept no other
		}
		if owner != "" {
			c.QueueFile = b.Folders.QueueFile(b.Profile, owner)
			if !b.Fresh {
				c.Finished = p.past.record(owner)
			}
		}
		return download.New(c)
	})
	if err != nil {
		return fmt.Errorf("starting the browser: %w", err)
	}
	notice, err := tui.ParseNotice(b.Notify, os.Getenv("TERM"))
	if err != nil {
		return err
	}
	deps := tui.Wire(b.Client, b.Session, p.engine, tui.Environment{
		Profile: b.Profile, Folders: b.Folders, Keyring: keyring.New(os.Getenv), Path: b.Path, Downloads: b.Downloads, Version: version,
		Random: rand.Reader, Now: time.Now, Getenv: os.Getenv, Taskbar: cli.Taskbar(os.Getenv),
		OpenURL: browser.Real(runtime.GOOS, os.Getenv).Open, Watch: b.Watch, Notice: notice, Theme: b.Theme, Screen: tui.Screen(b.Screen),
		History: func(person string) history.State { return p.past.of(person).Load() }, Fresh: b.Fresh,
	})
	for _, a := range b.Accounts {
		deps.Demo = append(deps.Demo, tui.DemoAccount(a.Username, a.Password, a.About(), a.SSOOnly, func() string { return b.CodeNow(a.Username) }))
	}
	p.model, err = tui.New(deps)
	return err
}

// close closes the parts that were built, after the end of the program.
func (p *browserParts) close() (err error) {
	if p.engine != nil {
		err = p.engine.Close()
		p.past.flush()
	}
	if p.model != nil {
		_ = p.model.Close() // the browser has named the reason, if places cannot be stored
	}
	return err
}
