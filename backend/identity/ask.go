package identity

import (
	"context"
	"fmt"
)

// Ask queries the pool for the state of a session and for the person's groups, at
// once. If the session has ended, the error is ErrRevoked.
func Ask(ctx context.Context, source Source, c Claims) (Profile, []string, error) {
	var profile Profile
	var groups []string
	err := both(
		func() (err error) { profile, err = alive(ctx, source, c); return err },
		func() (err error) { groups, err = source.Groups(ctx, c); return err },
	)
	if err != nil {
		return Profile{}, nil, err
	}
	return profile, groups, nil
}

// alive queries the pool for the state of a session.
func alive(ctx context.Context, source Source, c Claims) (Profile, error) {
	profile, err := source.Alive(ctx, c)
	if err == nil && profile.Sub != c.Sub {
		// The pool's sub for this token differs from the token's sub.
		return Profile{}, fmt.Errorf("the directory returned another person: %w", ErrRevoked)
	}
	return profile, err
}

// both runs two queries at once and returns the error of the first one, or else
// that of the second one.
func both(first, second func() error) error {
	other := make(chan error, 1)
	go func() { other <- second() }()
	err := first()
	if later := <-other; err == nil {
		err = later
	}
	return err
}
