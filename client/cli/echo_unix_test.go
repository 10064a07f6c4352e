//go:build linux || darwin

package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// watched is stderr. It notes whether a terminal echoes at the moment of each
// question.
type watched struct {
	bytes.Buffer
	tty     *os.File
	echoing []string
}

func (w *watched) Write(p []byte) (int, error) {
	if state, err := unix.IoctlGetTermios(int(w.tty.Fd()), readTermios); strings.TrimSpace(string(p)) != "" && (err != nil || state.Lflag&unix.ECHO != 0) {
		w.echoing = append(w.echoing, string(p))
	}
	return w.Buffer.Write(p)
}

// A secret's question is on the screen only after the echo is off, and the echo is
// on again after the answer and after a signal.
func TestSecretPromptHidesInputFirst(t *testing.T) {
	_, tty, err := pty.Open()
	if err != nil {
		t.Skip("no pty: ", err)
	}
	defer func() { _ = tty.Close() }()
	stderr := &watched{tty: tty}
	a := &app{Program: Program{In: tty, Err: stderr}}
	echoes := func() bool {
		state, err := unix.IoctlGetTermios(int(tty.Fd()), readTermios)
		return err == nil && state.Lflag&unix.ECHO != 0
	}
	a.ReadPassword = func() (string, error) { return "typed", nil }
	if text, err := a.promptSecret(t.Context(), "Password: "); text != "typed" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if len(stderr.echoing) > 0 || !strings.HasPrefix(stderr.String(), "Password: ") {
		t.Errorf("echo at %q of %q", stderr.echoing, stderr.String())
	}
	if !echoes() {
		t.Error("no echo after the answer")
	}
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	defer close(held)
	a.ReadPassword = func() (string, error) { cancel(); <-held; return "", nil }
	if _, err := a.promptSecret(ctx, "Password: "); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if !echoes() {
		t.Error("no echo after a signal")
	}
}
