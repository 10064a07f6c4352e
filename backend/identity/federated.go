package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/backend/federation"
)

// DefaultAttribute is the pool's attribute for the groups of a company's
// directory.
const DefaultAttribute = "custom:groups"

// stampLag is the accepted time between the stamp of the groups and the end of
// the sign-in. SPEC: Cognito developer guide, "Customizing user pool workflows
// with Lambda triggers": a trigger answers within 5 s.
const stampLag = 10 * time.Second

// Federated configures the groups of a company's directory, which Cognito stores
// in an attribute of the account.
type Federated struct {
	Attribute string // custom:groups
	Allow     *federation.Allow
	// Unstamped accepts a value without a stamp: the pool has no inbound
	// federation trigger. A person whom the company removed from all groups can
	// then keep the old ones, because Cognito keeps an attribute that is no longer
	// sent.
	Unstamped bool
}

// groups returns the allowed groups of a value for a session. A value of an
// earlier sign-in, or of the future, has none: the trigger writes one at each
// sign-in.
func (f *Federated) groups(v federation.Value, signedIn, now time.Time) []string {
	switch {
	case v.At.IsZero() && !f.Unstamped:
		return nil
	case !v.At.IsZero() && v.At.Before(signedIn.Add(-stampLag)):
		return nil
	case v.At.After(now.Add(leeway)):
		return nil
	}
	return f.Allow.Filter(v.Groups)
}

// Accounts is a pool with accounts and their attributes.
type Accounts interface {
	Source
	GroupsOf(ctx context.Context, username string) ([]string, error)
	Members(ctx context.Context, group string) ([]Member, error)
	// Attribute returns an attribute of an account, "" without one.
	Attribute(ctx context.Context, username, name string) (string, error)
}

// Company is a Source that adds the groups of a company's directory to those of
// the pool, in sessions of a browser.
type Company struct {
	pool Accounts
	f    *Federated
	now  func() time.Time
}

// NewCompany refuses a missing part.
func NewCompany(pool Accounts, f *Federated, now func() time.Time) (*Company, error) {
	if pool == nil || f == nil || f.Attribute == "" || f.Allow == nil || now == nil {
		return nil, fmt.Errorf("company: pool, attribute, allow-list and clock are needed")
	}
	return &Company{pool, f, now}, nil
}

// Alive implements Source.
func (s *Company) Alive(ctx context.Context, c Claims) (Profile, error) { return s.pool.Alive(ctx, c) }

// Groups implements Source.
func (s *Company) Groups(ctx context.Context, c Claims) ([]string, error) {
	if !c.Browser {
		return s.pool.Groups(ctx, c)
	}
	var groups []string
	var value string
	err := both(
		func() (err error) { groups, err = s.pool.GroupsOf(ctx, c.Username); return err },
		func() (err error) { value, err = s.pool.Attribute(ctx, c.Username, s.f.Attribute); return err },
	)
	if err != nil {
		return nil, err
	}
	return s.add(groups, value, c.SignedIn), nil
}

// add adds the groups of a value to those of the pool, for a session that began
// at an instant.
func (s *Company) add(groups []string, value string, signedIn time.Time) []string {
	for _, name := range s.f.groups(federation.Parse(value), signedIn, s.now()) {
		if !slices.Contains(groups, name) {
			groups = append(groups, name)
		}
	}
	return groups
}

// GroupsOf returns the groups that a session of the person can have now, for
// reports. Groups of a company count for as long as a browser's session lasts.
func (s *Company) GroupsOf(ctx context.Context, username string) ([]string, error) {
	groups, err := s.pool.GroupsOf(ctx, username)
	if err != nil {
		return nil, err
	}
	value, err := s.pool.Attribute(ctx, username, s.f.Attribute)
	if err != nil && !errors.Is(err, ErrRevoked) { // reports include disabled accounts
		return nil, err
	}
	return s.add(groups, value, s.now().Add(-browserLife)), nil
}

// Members returns the members of a group of the pool. People whose company gives
// them the group are not among them: Cognito has no search by that attribute.
func (s *Company) Members(ctx context.Context, group string) ([]Member, error) {
	return s.pool.Members(ctx, group)
}

// Attribute returns an attribute of an account, "" without one.
func (s *Company) Attribute(ctx context.Context, username, name string) (string, error) {
	return s.pool.Attribute(ctx, username, name)
}
