package identity_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/backend/identity"
)

// pool is a user pool with one person.
type pool struct {
	groups []string
	ended  bool
}

func (p *pool) Alive(_ context.Context, c identity.Claims) (identity.Profile, error) {
	if p.ended {
		return identity.Profile{}, identity.ErrRevoked
	}
	return identity.Profile{Sub: c.Sub, Email: "ada@example.com"}, nil
}

func (p *pool) Groups(context.Context, identity.Claims) ([]string, error) { return p.groups, nil }

// A change in the user pool takes effect after the release age of 5 s.
func ExampleDirectory() {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := &pool{groups: []string{"finance-team"}}
	d, err := identity.NewDirectory(identity.DirectoryConfig{Source: p, Now: func() time.Time { return now }})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := identity.Claims{Sub: "ada-sub", Username: "ada", Session: "ada-session"}
	s, err := d.ForRelease(context.Background(), ada)
	fmt.Println(s.Groups, s.Email, err)

	p.ended = true
	now = now.Add(6 * time.Second)
	_, err = d.ForRelease(context.Background(), ada)
	fmt.Println(errors.Is(err, identity.ErrRevoked))
	// Output:
	// [finance-team] ada@example.com <nil>
	// true
}

func ExamplePool_Issuer() {
	issuer, err := identity.Pool{Region: "eu-west-1", ID: "eu-west-1_Ab9"}.Issuer()
	fmt.Println(issuer, err)
	// Output: https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab9 <nil>
}
