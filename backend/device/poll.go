package device

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Error is an error of OAuth 2.0 or of the device flow. Its code and text are
// the broker's own.
// SPEC: RFC 6749 §5.2, RFC 8628 §3.5.
type Error struct {
	Code string // error
	Text string // error_description
	// Confirmation is "required" while the terminal must send the number of the
	// page, and "wrong" after a wrong one.
	Confirmation string
	Tries        int // numbers that may still be sent, with Confirmation
	// Unknown means that the broker has no such request, as after a restart.
	Unknown bool
	// Network means that the terminal's network is not allowed, with access_denied.
	Network bool
}

func (e *Error) Error() string { return "device flow: " + e.Code }

// Values of Error.Confirmation.
const (
	ConfirmationRequired = "required"
	ConfirmationWrong    = "wrong"
)

// Poll is one request of a terminal for the code.
type Poll struct {
	ClientID, DeviceCode string
	Confirmation         string // the number of the page
	Address, Agent       string
}

// Poll returns the authorization code, or an *Error. The right number has the
// same result for 30 seconds, because a response can be lost.
func (b *Broker) Poll(ctx context.Context, p Poll) (string, error) {
	number, formed := parseNumber(p.Confirmation)
	switch {
	case !b.allowed(p.Address):
		return "", ErrNetwork
	case p.ClientID != b.c.ClientID:
		return "", &Error{Code: "invalid_client"}
	case !validSecret(p.DeviceCode):
		return "", &Error{Code: "invalid_grant"}
	case p.Confirmation != "" && !formed:
		return "", &Error{Code: "invalid_request", Text: "the number has six digits"}
	}
	var result error
	refused := false
	r, err := b.change(ctx, b.id(p.DeviceCode), func(r *Request) error {
		before := r.Recorded
		result = b.step(r, number)
		refused = r.Recorded && !before
		return nil
	})
	switch {
	case errors.Is(err, ErrUnknown):
		// A restart of the broker loses requests: the terminal begins again.
		return "", &Error{Code: "expired_token", Text: "the server does not know this request", Unknown: true}
	case err != nil:
		return "", err
	}
	if refused {
		if err := b.record(ctx, r, p.Address, p.Agent); err != nil {
			return "", err
		}
	}
	if result != nil {
		return "", result
	}
	return r.Code, nil
}

// step applies one poll to a request. Nil means that the code is delivered.
func (b *Broker) step(r *Request, number string) error {
	now := b.c.Now()
	switch {
	case r.State == Refused:
		r.Recorded = r.Recorded || r.Reason == notMine || r.Reason == wrongNumbers
		return &Error{Code: "access_denied", Text: r.Reason}
	case r.State == Redeemed && now.Before(r.Handed.Add(repeat)) && b.confirmed(*r, number):
		return nil
	case r.State == Redeemed || r.State == Opened:
		return &Error{Code: "invalid_grant", Text: "the code was delivered already"}
	case !now.Before(r.Expires):
		return &Error{Code: "expired_token"}
	}
	if number == "" { // the tries bound the others
		soon := !r.Polled.IsZero() && now.Sub(r.Polled) < r.Interval-early
		r.Polled = now
		if soon {
			r.Interval += slower
			return &Error{Code: "slow_down"}
		}
	}
	switch {
	case r.State != Returned:
		return &Error{Code: "authorization_pending"}
	case b.confirmed(*r, number):
		r.State, r.Handed = Redeemed, now
		return nil
	case number == "":
		return &Error{Code: "authorization_pending", Confirmation: ConfirmationRequired, Tries: maxWrong - r.Wrong}
	}
	if r.Wrong++; r.Wrong >= maxWrong {
		r.State, r.Reason, r.Code, r.Recorded = Refused, wrongNumbers, "", true
		return &Error{Code: "access_denied", Text: wrongNumbers}
	}
	return &Error{Code: "authorization_pending", Confirmation: ConfirmationWrong, Tries: maxWrong - r.Wrong}
}

// Cancel ends the request of a terminal that no longer waits, so that it counts
// against no limit and no browser can continue it. A request that has ended, and a
// device code that is unknown, are no errors.
func (b *Broker) Cancel(ctx context.Context, p Poll) error {
	switch {
	case p.ClientID != b.c.ClientID:
		return &Error{Code: "invalid_client"}
	case !validSecret(p.DeviceCode):
		return &Error{Code: "invalid_request", Text: "the device code is malformed"}
	}
	if err := b.spend(ctx, "cancels", p.Address, cancelsOwner, cancelsTotal); err != nil {
		return err
	}
	_, err := b.change(ctx, b.id(p.DeviceCode), func(r *Request) error {
		if !r.Finished() {
			r.State, r.Reason, r.Code = Refused, canceled, ""
		}
		return nil
	})
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

func (b *Broker) confirmed(r Request, number string) bool {
	return b.c.Plain || b.key.matches("number", number, r.Number)
}

// Opening describes a session that a terminal opens.
type Opening struct {
	Terminal, Browser string // addresses
	Host              string // as the terminal claimed it
}

// Claim returns the request of an ID token's nonce, for one session only. The
// caller has verified the ID token and the session. A repeated claim of the same
// session has the same result.
func (b *Broker) Claim(ctx context.Context, nonce, session string) (Opening, error) {
	id := b.key.digest("session", session)
	r, err := b.change(ctx, b.byNonce(nonce), func(r *Request) error {
		switch {
		case r.State == Opened && r.Session == id:
			return nil
		case r.State != Redeemed || !b.c.Now().Before(r.Handed.Add(codeLife)):
			return ErrFinished
		}
		r.State, r.Session, r.Code = Opened, id, ""
		return nil
	})
	if err != nil {
		return Opening{}, err
	}
	return Opening{Terminal: r.Terminal, Browser: r.Browser, Host: r.Host}, nil
}

// Open opens a session until its end, after its session-start event is durable.
func (b *Broker) Open(ctx context.Context, session string, until time.Time) error {
	if err := b.c.Store.Open(ctx, b.key.digest("session", session), until); err != nil {
		return fmt.Errorf("storing an opened session: %w", err)
	}
	return nil
}

// ClientID returns the app client of device sign-ins.
func (b *Broker) ClientID() string { return b.c.ClientID }

// Opened reports whether a session was opened, as far as the store knows.
func (b *Broker) Opened(ctx context.Context, session string) (bool, error) {
	open, err := b.c.Store.Opened(ctx, b.key.digest("session", session))
	if err != nil {
		return false, fmt.Errorf("reading opened sessions: %w", err)
	}
	return open, nil
}
