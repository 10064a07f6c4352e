package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// prompt writes a question to stderr and reads a line. It returns early when ctx
// ends.
func (a *app) prompt(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.Err, question)
	return typed(ctx, func() (string, error) { return readLine(a.In) })
}

// promptSecret is prompt without echo. The echo is off before the question is on
// the screen, because the person may type as soon as it is. It is on again at the
// end, and after a signal.
func (a *app) promptSecret(ctx context.Context, question string) (string, error) {
	restore := func() {}
	if f, ok := a.In.(*os.File); ok {
		restore = hideInput(f)
	}
	defer restore()
	fmt.Fprint(a.Err, question)
	s, err := typed(ctx, a.ReadPassword)
	fmt.Fprintln(a.Err)
	return s, err
}

// typed runs a read of the terminal.
func typed(ctx context.Context, read func() (string, error)) (string, error) {
	text, err := await(ctx, read)
	if errors.Is(err, io.EOF) {
		return "", usagef("Nothing was typed.")
	}
	return text, err
}

// await runs a read that cannot be canceled. When ctx ends, await returns and the
// read continues in the background, because the process is about to end.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	got := make(chan result, 1)
	go func() {
		value, err := read()
		got <- result{value, err}
	}()
	select {
	case r := <-got:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// readLine reads up to a newline and not a byte further, so that the rest is
// left for the next reader.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < 4096 {
		n, err := r.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case n == 1:
			line = append(line, one[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		}
	}
	return "", usagef("That line is too long.")
}
