package dynamo

import (
	"context"
	"io"
)

// body is the body of a response within the time limit of its attempt.
type body struct {
	io.ReadCloser
	attempt, caller context.Context
	cancel          context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.attempt.Err() != nil && b.caller.Err() == nil {
		err = errAttempt
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
