// Package browser opens a page in the person's browser. It runs no shell, waits
// for nothing, and gives the browser no terminal.
//
// A browser that cannot be opened is no failure of a sign-in: the address is
// always shown too.
//
// The address and the return are left to package oauth.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// ErrNone means that this machine has no browser for a person at its screen.
var ErrNone = errors.New("no browser was found")

// System has the properties of the machine. All fields are required.
type System struct {
	OS     string // runtime.GOOS
	Getenv func(string) string
	// Start starts a program and returns without waiting for its end.
	Start func(name string, args ...string) error
}

// Real returns the System of this machine for an operating system's name.
func Real(goos string, getenv func(string) string) System {
	return System{OS: goos, Getenv: getenv, Start: start}
}

// start runs a program without a terminal. It outlives this process.
func start(name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("looking for %s: %w", name, err)
	}
	cmd := exec.CommandContext(context.Background(), path, args...) // stdin, stdout and stderr are /dev/null
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }() // collects the ended process
	return nil
}

// Open opens an address: with the commands of $BROWSER, with wslview under
// Windows' Linux, or with the system's opener.
func (s System) Open(address string) error {
	var errs []error
	for _, command := range s.commands(address) {
		err := s.Start(command[0], command[1:]...)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, ErrNone)...)
}

// commands returns the commands to try, in order. explorer.exe is none of them:
// it refuses addresses with "=".
func (s System) commands(address string) [][]string {
	var all [][]string
	// SPEC: xdg-utils and Debian's sensible-browser: a list of commands with
	// colons between them; %s is the place of the address.
	for entry := range strings.SplitSeq(s.Getenv("BROWSER"), ":") {
		words := strings.Fields(entry)
		if len(words) == 0 {
			continue
		}
		placed := false
		for i, w := range words[1:] {
			if strings.Contains(w, "%s") {
				words[i+1], placed = strings.ReplaceAll(w, "%s", address), true
			}
		}
		if !placed {
			words = append(words, address)
		}
		all = append(all, words)
	}
	switch s.OS {
	case "darwin":
		return append(all, []string{"open", address})
	case "windows":
		return append(all, []string{"rundll32", "url.dll,FileProtocolHandler", address})
	}
	if s.Getenv("WSL_DISTRO_NAME") != "" || s.Getenv("WSL_INTEROP") != "" {
		all = append(all, []string{"wslview", address})
	}
	if s.Getenv("DISPLAY") != "" || s.Getenv("WAYLAND_DISPLAY") != "" {
		all = append(all, []string{"xdg-open", address})
	}
	return all
}
