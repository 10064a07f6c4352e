package device

import (
	"context"
	"time"

	"usher/backend/safetext"
)

// Callback is the return from the hosted UI.
type Callback struct {
	State, Code, Failure string
	Cookie               string
}

// Return accepts the authorization code of the hosted UI and returns the number
// that the page shows; "" without numbers. A reload returns the same number.
func (b *Broker) Return(ctx context.Context, c Callback) (string, error) {
	id, ok := requestOf(c.State)
	if !ok {
		return "", ErrUnknown
	}
	number := b.key.number(c.State)
	_, err := b.change(ctx, id, func(r *Request) error {
		switch {
		case !b.key.matches("state", c.State, r.Return):
			return ErrUnknown
		case !b.key.matches("cookie", c.Cookie, r.Cookie):
			return ErrBrowser
		case !b.c.Now().Before(r.Expires):
			return ErrUnknown
		case r.State == Returned && c.Code != "":
			return nil
		case r.State != Approving:
			return ErrFinished
		case c.Code == "" || len(c.Code) > maxCode:
			r.State, r.Reason = Refused, reason(c.Failure)
			return nil
		}
		r.State, r.Code, r.Number = Returned, c.Code, b.key.digest("number", number)
		r.Expires = earlier(r.Expires, b.c.Now().Add(codeLife))
		return nil
	})
	if err != nil || b.c.Plain {
		return "", err
	}
	return number, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// reason returns the error of a hosted UI in the form that is kept.
func reason(failure string) string {
	if len(failure) > maxReason {
		failure = "the sign-in page returned an error"
	}
	return safetext.New(failure).String()
}
