//go:build !nosandbox

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/client/cli"
	"usher/session"
)

// commandScreen is the terminal of a command in this process: its questions go to a
// person, whose answers are its input.
type commandScreen struct {
	p       *person
	answers chan string
	input   []byte

	mu      sync.Mutex
	choices []string
}

var (
	choiceLine = regexp.MustCompile(`(?m)^  \d  (.*)$`)
	questions  = []struct {
		is *regexp.Regexp
		q  question
	}{
		{regexp.MustCompile(`^User name at `), askUser},
		{regexp.MustCompile(`^Password: $`), askPassword},
		{regexp.MustCompile(`^New password: $`), askNewPassword},
		{regexp.MustCompile(`^New password again: $`), askAgain},
		{regexp.MustCompile(`^Code `), askCode},
		{regexp.MustCompile(`^Number, 1 to `), askChoice},
		{regexp.MustCompile(`^Mail address for your codes: $`), askMail},
		{regexp.MustCompile(`^Remember this machine\?`), askRemember},
		{regexp.MustCompile(`^First name: $`), askAttribute},
	}
)

// Write shows a text. A text that ends like a question is answered.
func (s *commandScreen) Write(text []byte) (int, error) {
	s.p.sees(string(text))
	s.mu.Lock()
	for _, m := range choiceLine.FindAllSubmatch(text, -1) {
		s.choices = append(s.choices, string(m[1]))
	}
	choices := s.choices
	s.mu.Unlock()
	line := string(text[bytes.LastIndexByte(text, '\n')+1:])
	for _, row := range questions {
		if row.is.MatchString(line) && (strings.HasSuffix(line, ": ") || strings.HasSuffix(line, "] ")) {
			go func() { s.answers <- s.p.reply(row.q, choices) }()
		}
	}
	return len(text), nil
}

// Read is stdin.
func (s *commandScreen) Read(b []byte) (int, error) {
	if len(s.input) == 0 {
		s.input = []byte(<-s.answers + "\n")
	}
	n := copy(b, s.input)
	s.input = s.input[n:]
	return n, nil
}

// limited is a context that ends as at its time limit.
type limited struct {
	context.Context
	done chan struct{}
	once sync.Once
}

func (c *limited) Done() <-chan struct{}       { return c.done }
func (c *limited) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *limited) reach()                      { c.once.Do(func() { close(c.done) }) }
func (c *limited) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return c.Context.Err()
	}
}

// startCommand plays usher login in this process.
func (w *table) startCommand(t *testing.T, p *person) {
	t.Helper()
	s := &commandScreen{p: p, answers: make(chan string, 1)}
	limit := &limited{Context: context.WithoutCancel(t.Context()), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(limit)
	p.stop, p.reached = cancel, limit.reach
	args := []string{"login"}
	if p.row.flag != "" {
		args = append(args, p.row.flag)
	}
	go func() {
		defer close(p.done)
		defer cancel()
		if p.row.prepared {
			if p.failed = p.prepare(ctx); p.failed != nil {
				return
			}
		}
		p.exit = cli.Main(ctx, s.program(p), args)
		p.signedIn = p.stored()
	}()
}

// program returns the real commands, with the screen as the terminal.
func (s *commandScreen) program(p *person) cli.Program {
	env := map[string]string{"USHER_SERVER": p.t.Server, "NO_COLOR": "1"}
	all := program()
	all.Folders, all.Getenv, all.Now = p.folders, func(name string) string { return env[name] }, p.t.now.Now
	all.In, all.Out, all.Err, all.InTTY, all.OutTTY, all.ErrTTY = s, io.Discard, s, true, true, true
	all.ReadPassword = func() (string, error) { return <-s.answers, nil }
	return all
}

// stored reports whether the sign-in is on the disk.
func (p *person) stored() bool {
	s, err := session.Open(p.folders, p.profile, p.options())
	if err != nil {
		return false
	}
	_, _, ok := s.Person()
	return ok
}

// prepare makes the pool remember this machine.
func (p *person) prepare(ctx context.Context) error {
	in, err := session.NewSignIn(p.folders, p.profile, p.options())
	if err != nil {
		return err
	}
	defer in.Close()
	step, err := in.Password(ctx, p.user, []byte(tablePassword))
	for err == nil && step.Kind == session.NeedCode {
		step, err = in.Code(ctx, p.t.Sandbox.CodeNow(p.user))
	}
	switch {
	case err != nil:
		return err
	case !step.Remember:
		return errors.New("the pool does not offer to remember this machine")
	}
	return in.Remember(ctx, step.Tokens)
}
